"""The name of a jar on a driver: Databricks writes the coordinates of most of its jars into it."""

from __future__ import annotations

import re

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,300}")


def parse_jar_name(name: str) -> tuple[str, str, str] | None:
    """Group, artifact and version of `…--mvn--…--group__artifact__version.jar`; None where the name has none."""
    if not name.endswith(".jar") or "--" not in name:
        return None
    parts = name.removesuffix(".jar").rpartition("--")[2].split("__")
    if len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
        return None
    group, artifact, version = parts
    return group, artifact, version
