"""What a message tells the user to clear: dbmirror's own, or it says that it is everybody's."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import dbmirror

PACKAGE = Path(dbmirror.__file__).parent
CLEARS = re.compile(r"docker (?:image|container|volume|network|system|builder|buildx) prune[^']*")


def named() -> list[tuple[str, str]]:
    """Each command that clears something, with the sentence that names it."""
    strings = (
        node.value
        for source in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    sentences = (sentence for string in strings for sentence in re.split(r"(?<=[.;]) ", string))
    return [(command, sentence) for sentence in sentences for command in CLEARS.findall(sentence)]


@pytest.mark.parametrize(("command", "sentence"), named())
def test_no_command_that_clears_what_other_projects_have_goes_without_saying(command: str, sentence: str) -> None:
    assert "label=io.dbmirror" in command or "all your projects" in sentence
    assert "--all" not in command
