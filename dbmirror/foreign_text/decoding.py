"""Reads JSON and TOML that a stranger may have written: every fault is one error, msgspec's DecodeError."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")
LONGEST_KEY: Final = 500
"""Dots in a line of TOML before its value. A key's time grows with the square of its parts: 50,000 take minutes."""


def decode_json(content: bytes | str, kind: type[T]) -> T:
    """The value of the type `kind` that the JSON `content` holds, every field checked. Raises msgspec.DecodeError.

    Also for what the decoder itself has other errors for: bytes that are no UTF-8, brackets within brackets without
    end, a number that fits nowhere.
    """
    with _one_error(), _first_use(kind):
        return msgspec.json.decode(content, type=kind)


def decode_toml(content: bytes, kind: type[T], *, dec_hook: Callable[[type, Any], Any] | None = None) -> T:
    """The value of the type `kind` that the TOML `content` holds, as `decode_json`; `dec_hook` as msgspec has it."""
    with _one_error(), _first_use(kind):
        if any(line.partition(b"=")[0].count(b".") > LONGEST_KEY for line in content.splitlines()):
            raise msgspec.DecodeError(f"it has a key of more than {LONGEST_KEY} parts")
        return msgspec.toml.decode(content, type=kind, dec_hook=dec_hook)


def convert(
    value: object,
    kind: type[T],
    *,
    dec_hook: Callable[[type, Any], Any] | None = None,
    from_attributes: bool = False,
) -> T:
    """`value` as the type `kind`, every field checked, as msgspec.convert does it. Raises msgspec.ValidationError."""
    with _first_use(kind):
        return msgspec.convert(value, kind, dec_hook=dec_hook, from_attributes=from_attributes)


_FIRST: Final = threading.RLock()
_used: set[Any] = set()


@contextmanager
def _first_use(kind: Any) -> Iterator[None]:
    """One thread at a time where `kind` is used for the first time.

    msgspec 0.22 notes at the first use how a type is read; two threads that do so at once can end the process with a
    segmentation fault (3 of 120 runs).
    """
    if kind in _used:
        yield
        return
    with _FIRST:
        try:
            yield
        finally:
            _used.add(kind)


@contextmanager
def _one_error() -> Iterator[None]:
    try:
        yield
    except msgspec.DecodeError:
        raise
    except RecursionError as error:
        raise msgspec.DecodeError("it is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"it is not UTF-8 (byte {error.start})") from error
    except (ValueError, OverflowError) as error:
        raise msgspec.DecodeError(str(error)) from error
