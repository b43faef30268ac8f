"""The observer of a running stage: does nothing by default, and is handed down from the CLI."""

from __future__ import annotations


class Observer:
    """Watches stages. This base does nothing; the CLI's shows progress, the tests' record it.

    A stage is named by a short phrase ("lock", "build"); calls for different stages may interleave and may
    come from several threads.
    """

    def started(self, stage: str, *, total: int | None = None) -> None:
        """`stage` began; `total` is its number of steps, None where unknown."""

    def advanced(self, stage: str, text: str = "", *, steps: int = 1) -> None:
        """`stage` moved on by `steps`; `text` says with what (one line)."""

    def finished(self, stage: str, text: str = "") -> None:
        """`stage` ended well; `text` says with what result (one line)."""

    def note(self, text: str) -> None:
        """Something worth knowing that is no problem (one line)."""

    def warn(self, text: str) -> None:
        """Something that the user should look at, and that does not stop the work (one line)."""


SILENT = Observer()
"""The observer that does nothing."""
