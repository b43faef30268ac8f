"""What `dbmirror sandbox up` left for the other commands, so that its mirror needs no dbmirror.toml."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from dbmirror.config.errors import ConfigError
from dbmirror.config.registries import RegistryConfig
from dbmirror.config.settings import FILE_NAME, MirrorConfig, MirrorName, RegistryName
from dbmirror.config.values import decode_path
from dbmirror.folders import sandbox_folder
from dbmirror.foreign_text.decoding import convert, decode_toml

_Section = TypeVar("_Section", bound=Struct)
SANDBOX_REGISTRY: Final = "sandbox"
"""What `--push` calls the sandbox's own registry."""
SERVERS_FILE: Final = "servers.toml"
"""Beside the sandbox's dbmirror.toml: where its own servers on this machine are."""
LOGINS_FILE: Final = "logins.toml"
"""Beside it, for its owner alone: the variables that log in to the sandbox's registry."""


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


def filled(section: MirrorConfig, sandbox: MirrorConfig | None) -> MirrorConfig:
    """`section` of a mirror of the sandbox's profile, with what it leaves out as the sandbox has it.

    A mirror of another profile (`sandbox` is None) stays as it is.
    """
    return section if sandbox is None else _filled(section, sandbox)


def _filled(section: _Section, other: _Section) -> _Section:
    default = type(section)()
    taken: dict[str, Any] = {}
    for name in section.__struct_fields__:
        own, theirs = getattr(section, name), getattr(other, name)
        if isinstance(own, Struct):
            taken[name] = _filled(own, theirs) if type(own) is type(theirs) else own
        elif own == getattr(default, name):
            taken[name] = theirs
    return msgspec.structs.replace(section, **taken)


def sandbox_registries() -> dict[str, RegistryConfig]:
    """The section of the sandbox's own registry; none where it has none."""
    try:
        return convert(_sandbox_document(FILE_NAME).get("registries", {}), dict[RegistryName, RegistryConfig])
    except msgspec.ValidationError as error:
        raise _unusable_sandbox(error) from error


def sandbox_logins() -> dict[str, str]:
    """The variables that log in to the sandbox's registry, which is on this machine's loopback."""
    return {name: value for name, value in _sandbox_document(LOGINS_FILE).items() if isinstance(value, str)}


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
