"""Where a classic cluster's driver takes SSH: the platform's port and user."""

from __future__ import annotations

from typing import Final

DRIVER_PORT: Final = 2200
DRIVER_USER: Final = "ubuntu"
