"""The environments that a line's marker may be evaluated in: the cluster's, or all that a cluster can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from dbmirror.filters.requirements import marker_values
from dbmirror.runtimes.lookup import known_versions, lookup

_ARCHITECTURES = ("x86_64", "aarch64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environments:
    """What the cluster's environment may be."""

    possible: tuple[Mapping[str, str], ...]
    missing: str = ""
    """What is not known of it, as the end of a sentence."""


def environments_of(python: str | None, architecture: str | None = None) -> Environments:
    """The environments of Python `python` (`3.11.11`; None where it is not known) on a driver."""
    machines = (architecture,) if architecture else _ARCHITECTURES
    pythons = (python,) if python else _pythons()
    return Environments(
        possible=tuple(marker_values(each, architecture=machine) for each in pythons for machine in machines),
        missing=""
        if python and architecture
        else "the list does not say which Python the cluster has: --runtime says it (for example --runtime 15.4)",
    )


@cache
def _pythons() -> tuple[str, ...]:
    """One of each Python that a known runtime has."""
    found = (lookup(version).python for version in known_versions())
    return tuple(dict.fromkeys(f"{python}.0" for python in found if python))
