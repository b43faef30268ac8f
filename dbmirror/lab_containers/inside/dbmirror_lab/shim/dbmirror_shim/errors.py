"""What a cell shows where a part of Databricks does not exist here: a sentence, and no traceback."""

from __future__ import annotations


class Unavailable(RuntimeError):
    """Something that this kernel cannot do; the message says why, and what helps."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class NotebookExit(Exception):
    """`dbutils.notebook.exit`: what comes after it in the cell does not run, nor do cells that were queued with it."""

    def _render_traceback_(self) -> list[str]:
        return [f"Notebook exited: {self}"]
