"""What a workspace gives, checked against the types of the values that it goes into."""

from __future__ import annotations

from typing import Any, TypeVar

from dbmirror.foreign_text.decoding import convert

_T = TypeVar("_T")


def checked(value: dict[str, Any], kind: type[_T]) -> _T:
    """`value` as a `kind`, every text checked against its type. Raises msgspec.ValidationError, a ValueError."""
    return convert(value, kind)
