"""A client for a Databricks profile, by the SDK's unified authentication."""

from __future__ import annotations

import configparser
import logging
import os
from pathlib import Path
from urllib.parse import urlsplit

from databricks.sdk.config import Config

from dbmirror import __version__
from dbmirror.ca_bundle import hand_to_libraries
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.http_client.addresses import is_loopback
from dbmirror.workspace import shell_login
from dbmirror.workspace.client import WorkspaceClient
from dbmirror.workspace.errors import ProfileInvalid, ProfileUnknown, own_words, said_clearly
from dbmirror.workspace.patience import with_patience
from dbmirror.workspace.profile_file import host_of, profile_file, profile_files, sections

# Without a handler Python would print the SDK's warnings on stderr.
logging.getLogger("databricks.sdk").addHandler(logging.NullHandler())

_HTTP_TIMEOUT = 8
"""Seconds for one request. An unreachable workspace is tried twice by the SDK (discovery, then the request)."""
_RETRY_TIMEOUT = 2
"""Seconds after which a failed request is not tried again."""


def client(profile: str | None, *, ca_bundle: Path | None = None) -> WorkspaceClient:
    """A client for `profile`, which is looked up in the user's profile file, then in the sandbox's.

    A named profile beats the environment: what that has of other logins (ARM_*, GOOGLE_*, DATABRICKS_*) is not read.
    Without a profile, or where the named one is in no file and the environment
    names a workspace (DATABRICKS_HOST, …), the environment decides, as in all of Databricks' tools.
    With `ca_bundle` the authorities of that PEM file are trusted in place of the usual ones.
    An unreachable workspace fails within some 20 s. Raises ProfileUnknown, ProfileInvalid or a WorkspaceError.
    """
    read = {file: sections(file) for file in profile_files()}
    file = next((file for file, held in read.items() if profile in held), profile_file())
    known = read[file]
    from_file = profile is not None and profile in known
    if profile is not None and not from_file and not os.environ.get("DATABRICKS_HOST"):
        raise ProfileUnknown(profile, str(file), tuple(name for held in read.values() for name in held))
    name = profile if from_file else None
    host = host_of(known[profile].get("host")) if from_file and profile else os.environ.get("DATABRICKS_HOST")
    _require_secrecy(host, origin=f"The profile {profile!r} in {file}" if from_file else "DATABRICKS_HOST")
    hand_to_libraries(ca_bundle)
    section = known[profile] if from_file and profile else None
    with said_clearly(host, profile=profile), shell_login.without(shell_login.foreign_to(section)):
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
            words = own_words(error)
            what = f"The profile {profile!r} in {file}" if from_file else "The login of the environment"
            logins = shell_login.present()
            if "more than one authorization method" in words and logins:
                raise ProfileInvalid(
                    f"{what} cannot be used: {words}. The shell has {', '.join(logins)}.",
                    remedy=f"Unset what is not meant ('unset {logins[0]}'), or say auth_type = \"…\" in the profile.",
                ) from None
            raise ProfileInvalid(
                f"{what} cannot be used: {words}.",
                remedy=f"Log in with 'databricks auth login --profile {name or 'NAME'}'.",
            ) from None
        return with_patience(WorkspaceClient(config=config))


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
