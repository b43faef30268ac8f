"""What a mirror's configuration says about its image, apart from the lock."""

from __future__ import annotations

from dataclasses import dataclass

from dbmirror.config import Waiver


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """Choices that the lock does not hold."""

    fuse: bool = False
    """Bring `fuse`, for `/dbfs` (contract: rule L26)."""
    waivers: tuple[Waiver, ...] = ()
    """Rules that cannot hold for this image; they stand on its label."""
