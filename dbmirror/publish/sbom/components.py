"""What an image is made of, as CycloneDX components: Python packages by their fate, and what an inventory found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from packageurl import PackageURL
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from dbmirror.inventory.model import Inventory
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.model import AptPackage, BaseImage, CapturedWheel, GitSource, IndexFile, Lock, LockedPackage, UrlFile

PREFIX = "dbmirror"
"""Of the names of all properties, as CycloneDX's taxonomy wants it."""
IN_THE_IMAGE = frozenset({FateKind.MIRRORED, FateKind.PROVIDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The distribution that Debian packages are of, for their package URLs."""

    os_id: str
    os_version: str

    def purl(self, name: str, version: str, architecture: str | None = None) -> PackageURL:
        """The URL of a Debian package."""
        qualifiers = {"arch": architecture or "", "distro": f"{self.os_id}-{self.os_version}".strip("-")}
        return PackageURL("deb", self.os_id or "debian", name, version, {k: v for k, v in qualifiers.items() if v})


def base_component(base: BaseImage) -> Component:
    """The base image."""
    name, _, digest = base.reference.partition("@")
    return Component(
        type=ComponentType.CONTAINER,
        bom_ref="base-image",
        name=name,
        version=digest or None,
        purl=image_purl(name, digest) if digest else None,
        properties=properties({"base:kind": base.kind, "base:image-id": base.image_id}),
    )


def image_purl(reference: str, digest: str) -> PackageURL:
    """The URL of an image of a registry: `reference` is its name, with a tag or without, `digest` its manifest's."""
    repository, colon, tag = reference.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = reference, ""
    qualifiers = {"repository_url": repository.lower(), "tag": tag}
    name = repository.rpartition("/")[2].lower()
    return PackageURL("oci", None, name, digest, {key: value for key, value in qualifiers.items() if value})


def python_components(lock: Lock) -> Iterator[tuple[Component, Fate | None]]:
    """A component for each fate of `lock`, and one for each package that stands in for another.

    What is in the image is `required`. What is not (excluded, unavailable, the original of a substitute) is there as
    well, with the scope `excluded`, its reason, and no package URL: a scanner must not find holes in what is absent.
    """
    packages = {package.name: package for package in lock.packages}
    system = System(os_id=lock.base.os_id, os_version=lock.base.os_version)
    counted: dict[str, int] = {}
    for fate in lock.fates:
        reference = f"python/{fate.layer}/{fate.name}@{fate.version}"
        counted[reference] = counted.get(reference, 0) + 1
        reference += f"#{counted[reference]}" if counted[reference] > 1 else ""
        package = packages.pop(fate.name) if fate.kind is FateKind.MIRRORED else None
        yield _of_fate(fate, package, system, reference), fate
    for package in packages.values():
        yield _installed(package, system, f"python/{package.layer}/{package.name}@{package.version}/substitute"), None


def found_components(
    inventory: Inventory, *, python: Collection[tuple[str, str]], r: Collection[tuple[str, str]]
) -> Iterator[Component]:
    """What an image's `inventory` shows beyond the `python` and `r` packages (name, version): the rest of the image."""
    system = System(os_id=inventory.os_id, os_version=inventory.os_version)
    yield Component(
        type=ComponentType.OPERATING_SYSTEM,
        bom_ref="operating-system",
        name=inventory.os_id or "linux",
        version=inventory.os_version or None,
    )
    for debian in inventory.debian_packages:
        yield Component(
            bom_ref=f"deb/{debian.name}@{debian.version}/{debian.architecture}",
            name=debian.name,
            version=debian.version,
            purl=system.purl(debian.name, debian.version, debian.architecture),
        )
    for distribution in inventory.distributions:
        name, version = distribution.name, distribution.version
        if (name, version) not in python:
            yield Component(
                bom_ref=f"python/base{distribution.location}/{name}@{version}",
                name=name,
                version=version,
                purl=PackageURL("pypi", None, name, version),
                properties=properties({"origin": "base", "image:location": distribution.location}),
            )
    for r_package in inventory.r_packages:
        name, version = r_package.name, r_package.version
        if (name, version) not in r:
            yield Component(
                bom_ref=f"r{r_package.library}/{name}@{version}",
                name=name,
                version=version,
                purl=PackageURL("cran", None, name, version),
                properties=properties({"origin": "base", "image:location": r_package.library}),
            )
    for jar in inventory.jars:
        if jar.artifact is not None:
            yield Component(
                bom_ref=f"jar{jar.path}",
                group=jar.group,
                name=jar.artifact,
                version=jar.version,
                purl=PackageURL("maven", jar.group, jar.artifact, jar.version),
                properties=properties({"image:location": jar.path}),
            )


def _of_fate(fate: Fate, package: LockedPackage | None, system: System, reference: str) -> Component:
    said = properties(
        {
            "fate": fate.kind,
            "reason": fate.reason,
            "substitute": fate.substitute,
            "cluster:layer": fate.layer,
            "cluster:location": fate.location,
        }
    )
    if package is not None:
        component = _installed(package, system, reference)
        component.properties.update(said)
        return component
    return fate_component(fate, reference, purl_type="pypi", properties=said)


def fate_component(fate: Fate, reference: str, *, purl_type: str, properties: Iterable[Property]) -> Component:
    """A package of which the image has no more than the fate says: it is the base's, or it is not there."""
    present = fate.kind in IN_THE_IMAGE
    return Component(
        bom_ref=reference,
        name=fate.name,
        version=fate.version,
        scope=ComponentScope.REQUIRED if present else ComponentScope.EXCLUDED,
        purl=PackageURL(purl_type, None, fate.name, fate.version) if present else None,
        properties=properties,
    )


def _installed(package: LockedPackage, system: System, reference: str) -> Component:
    """A package that the image gets, with its file, hash and origin."""
    source = package.source
    sha256 = None if isinstance(source, AptPackage) else source.sha256
    return Component(
        bom_ref=reference,
        name=package.name,
        version=package.version,
        scope=ComponentScope.REQUIRED,
        purl=_purl(package, system),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else [],
        external_references=_origins(package),
        properties=properties({"image:layer": package.layer, "source": str(source.__struct_config__.tag)}),
    )


def _purl(package: LockedPackage, system: System) -> PackageURL:
    """The package's URL; qualifiers say where it comes from, if that is not the public index."""
    qualifiers: dict[str, str] = {}
    match package.source:
        case AptPackage() as apt:
            return system.purl(apt.package, apt.version)
        case IndexFile() as file:
            if file.index.rstrip("/") != PYPI_SIMPLE_ENDPOINT.rstrip("/"):
                qualifiers["repository_url"] = file.index
            qualifiers["file_name"] = file.filename
        case UrlFile() as file:
            qualifiers["download_url"] = file.url
            qualifiers["checksum"] = f"sha256:{file.sha256}"
        case GitSource() as git:
            qualifiers["vcs_url"] = f"git+{git.url}@{git.commit}"
        case CapturedWheel() as wheel:
            qualifiers["file_name"] = wheel.path.rpartition("/")[2]
            qualifiers["checksum"] = f"sha256:{wheel.sha256}"
    return PackageURL("pypi", None, package.name, package.version, qualifiers)


def _origins(package: LockedPackage) -> list[ExternalReference]:
    match package.source:
        case IndexFile() | UrlFile() as file:
            return [ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(file.url))]
        case GitSource() as git:
            return [ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(git.url), comment=git.commit)]
    return []


def properties(values: Mapping[str, str | None]) -> list[Property]:
    """Name (without PREFIX) to value as CycloneDX has it; what has no value is left out."""
    return [Property(name=f"{PREFIX}:{name}", value=str(value)) for name, value in values.items() if value]
