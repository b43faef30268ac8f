"""The SBOM of a mirror's image: CycloneDX 1.6 as JSON, from the lock with its table of fates.

Nothing in it is read from a clock: its serial number comes from the lock, its time is the snapshot's.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packaging.utils import canonicalize_name

from dbmirror import __version__
from dbmirror.files import digest_of
from dbmirror.filters.requirements import marker_environment, requirements
from dbmirror.inventory.model import Distribution, Inventory
from dbmirror.lock.fates import Fate
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.lock.r.model import RLock
from dbmirror.publish.sbom.components import (
    PREFIX,
    base_component,
    found_components,
    image_purl,
    python_components,
)
from dbmirror.publish.sbom.r import RComponent, r_components
from dbmirror.render.bom_link import serial_number
from dbmirror.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """The image that the SBOM describes."""

    tag: str
    image_id: str
    """`sha256:…`: the engine's id."""
    digest: str | None = None
    """`sha256:…` of its manifest in a registry, once it was pushed."""
    inventory: Inventory | None = None
    """What was found in it: Debian packages and what else the base brought."""
    r: RLock | None = None
    """R's half as it turned out, of an image that was built without the packages that do not compile; else None."""


def render_sbom(lock: MirrorLock, snapshot: Snapshot, *, mirror: str, image: BuiltImage | None = None) -> bytes:
    """The document, every package of the snapshot in it with its fate; the same arguments give the same bytes."""
    root = _root(mirror, image)
    turned_out = replace(lock, r=image.r) if image is not None and image.r is not None else lock
    python = list(python_components(lock.python))
    r = list(r_components(turned_out.r, lock.python.base)) if turned_out.r is not None else []
    of_python, of_r = [component for component, _ in python], [each.component for each in r]
    components = [base_component(lock.python.base), *of_python, *of_r]
    present = _present(components)
    if image is not None and image.inventory is not None:
        found = list(found_components(image.inventory, python=_names(of_python), r=_names(of_r)))
        components += found
        present += found
    bom = Bom(
        serial_number=serial_number(lock.python, lock.r_in_image),
        metadata=_metadata(root, turned_out, snapshot),
        components=components,
        dependencies=[
            Dependency(root.bom_ref, [Dependency(component.bom_ref) for component in present]),
            *_dependencies(python, snapshot),
            *_r_dependencies(r, snapshot),
        ],
    )
    document = JsonV1Dot6(bom).output_as_string()
    return msgspec.json.format(document.encode(), indent=2) + b"\n"


def _present(components: Iterable[Component]) -> list[Component]:
    return [component for component in components if component.scope is not ComponentScope.EXCLUDED]


def _names(components: Iterable[Component]) -> frozenset[tuple[str, str]]:
    """Name and version of those that are in the image."""
    return frozenset((component.name, component.version or "") for component in _present(components))


def _root(mirror: str, image: BuiltImage | None) -> Component:
    if image is None:
        return Component(type=ComponentType.CONTAINER, bom_ref="image", name=mirror)
    repository, _, tag = image.tag.rpartition(":")
    return Component(
        type=ComponentType.CONTAINER,
        bom_ref="image",
        name=repository,
        version=tag,
        purl=image_purl(image.tag, image.digest) if image.digest else None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=image.digest[7:])] if image.digest else [],
        properties=[Property(name=f"{PREFIX}:image:id", value=image.image_id)],
    )


def _metadata(root: Component, lock: MirrorLock, snapshot: Snapshot) -> BomMetaData:
    facts = {
        "snapshot": snapshot.digest,
        "lock": digest_of(lock.python),
        "runtime": lock.runtime,
        "python": lock.python.target.python,
        "spark-version": snapshot.cluster.spark_version,
        **{f"fates:{kind}": str(count) for kind, count in lock.counts().items()},
    }
    if lock.r_in_image is not None:
        facts |= {"r-lock": digest_of(lock.r_in_image), "r": lock.r_in_image.r_version}
    tool = Component(type=ComponentType.APPLICATION, bom_ref="dbmirror", name="dbmirror", version=__version__)
    return BomMetaData(
        component=root,
        lifecycles=[PredefinedLifecycle(LifecyclePhase.BUILD)],
        timestamp=datetime.datetime.fromisoformat(snapshot.taken.at),
        tools=ToolRepository(components=[tool]),
        properties=[Property(name=f"{PREFIX}:{name}", value=value) for name, value in facts.items()],
    )


def _dependencies(python: Iterable[tuple[Component, Fate | None]], snapshot: Snapshot) -> Iterator[Dependency]:
    """What each Python package of the image requires there, by the metadata that it has on the cluster."""
    present = {c.name: c for c, _ in python if c.scope is not ComponentScope.EXCLUDED}
    environment = marker_environment(snapshot.inventory)
    installed: Mapping[tuple[str, str, str, str], Distribution] = {
        (d.name, d.version, d.layer, d.location): d for d in snapshot.inventory.distributions
    }
    for component, fate in python:
        if fate is None or component.scope is ComponentScope.EXCLUDED:
            continue
        distribution = installed.get((fate.name, fate.version, fate.layer, fate.location))
        if distribution is None:
            continue
        needed = {canonicalize_name(requirement.name) for requirement in requirements(distribution, environment)}
        needed &= present.keys() - {component.name}
        yield Dependency(component.bom_ref, [Dependency(present[name].bom_ref) for name in sorted(needed)])


def _r_dependencies(r: Iterable[RComponent], snapshot: Snapshot) -> Iterator[Dependency]:
    """What each R package of the image needs there, by its DESCRIPTION on the cluster; an addition by the lock."""
    inside = [each for each in r if each.component.scope is not ComponentScope.EXCLUDED]
    present = {each.component.name: each.component for each in inside}
    installed = {(package.name, package.version, package.library): package for package in snapshot.inventory.r_packages}
    for each in inside:
        depends = each.depends
        if each.fate is not None:
            package = installed.get((each.fate.name, each.fate.version, each.fate.location))
            depends = package.depends if package is not None else ()
        needed = present.keys() & set(depends) - {each.component.name}
        yield Dependency(each.component.bom_ref, [Dependency(present[name].bom_ref) for name in sorted(needed)])
