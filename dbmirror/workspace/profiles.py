"""Databricks profiles: which there are, and a client for one by the SDK's unified authentication."""

from __future__ import annotations

import configparser
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from databricks.sdk import WorkspaceClient
from databricks.sdk.config import Config

from dbmirror import __version__
from dbmirror.folders import sandbox_profile_file
from dbmirror.foreign_text.characters import one_line
from dbmirror.foreign_text.clean_urls import clean_urls_in
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.http_client.addresses import is_loopback
from dbmirror.workspace.errors import ProfileInvalid, ProfileUnknown, said_clearly

# Without a handler Python would print the SDK's warnings on stderr.
logging.getLogger("databricks.sdk").addHandler(logging.NullHandler())

_HTTP_TIMEOUT = 8
"""Seconds for one request. An unreachable workspace is tried twice by the SDK (discovery, then the request)."""
_RETRY_TIMEOUT = 2
"""Seconds after which a failed request is not tried again."""
_OF_THE_PROFILE = (
    *("HOST", "TOKEN", "USERNAME", "PASSWORD", "CLIENT_ID", "CLIENT_SECRET", "AUTH_TYPE"),
    *("CLUSTER_ID", "ACCOUNT_ID", "WORKSPACE_ID", "CONFIG_PROFILE"),
)


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
    """`~/.ssh/id_<name>`."""
    has_ssh_key: bool


def profile_file() -> Path:
    """`$DATABRICKS_CONFIG_FILE`, else `~/.databrickscfg`."""
    return Path(os.environ.get("DATABRICKS_CONFIG_FILE") or "~/.databrickscfg").expanduser()


def profile_files() -> tuple[Path, ...]:
    """The files that profiles are looked up in: the user's, then the sandbox's.

    A cloned file cannot add one: a profile can name the program that logs in.
    """
    return tuple(dict.fromkeys((profile_file(), sandbox_profile_file())))


def list_profiles() -> tuple[Profile, ...]:
    """All profiles of the user's profile file and of the sandbox's.

    A missing file has none; from a damaged one comes what can be read.
    """
    return tuple(
        Profile(
            name=name,
            file=file,
            host=_host(section.get("host")),
            auth=_auth(section),
            cluster_id=section.get("cluster_id") or None,
            ssh_key=ssh_key_of(name),
            has_ssh_key=_is_file(ssh_key_of(name)),
        )
        for file in profile_files()
        for name, section in _sections(file).items()
    )


def ssh_key_of(profile: str) -> Path:
    """Where the SSH key of a profile lies: `~/.ssh/id_<profile>`."""
    return Path.home() / ".ssh" / f"id_{profile}"


def _is_file(path: Path) -> bool:
    """Whether it is there: a profile's name can be of any length and have any character."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def client(profile: str | None) -> WorkspaceClient:
    """A client for `profile`, which is looked up in the user's profile file, then in the sandbox's.

    A named profile beats the environment. Without a profile, or where the named one is in no file and the environment
    names a workspace (DATABRICKS_HOST, …), the environment decides, as in all of Databricks' tools.
    An unreachable workspace fails within some 20 s. Raises ProfileUnknown, ProfileInvalid or a WorkspaceError.
    """
    read = {file: _sections(file) for file in profile_files()}
    file = next((file for file, sections in read.items() if profile in sections), profile_file())
    known = read[file]
    from_file = profile is not None and profile in known
    if profile is not None and not from_file and not os.environ.get("DATABRICKS_HOST"):
        raise ProfileUnknown(profile, str(file), tuple(known))
    name = profile if from_file else None
    host = _host(known[profile].get("host")) if from_file and profile else os.environ.get("DATABRICKS_HOST")
    _require_secrecy(host, origin=f"The profile {profile!r} in {file}" if from_file else "DATABRICKS_HOST")
    with said_clearly(host, profile=profile), _without_the_environments_login(from_file):
        try:
            config = Config(
                profile=name,
                config_file=str(file) if from_file else None,
                product="dbmirror",
                product_version=__version__,
                http_timeout_seconds=_HTTP_TIMEOUT,
                retry_timeout_seconds=_RETRY_TIMEOUT,
            )
        except (ValueError, AttributeError, configparser.Error) as error:
            # Behind this the SDK lists its settings.
            words = foreign_line(str(error).split(". Config:")[0].split(". Env:")[0], 400).rstrip(".")
            what = f"The profile {profile!r} in {file}" if from_file else "The login of the environment"
            raise ProfileInvalid(
                f"{what} cannot be used: {words}.",
                remedy=f"Log in with 'databricks auth login --profile {name or 'NAME'}'.",
            ) from None
        return WorkspaceClient(config=config)


def _require_secrecy(host: str | None, *, origin: str) -> None:
    """Raises ProfileInvalid where a login for `host` would go over the network unencrypted."""
    if not host:
        return
    try:
        parts = urlsplit(host)
        secret = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    except ValueError:
        secret = False
    if secret:
        return
    raise ProfileInvalid(
        f"{origin} names {foreign_line(host, 200)}: a login is sent over https alone, but to this machine's loopback.",
        remedy="Write the workspace's address with https://.",
    )


@contextmanager
def _without_the_environments_login(hidden: bool) -> Iterator[None]:
    """The SDK lets DATABRICKS_HOST, DATABRICKS_TOKEN and the like beat a profile that is named; here they do not."""
    names = [f"DATABRICKS_{name}" for name in _OF_THE_PROFILE] if hidden else []
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


def _sections(file: Path) -> dict[str, Mapping[str, str]]:
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


def _host(value: str | None) -> str | None:
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
