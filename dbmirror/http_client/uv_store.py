"""uv's own store of logins: what `uv auth login` keeps, as uv reads it for an address."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from dbmirror.files import read_settings
from dbmirror.foreign_text.decoding import decode_toml
from dbmirror.http_client.addresses import Origin, origin_of
from dbmirror.http_client.refused import Refused

_FILE: Final = "credentials.toml"


class _Credential(msgspec.Struct):
    service: str
    scheme: str = "basic"
    username: str | None = None
    password: str | None = None


class _Store(msgspec.Struct):
    credential: tuple[_Credential, ...] = ()


def uv_login(url: str, user: str | None, *, environment: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
    """User and password that the store has for `url`, for `user` if one is given; None where it has none.

    A service counts for every address below it, by whole parts of the path; of several the longest. A store that
    cannot be read has none: uv says what is wrong with it.
    """
    try:
        origin, parts = origin_of(url), _parts(url)
        found = [
            (len(_parts(each.service)), each)
            for each in _credentials(environment)
            if each.scheme == "basic" and each.password is not None and user in {None, each.username}
            if _is_below(origin, parts, each.service)
        ]
    except (OSError, ValueError, msgspec.DecodeError, Refused):
        return None
    if not found:
        return None
    best = max(found, key=lambda each: each[0])[1]
    return best.username or "", best.password or ""


def _credentials(environment: Mapping[str, str]) -> tuple[_Credential, ...]:
    folder = environment.get("UV_CREDENTIALS_DIR")
    data = environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return decode_toml(
        read_settings((Path(folder) if folder else Path(data, "uv", "credentials")) / _FILE), _Store
    ).credential


def _is_below(origin: Origin, parts: tuple[str, ...], service: str) -> bool:
    try:
        here = _parts(service)
        return origin_of(service) == origin and parts[: len(here)] == here
    except (ValueError, Refused):
        return False


def _parts(url: str) -> tuple[str, ...]:
    return tuple(part for part in urlsplit(url).path.split("/") if part)
