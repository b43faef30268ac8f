"""What packages require of each other on the cluster: markers are evaluated for its Python, never for this one's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from dbmirror.inventory.model import Distribution, Inventory
from dbmirror.pep508 import ONE_PARSER

Markers = Mapping[str, str]
"""The value of each marker variable of PEP 508."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Why a package is needed: who requires it, in which words."""

    requirer: str
    requirement: str
    """The Requires-Dist line, without its marker."""


def marker_environment(inventory: Inventory) -> Markers:
    """The values of PEP 508's markers on the host of `inventory`."""
    full = inventory.python.version
    return {
        "implementation_name": inventory.python.implementation.lower(),
        "implementation_version": full,
        "os_name": "posix",
        "platform_machine": inventory.architecture,
        "platform_release": "0",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": full,
        "platform_python_implementation": inventory.python.implementation,
        "python_version": ".".join(full.split(".")[:2]),
        "sys_platform": "linux",
    }


def requirements(distribution: Distribution, environment: Markers, extras: Iterable[str] = ()) -> Iterator[Requirement]:
    """The requirements of `distribution` that hold in `environment` with `extras`; unreadable lines require nothing."""
    for line in distribution.requires:
        try:
            with ONE_PARSER:
                requirement = Requirement(line)
            if requirement.marker is None or any(
                requirement.marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras)
            ):
                yield requirement
        except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
            continue


def needed_by(
    roots: Iterable[str],
    effective: Mapping[str, Distribution],
    environment: Markers,
    *,
    follow: Callable[[str], bool] = lambda _name: True,
) -> dict[str, Need]:
    """What `roots` require, directly or not, of what is installed (`effective`): name to the first need found.

    A package for which `follow` is false does not come along, nor does what only it requires. Breadth first and in
    the order of names, so that the same cluster gives the same needs.
    """
    found: dict[str, Need] = {}
    level = [(name, frozenset[str]()) for name in sorted(set(roots))]
    seen: set[tuple[str, frozenset[str]]] = set(level)
    while level:
        deeper: set[tuple[str, frozenset[str]]] = set()
        for name, extras in level:
            if name not in effective:
                continue
            for requirement in requirements(effective[name], environment, sorted(extras)):
                required = canonicalize_name(requirement.name)
                if required not in effective or not follow(required):
                    continue
                words = f"{requirement.name}{_bracketed(requirement.extras)}{requirement.specifier}"
                found.setdefault(required, Need(requirer=name, requirement=words))
                deeper.add((required, frozenset(requirement.extras)))
        level = sorted(deeper - seen, key=lambda step: (step[0], sorted(step[1])))
        seen.update(level)
    return found


def requirers(name: str, effective: Mapping[str, Distribution], environment: Markers) -> tuple[Need, ...]:
    """Every package of `effective` that requires `name`, extras left out, sorted by name."""
    return tuple(
        Need(requirer=other, requirement=f"{requirement.name}{requirement.specifier}")
        for other in sorted(effective)
        for requirement in requirements(effective[other], environment)
        if canonicalize_name(requirement.name) == name
    )


def _bracketed(extras: Iterable[str]) -> str:
    listed = ",".join(sorted(extras))
    return f"[{listed}]" if listed else ""
