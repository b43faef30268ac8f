"""The places that can be compared: snapshots, clusters, locks, images, this environment, requirements files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from dbmirror.errors import UsageError
from dbmirror.files import read_settings
from dbmirror.foreign_text.decoding import convert
from dbmirror.hosts.container import ContainerHost
from dbmirror.hosts.local import LocalHost
from dbmirror.inventory.collect import collect
from dbmirror.inventory.model import Inventory
from dbmirror.pipeline.mirror import Mirror
from dbmirror.pipeline.stages import read_cluster
from dbmirror.snapshot import Cluster
from dbmirror.verify.verify import expected_versions

_KINDS = ("snapshot", "cluster", "lock", "image")
SECTIONS: Final = ("python", "r", "debian", "jars", "facts")
"""What of two places can be compared."""


@dataclass(frozen=True, slots=True)
class Place:
    """One side of a comparison."""

    kind: str
    """`snapshot`, `cluster`, `lock`, `image`, `environment`, `requirements`."""
    what: str
    """A mirror's name, an image's reference, a file's path; empty for this environment."""

    @property
    def mirror(self) -> str:
        """The mirror that it belongs to, if it belongs to one."""
        return self.what if self.kind in {"snapshot", "cluster", "lock"} or self.is_mirror_image else "none"

    @property
    def is_mirror_image(self) -> bool:
        """It is the image of a mirror, not any image: a mirror's name has neither a slash nor a colon."""
        return self.kind == "image" and not set(self.what) & {"/", ":", "@"}


def parse_place(text: str) -> Place:
    """What the words of the command line mean. Raises UsageError with the forms that there are."""
    kind, colon, what = text.partition(":")
    if text == "environment":
        return Place("environment", "")
    if colon and kind in _KINDS and what:
        return Place(kind, what)
    if Path(text).is_file():
        return Place("requirements", text)
    raise UsageError(
        f"{text!r} is no place that can be compared.",
        remedy="A place is snapshot:NAME, cluster:NAME, lock:NAME or image:NAME with a mirror's name, "
        "image:REFERENCE, environment, or the path of a requirements file.",
    )


def compared_sections(places: Sequence[Place], only: Sequence[str]) -> tuple[str, ...]:
    """Those of SECTIONS in which `places` are compared: `only` these, where any are given.

    This environment is a Python environment on some other machine: its Debian packages say nothing about a cluster.
    Raises UsageError where a place has nothing of what is asked for.
    """
    names = {"requirements": "A requirements file", "lock": "What a lock installs into an environment"}
    narrow = next((names[place.kind] for place in places if place.kind in names), None)
    if narrow is not None and set(only) - {"python"}:
        raise UsageError(f"{narrow} has Python packages alone.", remedy="Leave out --only.")
    if only:
        return tuple(name for name in SECTIONS if name in only)
    return ("python",) if narrow or any(place.kind == "environment" for place in places) else SECTIONS


def read_place(place: Place, mirror: Mirror) -> Inventory:
    """What is installed at `place`; `mirror` is the one that it belongs to."""
    match place.kind:
        case "snapshot":
            return mirror.snapshot().inventory
        case "cluster":
            return read_cluster(mirror).inventory
        case "lock":
            return python_alone(expected_versions(mirror.lock().python))
        case "image":
            with ContainerHost(mirror.built().image_id if place.is_mirror_image else place.what) as host:
                return collect(host)
        case "environment":
            with LocalHost() as host:
                return collect(host, interpreter="python3")
        case _:
            return read_requirements(Path(place.what))


def read_requirements(path: Path) -> Inventory:
    """The pins of a requirements file as an inventory that has Python distributions alone.

    Lines of `name==version` count, with extras, markers and hashes passed over. Raises UsageError, naming the line,
    for a requirement without an exact version.
    """
    found: dict[str, str] = {}
    for number, requirement in _requirements(path):
        pins = [specifier.version for specifier in requirement.specifier if specifier.operator in {"==", "==="}]
        if len(pins) != 1 or pins[0].endswith("*"):
            raise UsageError(
                f"{path}:{number}: {requirement.name} has no exact version.",
                remedy="Compare a file of pins (name==version).",
            )
        found[requirement.name] = pins[0]
    try:
        return python_alone(found)
    except msgspec.ValidationError as error:
        raise UsageError(f"{path} has a pin of a form that is not let through: {error}.") from error


def python_alone(versions: Mapping[str, str]) -> Inventory:
    """An inventory of Python distributions and nothing else, by name. Raises msgspec.ValidationError."""
    distributions = [
        {
            "name": canonicalize_name(name),
            "spelling": name,
            "version": version,
            "layer": "runtime",
            "location": "/requirements",
        }
        for name, version in versions.items()
    ]
    document = {
        "os_id": "none",
        "os_version": "none",
        "architecture": "none",
        "glibc": None,
        "python": {"path": "/none", "version": "0.0.0"},
        "distributions": sorted(distributions, key=lambda each: each["name"]),
    }
    return convert(document, Inventory)


def _requirements(path: Path) -> Iterator[tuple[int, Requirement]]:
    try:
        text = read_settings(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as text: {error}.") from error
    joined = text.replace("\\\n", " ")
    for number, line in enumerate(joined.splitlines(), start=1):
        content = line.split(" #")[0].split(" --hash")[0].strip()
        if not content or content.startswith(("#", "-")):
            continue
        try:
            yield number, Requirement(content)
        except InvalidRequirement as error:
            raise UsageError(f"{path}:{number}: not a requirement: {error}.") from error


def cluster_changes(old: Cluster, new: Cluster) -> list[tuple[str, str, str]]:
    """The facts of a cluster that changed: name, before, now."""
    names = [field.name for field in fields(Cluster)]
    shown = {name: (_words(getattr(old, name)), _words(getattr(new, name))) for name in names}
    return [(name.replace("_", " "), before, now) for name, (before, now) in shown.items() if before != now]


def _words(value: object) -> str:
    if isinstance(value, tuple):
        parts = (f"{e.kind} {e.specification}" if hasattr(e, "specification") else str(e) for e in value)
        return "; ".join(parts) or "none"
    return "none" if value is None else str(value)
