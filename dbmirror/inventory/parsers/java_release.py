"""The `release` file of a Java: its version."""

from __future__ import annotations

from dbmirror.inventory.parsers.os_release import parse_os_release


def parse_java_release(content: str) -> str | None:
    """JAVA_VERSION as it stands there (`17.0.16`, `1.8.0_412`); None where it is missing."""
    return parse_os_release(content).get("JAVA_VERSION") or None
