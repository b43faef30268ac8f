"""The Debian packages of an image: what the platform expects, what the cluster has, what built packages load."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import msgspec

from dbmirror.foreign_text.decoding import decode_toml
from dbmirror.lock.model import AptPackage, BaseImage, LockedPackage
from dbmirror.render.errors import RenderError
from dbmirror.render.requirements import apt_line
from dbmirror.runtimes.model import Runtime


class Distribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a distribution's archive carries; empty for one that is not in distributions.toml."""

    pythons: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    java: tuple[int, ...] = ()
    distutils: str | None = None
    r: str | None = None
    renamed: dict[str, str] = {}


class Native(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one Python package needs of the distribution, as python_system_libraries.toml says."""

    reason: str
    build: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    built: tuple[str, ...] = ()


class _Distributions(msgspec.Struct, forbid_unknown_fields=True):
    distributions: dict[str, Distribution]


def distribution_of(base: BaseImage) -> Distribution:
    """What is known of the distribution of `base`."""
    return _distributions().get(f"{base.os_id}-{base.os_version}", Distribution())


@cache
def native_packages() -> dict[str, Native]:
    """python_system_libraries.toml: PEP 503 name to what the package needs."""
    content = files("dbmirror.render").joinpath("python_system_libraries.toml").read_bytes()
    return decode_toml(content, dict[str, Native])


def system_list(runtime: Runtime, base: BaseImage, *, python: str) -> str:
    """apt/system.txt for a bare base: one package a line, with the reasons as comments.

    Raises RenderError where the archive of the base's distribution is known not to have `python` (X.Y).
    """
    distribution = distribution_of(base)
    if distribution.pythons and python not in distribution.pythons:
        carriers = [name for name, other in _distributions().items() if python in other.pythons]
        raise RenderError(
            f"{base.reference} ({base.os_id} {base.os_version}) has no Python {python}, which the cluster runs.",
            remedy=f"Choose a base with it ({', '.join(carriers) or 'none is known'}), or {runtime.official_image}.",
        )
    lines = ["# Commands that the platform calls.", "bash", "coreutils", "iproute2", "procps", "sudo"]
    lines += ["acl"] if runtime.needs_acl else []
    lines += ["# Certificate authorities for whatever talks HTTPS.", "ca-certificates"]
    lines += _java(runtime, distribution, base)
    lines.append("# The Python of the cluster.")
    if python in distribution.candidates:
        lines.append(f"# {base.os_id} {base.os_version} has a release candidate of it (contract: rule L06).")
    lines += [f"python{python}", f"python{python}-venv"]
    lines += [distribution.distutils] if distribution.distutils else []
    lines += ["# For SSH; an init script starts it.", "openssh-server"]
    return "\n".join(lines) + "\n"


def packages_list(packages: Iterable[LockedPackage], base: BaseImage) -> str:
    """apt/packages.txt: the cluster's Debian packages at its versions, then what Python packages load or call."""
    pinned: dict[str, str] = {}
    needed: set[str] = set()
    for package in packages:
        native = native_packages().get(package.name)
        if isinstance(package.source, AptPackage):
            pinned[package.source.package] = apt_line(package.source)
        elif native is not None:
            needed.update(native.always, () if package.source.is_wheel else native.run)
    names = renamed(needed, base)
    return "".join(f"{line}\n" for line in [*sorted(pinned.values()), *(n for n in names if n not in pinned)])


def compilers_list(base: BaseImage, *, python: str, official: bool) -> str:
    """apt/compilers.txt: what every build from source may need. An official image has its Python's headers."""
    headers = [] if official else [f"python{python}-dev"]
    return "".join(f"{name}\n" for name in ["build-essential", "pkg-config", *renamed(headers, base)])


def headers_list(packages: Iterable[LockedPackage], base: BaseImage) -> str:
    """apt/build-LAYER.txt: headers and tools for the packages that are built from source."""
    native = native_packages()
    names = {name for package in packages if package.name in native for name in native[package.name].build}
    return "".join(f"{name}\n" for name in renamed(names, base))


def _java(runtime: Runtime, distribution: Distribution, base: BaseImage) -> list[str]:
    major = runtime.java[0] if runtime.java else None
    if major in distribution.java:
        return [f"# The Java of runtime {runtime.version}.", f"openjdk-{major}-jre-headless"]
    where = f"{base.os_id} {base.os_version}".strip() or "a distribution that dbmirror does not know"
    wanted = f"Runtime {runtime.version} runs on Java {major}" if major else "The runtime's Java is not known"
    return [f"# {wanted}; on {where} the default stands in (contract: rule L03).", "default-jre-headless"]


def renamed(names: Iterable[str], base: BaseImage) -> list[str]:
    """Debian 12's `names` as the distribution of `base` calls them, sorted."""
    others = distribution_of(base).renamed
    return sorted(others.get(name, name) for name in names)


@cache
def _distributions() -> dict[str, Distribution]:
    content = files("dbmirror.render").joinpath("distributions.toml").read_bytes()
    return decode_toml(content, _Distributions).distributions
