"""What Python packages require on the cluster: markers are evaluated for its Python, never for this one's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement

from dbmirror.foreign_text.pep508 import ONE_PARSER
from dbmirror.inventory.model import Distribution, Inventory

Markers = Mapping[str, str]
"""The value of each marker variable of PEP 508."""


def marker_environment(inventory: Inventory) -> Markers:
    """The values of PEP 508's markers on the host of `inventory`."""
    interpreter = inventory.python
    return marker_values(
        interpreter.version, architecture=inventory.architecture, implementation=interpreter.implementation
    )


def marker_values(python: str, *, architecture: str, implementation: str = "CPython") -> Markers:
    """The values of PEP 508's markers on Linux under Python `python` (`3.11.11`)."""
    return {
        "implementation_name": implementation.lower(),
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": architecture,
        "platform_release": "0",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": python,
        "platform_python_implementation": implementation,
        "python_version": ".".join(python.split(".")[:2]),
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
