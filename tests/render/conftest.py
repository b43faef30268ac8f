"""Small locks to render: one package of each kind, on an official base and on bare ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dbmirror.lock.model import (
    AptPackage,
    BaseImage,
    BaseKind,
    CapturedWheel,
    GitSource,
    ImageLayer,
    IndexFile,
    Lock,
    LockedPackage,
    Source,
    UrlFile,
)
from tests.builders import a_base, a_lock, a_locked_package
from tests.supported import supported

BOOKWORM = a_base(reference="debian:bookworm", os_id="debian", os_version="12")
NOBLE = a_base(reference="ubuntu:24.04", os_version="24.04")
FOCAL = a_base(reference="ubuntu:20.04", os_version="20.04")
OFFICIAL = a_base(reference="databricksruntime/python:15.4-LTS@sha256:" + "d" * 64, kind=BaseKind.OFFICIAL)


def sha256(name: str) -> str:
    return (name.encode().hex() * 64)[:64]


def from_index(filename: str) -> IndexFile:
    return IndexFile(
        filename=filename,
        url=f"https://files.example/{filename}",
        sha256=sha256(filename),
        index="https://index.example/simple",
    )


def package(name: str, version: str, source: Source, layer: ImageLayer = ImageLayer.RUNTIME) -> LockedPackage:
    return a_locked_package(name, version, layer=layer, source=source)


def lock_of(
    *packages: LockedPackage, base: BaseImage = BOOKWORM, runtime: str = "15.4", python: str = "3.11.11"
) -> Lock:
    return supported(a_lock(*packages, base=base, runtime=runtime, target={"python": python}))


NUMPY = package("numpy", "1.23.5", from_index("numpy-1.23.5-cp311-cp311-manylinux_2_17_x86_64.whl"))
PANDAS = package("pandas", "1.5.3", from_index("pandas-1.5.3-cp311-cp311-manylinux_2_17_x86_64.whl"))
SIMPLEJSON = package(
    "simplejson",
    "3.19.2",
    from_index("simplejson-3.19.2-cp311-cp311-manylinux_2_17_x86_64.whl"),
    ImageLayer.CLUSTER,
)
PSYCOPG2 = package("psycopg2", "2.9.3", from_index("psycopg2-2.9.3.tar.gz"))
PYYAML = package("pyyaml", "6.0", from_index("PyYAML-6.0.tar.gz"))
GITPYTHON = package("gitpython", "3.1.43", from_index("GitPython-3.1.43-py3-none-any.whl"))
PRIVATE = package(
    "acme-pricing",
    "1.4+db1",
    CapturedWheel(path="wheels/acme_pricing-1.4+db1-py3-none-any.whl", sha256=sha256("acme")),
    ImageLayer.CLUSTER,
)
VENDORED = package(
    "acme-tools",
    "0.3",
    GitSource(
        url="https://git.example/acme/tools.git",
        commit="c" * 40,
        path=f"sources/acme-tools-{'c' * 40}.tar.gz",
        sha256=sha256("tools"),
        subdirectory="python/tools",
    ),
    ImageLayer.NOTEBOOK,
)
LINKED = package(
    "itsdangerous",
    "2.1.2",
    UrlFile(
        filename="itsdangerous-2.1.2-py3-none-any.whl",
        url="https://files.example/$a/itsdangerous-2.1.2-py3-none-any.whl",
        sha256=sha256("itsdangerous"),
    ),
    ImageLayer.NOTEBOOK,
)
LINKED_SOURCE = package(
    "acme-report",
    "7.1",
    UrlFile(
        filename="report.zip",
        url="https://files.example/report.zip#egg=x",
        sha256=sha256("report"),
        subdirectory="lib",
    ),
    ImageLayer.NOTEBOOK,
)
DBUS = package("dbus-python", "1.3.2", AptPackage(package="python3-dbus", version="1.3.2-4+b1"), ImageLayer.SYSTEM)

EVERYTHING = lock_of(
    DBUS, GITPYTHON, LINKED, LINKED_SOURCE, NUMPY, PANDAS, PRIVATE, PSYCOPG2, PYYAML, SIMPLEJSON, VENDORED
)

LOCKS: dict[str, Lock] = {
    "wheels": lock_of(NUMPY, PANDAS, SIMPLEJSON),
    "everything": EVERYTHING,
    "official": lock_of(SIMPLEJSON, PSYCOPG2, base=OFFICIAL),
    "runtime-17.3": lock_of(NUMPY, base=NOBLE, runtime="17.3", python="3.12.3"),
    "runtime-10.4": lock_of(PANDAS, base=FOCAL, runtime="10.4", python="3.8.10"),
}


@pytest.fixture(params=list(LOCKS))
def lock_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def locks() -> dict[str, Lock]:
    return LOCKS


@pytest.fixture
def everything() -> Lock:
    """A lock with one package of each kind of source, in every layer."""
    return EVERYTHING


@pytest.fixture
def make_lock() -> Callable[..., Lock]:
    return lock_of


@pytest.fixture
def make_package() -> Callable[..., LockedPackage]:
    return package


@pytest.fixture
def bases() -> dict[str, BaseImage]:
    return {"debian 12": BOOKWORM, "ubuntu 24.04": NOBLE, "ubuntu 20.04": FOCAL, "official": OFFICIAL}
