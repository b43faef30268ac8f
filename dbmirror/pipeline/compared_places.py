"""The places that can be compared: snapshots, clusters, locks, images, this environment, lists of packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from dbmirror.errors import UsageError
from dbmirror.foreign_text.decoding import convert
from dbmirror.hosts.container import ContainerHost
from dbmirror.hosts.local import LocalHost
from dbmirror.inventory.collect import collect
from dbmirror.inventory.model import Inventory
from dbmirror.package_lists.reading import read_listing
from dbmirror.pipeline.mirror import Mirror
from dbmirror.pipeline.mirror_names import NO_MIRROR, name_mirror
from dbmirror.pipeline.snapshot_stage import read_cluster
from dbmirror.snapshot import Cluster, now
from dbmirror.verify.verify import expected_versions

_KINDS = ("snapshot", "cluster", "lock", "image")
SECTIONS: Final = ("python", "r", "debian", "jars", "facts")
"""What of two places can be compared."""
_FIELDS: Final = {
    "python": "distributions",
    "r": "r_packages",
    "debian": "debian_packages",
    "jars": "jars",
    "facts": "os_id",
}
"""The field of an inventory that says whether its source knows of a section."""


@dataclass(frozen=True, slots=True)
class Place:
    """One side of a comparison."""

    kind: str
    """`snapshot`, `cluster`, `lock`, `image`, `environment`, `list`."""
    what: str
    """A mirror's name, an image's reference, a file's path; empty for this environment."""

    def __str__(self) -> str:
        return self.what if self.kind == "list" else f"{self.kind}:{self.what}".rstrip(":")

    @property
    def mirror(self) -> str:
        """The mirror that it belongs to, if it belongs to one."""
        return self.what if self.kind in {"snapshot", "cluster", "lock"} or self.is_mirror_image else NO_MIRROR

    @property
    def is_mirror_image(self) -> bool:
        """It is the image of a mirror, not any image: a mirror's name has neither a slash nor a colon."""
        return self.kind == "image" and not set(self.what) & {"/", ":", "@"}


def parse_place(text: str) -> Place:
    """What the words of the command line mean; a mirror may be named by its profile, of whatever form that is.

    Raises UsageError with the forms that there are.
    """
    kind, colon, what = text.partition(":")
    if text == "environment":
        return Place("environment", "")
    if colon and kind in _KINDS and what:
        place = Place(kind, what)
        return place if place.mirror == NO_MIRROR else Place(kind, name_mirror(what).mirror)
    if Path(text).is_file():
        return Place("list", text)
    raise UsageError(
        f"{text!r} is no place that can be compared.",
        remedy="A place is snapshot:NAME, cluster:NAME, lock:NAME or image:NAME with a mirror's name, "
        "image:REFERENCE, environment, or the path of a list of packages (a requirements file, renv.lock, …).",
    )


def compared_sections(
    places: Sequence[Place], inventories: Sequence[Inventory], only: Sequence[str]
) -> tuple[str, ...]:
    """Those of SECTIONS in which `places` can be compared by their `inventories`: `only` these, where any are given.

    This environment is a Python environment on some other machine: its Debian packages say nothing about a cluster.
    Raises UsageError where a place has nothing of what is asked for.
    """
    for place, inventory in zip(places, inventories, strict=True):
        lacking = [name for name in only if _FIELDS[name] in inventory.unknown]
        if lacking:
            raise UsageError(f"{place} says nothing about {', '.join(lacking)}.", remedy="Leave out --only.")
    if only:
        return tuple(name for name in SECTIONS if name in only)
    if any(place.kind == "environment" for place in places):
        return ("python",)
    return tuple(name for name in SECTIONS if not any(_FIELDS[name] in each.unknown for each in inventories))


def read_places(places: Sequence[Place], read: Callable[[Place, str | None], Inventory]) -> tuple[Inventory, ...]:
    """What is installed at each of `places`, by `read`, which gets a place and the Python that markers are read for.

    A list of packages is read last: its markers speak of the Python of what it is compared with.
    """
    found: dict[int, Inventory] = {}
    for number, place in sorted(enumerate(places), key=lambda each: each[1].kind == "list"):
        pythons = [each.python.version for each in found.values() if "python" not in each.unknown]
        found[number] = read(place, pythons[0] if pythons else None)
    return tuple(found[number] for number in range(len(places)))


def read_place(place: Place, mirror: Mirror, python: str | None = None) -> Inventory:
    """What is installed at `place`; `mirror` is the one that it belongs to, `python` the one that markers are read for.

    Raises ListUnreadable, naming the line, for a list of packages that cannot be read.
    """
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
            return read_listing(Path(place.what), None, mirror=mirror.name, at=now(), python=python).snapshot.inventory


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
        "unknown": sorted({field.name for field in fields(Inventory)} - {"distributions", "problems", "unknown"}),
    }
    return convert(document, Inventory)


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
