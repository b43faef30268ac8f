"""Free text that a workspace gives, brought into the form that may be shown and written: one line, no credentials."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^/\s@]*(?:@[^/\s@]*)*)@)?(?P<rest>[^\s?#]*)(?P<query>\?[^\s#]*)?"
)
_T = TypeVar("_T")


def without_credentials(text: str) -> str:
    """`text` with user, password and query taken out of every URL in it.

    Kept is the user part without a password that is no credential: `abfss://container@account…`, `git+ssh://git@…`.
    """

    def stripped(match: re.Match[str]) -> str:
        scheme, user = match["scheme"], match["user"]
        web = scheme.lower().rpartition("+")[2] in {"http", "https"}
        keep = f"{user}@" if user and not web and ":" not in user else ""
        return f"{scheme}://{keep}{match['rest']}{'' if web else match['query'] or ''}"

    return _URL.sub(stripped, text)


def one_line(text: str, length: int = 2000) -> str:
    """`text` without credentials, as one line of at most `length` characters and none that a terminal obeys."""
    clean = "".join(c if c.isprintable() else " " for c in without_credentials(text))
    words = " ".join(clean.split())
    return words if len(words) <= length else f"{words[: length - 1]}…"


def checked(value: dict[str, Any], kind: type[_T]) -> _T:
    """`value` as a `kind`, every text checked against its type. Raises msgspec.ValidationError, a ValueError."""
    return msgspec.convert(value, kind)
