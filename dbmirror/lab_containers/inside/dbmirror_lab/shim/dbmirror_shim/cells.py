"""Databricks' way to write a cell in another language: one percent sign in its first line, for the whole cell."""

from __future__ import annotations

import re

LANGUAGES = ("sql", "fs", "sh", "md", "python", "r", "scala")
_FIRST = re.compile(r"%(" + "|".join(LANGUAGES) + r")\b(?!\.)[ \t]*(.*)", re.DOTALL)
_OPTION = re.compile(r"(-\w+)[ \t]*(.*)", re.DOTALL)


def databricks_cell(lines: list[str]) -> list[str]:
    """The cell as IPython writes it (`%%sql`), where it starts as Databricks writes it (`%sql`); else as it is."""
    begin = next((place for place, line in enumerate(lines) if line.strip()), None)
    match = None if begin is None else _FIRST.fullmatch(lines[begin])
    if match is None or begin is None:
        return lines
    language, rest = match.groups()
    options = ""
    if language == "sh" and (option := _OPTION.fullmatch(rest)):
        options, rest = f" {option[1]}", option[2]
    body = [rest if rest.endswith("\n") else rest + "\n"] if rest.strip() else []
    return [f"%%{language}{options}\n", *body, *lines[begin + 1 :]]
