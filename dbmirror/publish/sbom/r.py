"""R's half of the SBOM: one component for each R package, by its fate, and for each that was added or is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.component import Component, ComponentScope
from packageurl import PackageURL

from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.model import BaseImage, ImageLayer
from dbmirror.lock.r.model import (
    CapturedRPackage,
    CranFile,
    LockedRPackage,
    RAptPackage,
    RGitSource,
    RLacking,
    RLock,
)
from dbmirror.publish.sbom.components import System, fate_component, properties
from dbmirror.render.r_layers import r_part


@dataclass(frozen=True, slots=True, kw_only=True)
class RComponent:
    """An R package of the SBOM, with what the lock says of it."""

    component: Component
    fate: Fate | None = None
    """None for what the cluster has not."""
    depends: tuple[str, ...] = ()
    """Of an addition: what the lock says that it needs."""


def r_components(lock: RLock, base: BaseImage) -> Iterator[RComponent]:
    """A component for each fate of `lock`, then one for each package that was added, then for each that is lacking.

    As with Python, what is not in the image has the scope `excluded`, its reason, and no package URL.
    """
    packages = {package.name: package for package in lock.packages}
    layers = {p.name: layer.name for layer in r_part(lock).layers for p in layer.packages}

    def installed(package: LockedRPackage, reference: str) -> Component:
        return _installed(package, system, layers.get(package.name, ImageLayer.SYSTEM), reference)

    system = System(os_id=base.os_id, os_version=base.os_version)
    counted: dict[str, int] = {}
    for fate in lock.fates:
        reference = f"r/{fate.name}@{fate.version}"
        counted[reference] = counted.get(reference, 0) + 1
        reference += f"#{counted[reference]}" if counted[reference] > 1 else ""
        if fate.kind is FateKind.MIRRORED:
            component = installed(packages.pop(fate.name), reference)
            component.properties.update(_said(fate))
        else:
            component = fate_component(fate, reference, purl_type="cran", properties=_said(fate))
        yield RComponent(component=component, fate=fate)
    for package in packages.values():
        component = installed(package, f"r/{package.name}@{package.version}/addition")
        component.properties.update(properties({"addition": package.addition}))
        yield RComponent(component=component, depends=package.depends)
    for lacking in lock.lacking:
        yield RComponent(component=_of_lacking(lacking))


def _said(fate: Fate) -> list[Property]:
    return properties(
        {
            "fate": fate.kind,
            "reason": fate.reason,
            "substitute": fate.substitute,
            "cluster:library": fate.location,
        }
    )


def _of_lacking(lacking: RLacking) -> Component:
    return Component(
        bom_ref=f"r/{lacking.name}/lacking",
        name=lacking.name,
        scope=ComponentScope.EXCLUDED,
        properties=properties({"lacking": lacking.reason}),
    )


def _installed(package: LockedRPackage, system: System, layer: ImageLayer, reference: str) -> Component:
    """A package that the image gets, with its file, hashes and origin."""
    source = package.source
    return Component(
        bom_ref=reference,
        name=package.name,
        version=package.version,
        scope=ComponentScope.REQUIRED,
        purl=_purl(package, system),
        hashes=_hashes(package),
        external_references=_origins(package),
        properties=properties({"image:layer": layer, "source": str(source.__struct_config__.tag)}),
    )


def _hashes(package: LockedRPackage) -> list[HashType]:
    source = package.source
    if isinstance(source, RAptPackage):
        return []
    return [HashType(alg=HashAlgorithm.SHA_256, content=source.sha256)]


def _purl(package: LockedRPackage, system: System) -> PackageURL:
    """The package's URL; qualifiers say which repository, commit or file it comes from."""
    qualifiers: dict[str, str] = {}
    match package.source:
        case RAptPackage() as apt:
            return system.purl(apt.package, apt.version)
        case CranFile() as file:
            qualifiers = {"repository_url": file.repository, "file_name": file.filename}
        case RGitSource() as git:
            qualifiers = {"vcs_url": f"git+{git.url}@{git.commit}"}
        case CapturedRPackage() as captured:
            name = captured.path.rpartition("/")[2]
            qualifiers = {"file_name": name, "checksum": f"sha256:{captured.sha256}"}
    return PackageURL("cran", None, package.name, package.version, qualifiers)


def _origins(package: LockedRPackage) -> list[ExternalReference]:
    match package.source:
        case CranFile() as file:
            return [ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(file.url))]
        case RGitSource() as git:
            return [ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(git.url), comment=git.commit)]
    return []
