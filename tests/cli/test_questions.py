"""What a command asks on a terminal, and that it asks nobody where there is none."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from dbmirror.cli.output import Output
from dbmirror.cli.session import questions
from dbmirror.clones.agreements import Claim

CLAIM = Claim(
    root=Path(), kind="base", bound_to="x", text="dbmirror.toml names \x1b[2J evil.example/base:1.", remedy=""
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "meant"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_claim_is_told_whole_and_its_words_command_no_terminal(
    monkeypatch: pytest.MonkeyPatch, answer: str, meant: bool
) -> None:
    said = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", said)
    ask = questions(Output("build", as_json=True)).claim
    assert ask is not None
    assert ask(CLAIM) is meant
    assert "evil.example/base:1" in said.getvalue()
    assert "\x1b[2J" not in said.getvalue()


def test_where_nobody_can_answer_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert questions(Output("build", as_json=False)).claim is None
