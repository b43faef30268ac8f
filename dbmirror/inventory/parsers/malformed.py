"""What a parser gives back for a file that it cannot read: the reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Malformed:
    """A file, or a part of one, that is broken or hostile."""

    reason: str
    """One clause without a full stop; hostile values in it are escaped."""
