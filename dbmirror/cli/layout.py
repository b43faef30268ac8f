"""Text and rows for a console of any width: lines end between words, so that an id or a path can be copied."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from dbmirror.foreign_text.characters import one_line

_GAP: Final = 2
"""Columns between two cells of a row."""
_INDENT: Final = 4
_LONGEST_CELL: Final = 20_000
_ENOUGH: Final = 36
"""Columns that are enough for a text beside the other cells of its row."""
_WORD: Final = re.compile(r"(?:'[^' ][^'\n]{0,60}'[^\s']*|\S+)\s*")
"""What is not broken: a word, and a command in quotes."""


@dataclass(frozen=True, slots=True)
class Prose:
    """A text whose lines end between words."""

    text: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.text.split("\n", allow_blank=True):
            yield from _wrapped(line, _width(console, options))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A table. Cells stand side by side where they fit, else the widest ones below their row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    title: str | None = None
    below: frozenset[str] = frozenset()
    """The columns that always stand below their row."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = _width(console, options)
        used = [number for number in range(len(self.columns)) if any(row[number].plain for row in self.rows)]
        widths = [max(cell_len(name), *(row[i].cell_len for row in self.rows)) for i, name in enumerate(self.columns)]
        least = [max(map(_least, (row[number] for row in self.rows)), default=0) for number in range(len(widths))]
        free = [number for number in used if self.columns[number] not in self.below]
        beside = _beside(free, widths, least, options.max_width)
        below = [number for number in used if number not in beside]
        if self.title:
            yield Prose(Text(self.title, style="italic"))
        if any(self.columns[number] for number in beside):
            names = [Text(self.columns[number], style="bold") for number in beside]
            yield from _line(names, [widths[number] for number in beside], width)
        for notes, rows in _with_equal_notes(self.rows, below):
            for row in rows:
                cells = [row[number] for number in beside]
                yield from _line(cells, [widths[number] for number in beside], width)
            for number, note in zip(below, notes, strict=True):
                if note.plain:
                    # What a single column below says needs no name.
                    label = f"{self.columns[number].lower()}: " if len(below) > 1 else ""
                    label = f"these {len(rows)}: " if len(rows) > 1 else label
                    yield from _wrapped(Text.assemble((label, "dim"), note), width, indent=_INDENT)


def table(
    *columns: str,
    rows: Iterable[Sequence[str | Text]],
    title: str | None = None,
    below: Collection[str] = (),
) -> RenderableType:
    """A table in which no cell is cut off and no word broken. What several rows have `below` them stands there once."""
    return Rows(
        columns=columns,
        rows=tuple(tuple(map(_cell, row)) for row in rows),
        title=title,
        below=frozenset(below),
    )


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with their values behind them; a long value goes on below its beginning."""

    rows: tuple[tuple[str, Text], ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = max((len(name) for name, _ in self.rows), default=0)
        for name, value in self.rows:
            yield from _line([Text(name, style="dim"), value], [wide, 0], _width(console, options))


def facts(rows: Iterable[tuple[str, str]]) -> RenderableType:
    """Names and values below each other."""
    return Facts(tuple((name, _cell(value)) for name, value in rows))


def prose(text: str, *, style: str = "") -> RenderableType:
    """`text`, which is plain and never markup."""
    return Prose(Text(text, style=style))


def stacked(parts: Sequence[RenderableType]) -> RenderableType:
    """`parts` below each other, with an empty line in front of each titled table but the first."""
    spaced: list[RenderableType] = []
    for part in parts:
        if spaced and isinstance(part, Rows):
            spaced.append(Text())
        spaced.append(part)
    return Group(*spaced)


def _width(console: Console, options: ConsoleOptions) -> int:
    """Where lines end. Where nobody looks they do not: log viewers wrap by themselves, and grep wants whole lines."""
    return options.max_width if console.is_terminal else sys.maxsize


def _cell(content: str | Text) -> Text:
    """`content` on one line."""
    if isinstance(content, str):
        return Text(one_line(content, _LONGEST_CELL))
    return Text(one_line(content.plain, _LONGEST_CELL), style=content.style)


def _least(cell: Text) -> int:
    """The columns that a text needs that may go on below its beginning."""
    return max(min(cell.cell_len, _ENOUGH), max((cell_len(word) for word in cell.plain.split()), default=0))


def _beside(columns: Sequence[int], widths: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """Those of `columns` that stand side by side: all that fit, without the widest ones. The first one always does.

    The last one has to fit with what it needs at `least`: it goes on below its beginning.
    """
    beside = list(columns)
    while len(beside) > 1:
        start = sum(widths[number] + _GAP for number in beside[:-1])
        if start + least[beside[-1]] <= width:
            break
        beside.remove(max(beside[1:], key=lambda number: widths[number]))
    return beside


def _with_equal_notes(
    rows: Iterable[tuple[Text, ...]], below: Sequence[int]
) -> Iterable[tuple[tuple[Text, ...], list[tuple[Text, ...]]]]:
    """The rows with what stands below them: those that have the same one text below, together, where the first is."""
    if len(below) != 1:
        return [(tuple(row[number] for number in below), [row]) for row in rows]
    together: dict[str, list[tuple[Text, ...]]] = {}
    for row in rows:
        together.setdefault(row[below[0]].plain, []).append(row)
    return [((alike[0][below[0]],), alike) for alike in together.values()]


def _line(cells: Sequence[Text], widths: Sequence[int], width: int) -> Iterable[Text]:
    """Cells side by side; the last one goes on below its beginning where there is enough room."""
    line = Text()
    for cell, wide in zip(cells[:-1], widths, strict=False):
        line.append_text(cell)
        line.append(" " * (wide - cell.cell_len + _GAP))
    start = line.cell_len
    first, *rest = _wrapped(cells[-1], width if width >= start + _ENOUGH else sys.maxsize, indent=start)
    line.append_text(first[start:])
    line.rstrip()
    yield _as_is(line)
    yield from rest


def _wrapped(text: Text, width: int, *, indent: int = 0) -> list[Text]:
    """The lines of `text`, at least one, indented."""
    borders, used = [], 0
    for word in _WORD.finditer(text.plain):
        length = cell_len(word[0].rstrip())
        if used and indent + used + length > width:
            borders.append(word.start())
            used = 0
        used += cell_len(word[0])
    lines = []
    for line in text.divide(borders):
        line.rstrip()
        lines.append(_as_is(Text.assemble(" " * indent, line)))
    return lines


def _as_is(line: Text) -> Text:
    """`line`, which no console breaks or cuts."""
    line.no_wrap, line.overflow = True, "ignore"
    return line
