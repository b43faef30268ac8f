"""What JupyterLab's dialog shows of an error: as it is, so that a long line runs out of the window."""

from __future__ import annotations

import re
import textwrap

_WIDTH = 72
_HELD = "\0"
"""Stands for a blank inside a command while lines are made."""


def in_lines(text: str) -> str:
    """`text` with a line for each sentence, long ones wrapped between words; a command in quotes stays on one line."""
    held = re.sub(r"'[^'\n]{1,60}'", lambda command: command.group().replace(" ", _HELD), text)
    sentences = re.split(r"(?<=[.!?]) +|\n", held)
    lines = [
        line
        for sentence in sentences
        for line in textwrap.wrap(sentence, _WIDTH, break_long_words=False, break_on_hyphens=False)
    ]
    return "\n".join(lines).replace(_HELD, " ")
