"""Which Databricks profiles there are: the sections of the user's profile file and of the sandbox's."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from dbmirror.folders import sandbox_profile_file, ssh_key_of
from dbmirror.foreign_text.characters import one_line
from dbmirror.foreign_text.clean_urls import clean_urls_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One section of a profile file. No secret is kept of it."""

    name: str
    file: Path
    host: str | None
    """`https://…`, without credentials; None where the section has none."""
    auth: str
    """The SDK's name of the kind of login: `pat`, `oauth-m2m`, `databricks-cli`, `azure-cli`, …; or `none`."""
    cluster_id: str | None
    """The profile's default cluster."""
    ssh_key: Path
    """The key that its clusters are logged in to with: a mirror's own, else `~/.ssh/id_<name>`."""
    has_ssh_key: bool


def profile_file() -> Path:
    """`$DATABRICKS_CONFIG_FILE`, else `~/.databrickscfg`."""
    return Path(os.environ.get("DATABRICKS_CONFIG_FILE") or "~/.databrickscfg").expanduser()


def profile_files() -> tuple[Path, ...]:
    """The files that profiles are looked up in: the user's, then the sandbox's.

    A cloned file cannot add one: a profile can name the program that logs in.
    """
    return tuple(dict.fromkeys((profile_file(), sandbox_profile_file())))


def list_profiles(keys: Mapping[str, Sequence[Path]] = MappingProxyType({})) -> tuple[Profile, ...]:
    """All profiles of the user's profile file and of the sandbox's.

    `keys` are the private keys that mirrors of a profile log in with, by its name. A missing file has no profile; from
    a damaged one comes what can be read.
    """
    return tuple(
        _profile(name, file, section, keys.get(name, ()))
        for file in profile_files()
        for name, section in sections(file).items()
    )


def profile_names() -> tuple[str, ...]:
    """The names of all profiles, each once."""
    return tuple(dict.fromkeys(name for file in profile_files() for name in sections(file)))


def _profile(name: str, file: Path, section: Mapping[str, str], keys: Sequence[Path]) -> Profile:
    own = ssh_key_of(name)
    key = next((key for key in (*keys, own) if _is_file(key)), None)
    return Profile(
        name=name,
        file=file,
        host=host_of(section.get("host")),
        auth=_auth(section),
        cluster_id=section.get("cluster_id") or None,
        ssh_key=key or (keys[0] if keys else own),
        has_ssh_key=key is not None,
    )


def _is_file(path: Path) -> bool:
    """Whether it is there: a profile's name can be of any length and have any character."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def sections(file: Path) -> dict[str, Mapping[str, str]]:
    """The profiles in `file` by name, as far as it can be read."""
    try:
        text = file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return {}
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, default_section="\0")
    # After an error the parser has still kept every line that it understood.
    # An indented line below an option without a value is an AttributeError, and leaves values that are no text.
    with suppress(configparser.Error, AttributeError):
        parser.read_string(f"[\1]\n{text}")
    found = {name: {k: v for k, v in parser.items(name) if isinstance(v, str)} for name in parser.sections()}
    return {name: section for name, section in found.items() if section and name not in {"\1", "__settings__"}}


def host_of(value: str | None) -> str | None:
    """`https://…` of a section's `host`, without credentials; None where it has none."""
    if not value:
        return None
    host = one_line(clean_urls_in(value), 300).rstrip("/")
    return host if "://" in host else f"https://{host}"


def _auth(section: Mapping[str, str]) -> str:
    signs = (
        ("auth_type", section.get("auth_type", "")),
        ("token", "pat"),
        ("azure_client_secret", "azure-client-secret"),
        ("client_secret", "oauth-m2m"),
        ("password", "basic"),
        ("azure_workspace_resource_id", "azure-cli"),
        ("google_service_account", "google-id"),
        ("google_credentials", "google-credentials"),
    )
    return next((kind for setting, kind in signs if section.get(setting)), "none")
