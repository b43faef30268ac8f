"""Credentials in the user's docker config: its helpers, its store and its plain entries; read, never written."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, field

from dbmirror.foreign_text.decoding import decode_json
from dbmirror.processes.programs import ProcessFailed
from dbmirror.publish.registries.credential import Credential, Unserved
from dbmirror.publish.registries.credential_programs import ask_program, unserved
from dbmirror.publish.registries.target import DOCKER_HUB, RegistryTarget

_HUB_KEY = "https://index.docker.io/v1/"
_HUB_NAMES = frozenset({"index.docker.io", DOCKER_HUB, "registry-1.docker.io"})
_USER_OF_IDENTITY_TOKENS = "<token>"
"""What a helper gives for a user name where the secret is an identity token."""


class _Entry(Struct):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _DockerConfig(Struct):
    auths: dict[str, _Entry] = {}
    creds_store: str = field(name="credsStore", default="")
    cred_helpers: dict[str, str] = field(name="credHelpers", default={})


class _HelperAnswer(Struct):
    username: str = field(name="Username", default="")
    secret: str = field(name="Secret", default="")


def credential_from_docker_config(
    target: RegistryTarget, environ: Mapping[str, str], *, deadline: float = 30.0
) -> Credential | Unserved:
    """What `docker login` left for the target's registry: the host's helper, else the store, else the plain entry.

    `DOCKER_CONFIG` names the folder, else it is `~/.docker`. A helper gets `deadline` seconds.
    """
    folder = environ.get("DOCKER_CONFIG")
    path = (Path(folder) if folder else Path(environ.get("HOME") or Path.home()) / ".docker") / "config.json"
    try:
        config = decode_json(path.read_bytes(), _DockerConfig)
    except FileNotFoundError:
        return Unserved(f"there is no {path}")
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        # The decoder's own words could quote a piece of the file.
        return Unserved(f"{path} cannot be read as a docker config")
    reasons = []
    helper = next((name for key, name in config.cred_helpers.items() if _means(key, target)), "") or config.creds_store
    if helper:
        found = _ask_helper(helper, target, environ, deadline)
        if isinstance(found, Credential):
            return found
        reasons.append(found.reason)
    entry = next((entry for key, entry in config.auths.items() if _means(key, target) and _filled(entry)), None)
    if entry is None:
        reasons.append(f"{path} has no entry for {target.host}")
        return Unserved("; ".join(reasons))
    found = _from_entry(entry, path)
    return found if isinstance(found, Credential) else Unserved("; ".join([*reasons, found.reason]))


def _means(key: str, target: RegistryTarget) -> bool:
    """Whether a key of the config (`host`, `https://host/v1/`) means the target's registry."""
    host = re.sub(r"\Ahttps?://", "", key).partition("/")[0].lower()
    return host in _HUB_NAMES if target.host == DOCKER_HUB else host == target.host


def _ask_helper(
    name: str, target: RegistryTarget, environ: Mapping[str, str], deadline: float
) -> Credential | Unserved:
    program = f"docker-credential-{name}"
    if not re.match(r"\A[A-Za-z0-9._-]+\Z", name):
        return Unserved("the docker config names a credential helper that is no program's name")
    server = _HUB_KEY if target.host == DOCKER_HUB else target.host
    try:
        finished = ask_program([program, "get"], environ, stdin=server.encode(), seconds=deadline)
    except ProcessFailed as error:
        return unserved(error, program, seconds=deadline)
    if finished.code != 0:
        return Unserved(f"{program} has none for {server}")
    try:
        answer = decode_json(finished.stdout, _HelperAnswer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Unserved(f"{program} did not answer with a credential")
    if not answer.secret:
        return Unserved(f"{program} has none for {server}")
    return Credential(
        username=answer.username,
        secret=answer.secret,
        source=program,
        identity_token=answer.username == _USER_OF_IDENTITY_TOKENS,
    )


def _filled(entry: _Entry) -> bool:
    """False for the empty entry that `docker login` leaves where a store holds the credential."""
    return bool(entry.auth or entry.password or entry.identitytoken)


def _from_entry(entry: _Entry, path: Path) -> Credential | Unserved:
    username, password = entry.username, entry.password
    if entry.auth:
        try:
            username, _, password = base64.b64decode(entry.auth, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return Unserved(f"the entry in {path} is damaged")
    if entry.identitytoken:
        return Credential(username=username, secret=entry.identitytoken, source=str(path), identity_token=True)
    if not (username and password):
        return Unserved(f"the entry in {path} is damaged")
    return Credential(username=username, secret=password.rstrip("\0"), source=str(path))
