"""Filters that make a value safe for its place in a Dockerfile; a template prints nothing without one."""

from __future__ import annotations

import re
import shlex

from dbmirror.foreign_text.characters import OBEYED
from dbmirror.render.errors import RenderError

_UNPRINTABLE = re.compile(rf"[\t\n{OBEYED}]")
_REFERENCE = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]*", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


class Quoted(str):
    """Text that a filter of this module made safe for the place that it is printed at."""

    __slots__ = ()


def label(value: str) -> Quoted:
    """`value` as a double-quoted word of LABEL: no line end, no variable, no end of the quotes."""
    escaped = re.sub(r'([\\"$`])', r"\\\1", _one_line(value)).replace("\\`", "`")
    return Quoted(f'"{escaped}"')


def reference(value: str) -> Quoted:
    """`value` as the image of FROM; raises RenderError where it is not an image's reference."""
    return _matching(value, _REFERENCE, "the reference of an image")


def word(value: str) -> Quoted:
    """`value` as a part of a path, of a stage's name or of an argument: letters, digits, `.`, `_`, `-`."""
    return _matching(value, _WORD, "a plain word")


def shell(value: str) -> Quoted:
    """`value` as one argument in the shell form of RUN."""
    return Quoted(shlex.quote(_one_line(value)))


def only_quoted(value: object) -> Quoted:
    """`value` if a filter of this module made it; what jinja2 calls on all that a template prints."""
    if isinstance(value, Quoted):
        return value
    raise RenderError(
        f"A template prints {str(value)[:40]!r} without saying how it is quoted.",
        remedy="Give it one of the filters label, reference, word or shell.",
    )


def _one_line(value: str) -> str:
    value = str(value)  # jinja2's own error, where the template was not given it
    if _UNPRINTABLE.search(value):
        raise RenderError(f"{value[:80]!r} cannot be written on one line.", remedy="Take the snapshot again.")
    return value


def _matching(value: str, pattern: re.Pattern[str], what: str) -> Quoted:
    value = str(value)
    if not pattern.fullmatch(value):
        raise RenderError(f"{value[:80]!r} is not {what}.", remedy="Take the snapshot and make the lock again.")
    return Quoted(value)
