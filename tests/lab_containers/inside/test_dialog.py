"""JupyterLab shows an error as it is: its lines are short enough for the window, the remedy included."""

from __future__ import annotations

from dbmirror_lab.dialog import in_lines

TEXT = (
    "The tunnel has no connection to the driver (auth-failed). The driver at 10.0.0.4:2200 does not take the key: "
    "'dbmirror ssh setup production' puts a key on the cluster; then 'dbmirror lab up production'."
)


def test_each_sentence_has_a_line_and_none_is_longer_than_a_dialog() -> None:
    lines = in_lines(TEXT).splitlines()
    assert lines[0] == "The tunnel has no connection to the driver (auth-failed)."
    assert max(map(len, lines)) <= 72
    assert " ".join(lines) == TEXT


def test_a_command_that_helps_can_be_copied_from_one_line() -> None:
    lines = in_lines(TEXT).splitlines()
    for command in ("'dbmirror ssh setup production'", "'dbmirror lab up production'"):
        assert any(command in line for line in lines)
