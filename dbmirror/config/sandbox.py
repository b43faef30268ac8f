"""What `dbmirror sandbox up` left for the other commands, so that its mirror needs no dbmirror.toml."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dbmirror.config.errors import ConfigError
from dbmirror.config.settings import FILE_NAME, MirrorConfig, MirrorName
from dbmirror.config.values import decode_path
from dbmirror.folders import sandbox_folder
from dbmirror.foreign_text.decoding import convert, decode_toml

SERVERS_FILE: Final = "servers.toml"
"""Beside the sandbox's dbmirror.toml: where its own servers on this machine are."""


def sandbox_servers() -> tuple[str, ...]:
    """Addresses of the sandbox's own servers on this machine, which its cluster may name; none where there is none."""
    url = _sandbox_document(SERVERS_FILE).get("files_url")
    return (url,) if isinstance(url, str) else ()


def sandbox_mirrors() -> dict[str, MirrorConfig]:
    """What `dbmirror sandbox up` left for its own mirror, so that it needs no configuration file."""
    document = _sandbox_document(FILE_NAME)
    try:
        mirrors = dict(document.get("mirrors", {}))
        for section in mirrors.values():
            section.pop("profile_file", None)  # an older dbmirror's; the sandbox's profile file has a fixed place
        return convert(mirrors, dict[MirrorName, MirrorConfig], dec_hook=decode_path)
    except (ValueError, TypeError, AttributeError, msgspec.ValidationError) as error:
        raise _unusable_sandbox(error) from error


def _sandbox_document(name: str) -> dict[str, Any]:
    path = sandbox_folder() / name
    try:
        return decode_toml(path.read_bytes(), dict[str, Any]) if path.is_file() else {}
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise _unusable_sandbox(error, name) from error


def _unusable_sandbox(error: Exception, name: str = FILE_NAME) -> ConfigError:
    return ConfigError(
        f"The sandbox's {sandbox_folder() / name} cannot be used: {error}.",
        remedy="Make it again: 'dbmirror sandbox up'.",
    )
