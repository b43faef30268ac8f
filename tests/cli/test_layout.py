"""At any width of the terminal an id, a path, a digest and a command in quotes stay whole and can be copied."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType

from dbmirror.cli.layout import facts, prose, stacked, table

DIGEST = "sha256:" + "0123456789abcdef" * 4
PATH = "/local_disk0/.ephemeral_nfs/envs/pythonEnv-6f2c1d0e-3b5a-4c7d-9e8f-0a1b2c3d4e5f/lib"


def printed(what: RenderableType, *, width: int = 80, terminal: bool = True) -> list[str]:
    file = io.StringIO()
    Console(file=file, force_terminal=terminal, color_system=None, width=width).print(what, crop=False)
    return file.getvalue().splitlines()


def test_what_does_not_fit_stands_whole_below_its_row() -> None:
    lines = printed(table("NAME", "ID", "DIGEST", rows=[("demo", "1120-081500-387eded6", DIGEST)]))
    assert lines == ["NAME  ID", "demo  1120-081500-387eded6", f"    {DIGEST}"]


def test_several_texts_below_a_row_say_what_they_are() -> None:
    lines = printed(table("NAME", "PATH", "WHY", rows=[("demo", PATH, "it is new")], below=["WHY"]))
    assert lines == ["NAME", "demo", "    path:", f"    {PATH}", "    why: it is new"]


def test_where_it_fits_a_row_is_one_line() -> None:
    assert printed(table("NAME", "ID", rows=[("demo", "1"), ("longer", "2")])) == [
        "NAME    ID",
        "demo    1",
        "longer  2",
    ]


def test_a_path_that_is_longer_than_the_line_is_neither_cut_nor_broken() -> None:
    assert PATH in " ".join(printed(table("PLACE", rows=[[PATH]]), width=40)).split()
    assert PATH in " ".join(printed(facts([("place", f"it is {PATH}, there")]), width=40)).replace(",", "").split()


def test_equal_reasons_stand_once_with_their_count() -> None:
    rows = [("a", "no index has it"), ("b", "its own reason"), ("c", "no index has it")]
    assert printed(table("NAME", "WHY", rows=rows, below=["WHY"])) == [
        "NAME",
        "a",
        "c",
        "    these 2: no index has it",
        "b",
        "    its own reason",
    ]


def test_the_last_text_of_a_row_goes_on_below_its_beginning() -> None:
    lines = printed(table("WHAT", "FOUND", rows=[("disk", "words " * 30)]))
    assert len(lines) > 2
    assert all(line.startswith("      words") and len(line) <= 80 for line in lines[2:])


def test_a_column_without_a_word_is_left_out() -> None:
    assert printed(table("WHAT", "FOUND", "REMEDY", rows=[("disk", "full", "")])) == ["WHAT  FOUND", "disk  full"]


def test_lines_end_between_words_and_a_command_in_quotes_stays_whole() -> None:
    command = "'dbmirror lock prod --refresh'"
    lines = printed(prose(f"{'word ' * 11}The remedy is {command}: it takes what is there."))
    assert any(command in line for line in lines)
    assert all(len(line) <= 80 for line in lines)


def test_where_nobody_looks_no_line_ends_before_its_text_does() -> None:
    assert printed(prose("word " * 100), terminal=False) == [("word " * 100).rstrip()]


def test_a_titled_table_has_room_above_it() -> None:
    parts = [table("A", rows=[["1"]], title="First"), table("B", rows=[["2"]], title="Second")]
    assert printed(stacked(parts)) == ["First", "A", "1", "", "Second", "B", "2"]


def test_a_line_end_in_a_cell_makes_no_second_row() -> None:
    assert printed(table("NAME", rows=[["two\nlines"]])) == ["NAME", "two lines"]
