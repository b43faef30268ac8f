"""The lines of a requirements file, joined, stripped of comments and split as pip does it.

pip's own parser is no library (its developers say so), and the copy of it on the index stands still since 2022; the
tests hold this one against the pip that is installed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from optparse import OptionParser, Values
from pathlib import Path
from typing import Final, NoReturn

from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.package_lists.model import ListUnreadable, place_of

_WITH_VALUE: Final = (
    ("-r", "--requirement"),
    ("-c", "--constraint"),
    ("-e", "--editable"),
    ("-i", "--index-url", "--pypi-url"),
    ("--extra-index-url",),
    ("-f", "--find-links"),
    ("--no-binary",),
    ("--only-binary",),
    ("--trusted-host",),
    ("--use-feature",),
    ("--hash",),
    ("--global-option",),
    ("--install-option",),
    ("-C", "--config-settings", "--config-setting"),
)
_FLAGS: Final = ("--no-index", "--pre", "--prefer-binary", "--require-hashes", "--all-releases", "--only-final")
_COMMENT: Final = re.compile(r"(?<!\S)#")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line with something on it, continuation lines joined."""

    file: Path
    number: int
    """Of its first line in the file."""
    requirement: str
    """What stands before the first option; empty where there is none."""
    editable: str | None = None
    """The address or folder of `-e`."""
    requirements_file: str | None = None
    """What `-r` names."""
    constraints_file: str | None = None
    """What `-c` names."""
    sha256: str | None = None
    """Of `--hash`, where there is just one."""
    indexes: tuple[str, ...] = ()
    """The options of the line that say where packages come from, as they stand there."""

    @property
    def place(self) -> str:
        """`requirements.txt:3`."""
        return place_of(self.file, self.number)


def requirement_lines(text: str, file: Path) -> Iterator[Line]:
    """The lines of `text`, which is the content of `file`. Raises ListUnreadable, naming the line."""
    for number, joined in _joined(text):
        comment = _COMMENT.search(joined)
        content = (joined[: comment.start()] if comment else joined).strip()
        if content:
            yield _line(content, number, file)


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Lines that end with a backslash joined with the next; a comment ends such a line, too."""
    first, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        is_comment = line.lstrip().startswith("#")
        first = first or number
        if line.endswith("\\") and not is_comment:
            parts.append(line.strip("\\"))
            continue
        yield first, "".join((*parts, f" {line}" if is_comment else line))
        first, parts = 0, []
    if parts:
        yield first, "".join(parts)


def _line(content: str, number: int, file: Path) -> Line:
    words = content.split(" ")
    first_option = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    try:
        found, rest = _parser().parse_args(shlex.split(" ".join(words[first_option:])), Values())
        if rest:
            _parser().error(f"{rest[0]!r} belongs to no option")
    except ValueError as error:
        raise ListUnreadable(
            f"{file}:{number}: {foreign_line(content, 200)!r} cannot be read as pip reads it: "
            f"{foreign_line(str(error), 200)}."
        ) from None
    hashes = _all(found, "hash")
    return Line(
        file=file,
        number=number,
        requirement=" ".join(words[:first_option]).strip(),
        editable=_first(found, "editable"),
        requirements_file=_first(found, "requirement"),
        constraints_file=_first(found, "constraint"),
        sha256=hashes[0].removeprefix("sha256:") if len(hashes) == 1 and hashes[0].startswith("sha256:") else None,
        indexes=tuple(
            f"{option} {value}"
            for option in ("--index-url", "--extra-index-url", "--find-links")
            for value in _all(found, option.removeprefix("--").replace("-", "_"))
        ),
    )


def _all(found: Values, name: str) -> list[str]:
    return list(getattr(found, name, None) or ())


def _first(found: Values, name: str) -> str | None:
    return next(iter(_all(found, name)), None)


class _Parser(OptionParser):
    def error(self, msg: str) -> NoReturn:
        raise ValueError(msg)


@cache
def _parser() -> OptionParser:
    parser = _Parser(add_help_option=False)
    for names in _WITH_VALUE:
        destination = max(names[:2], key=len).removeprefix("--").replace("-", "_")
        parser.add_option(*names, dest=destination, action="append")
    for flag in _FLAGS:
        parser.add_option(flag, action="store_true")
    return parser
