"""Clusters with R packages, and repositories on the loopback interface to lock them against."""

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dbmirror.fetch.store import Store
from dbmirror.inventory.model import RPackage
from dbmirror.lock.fates import Fate
from dbmirror.lock.model import BaseImage, BaseKind
from dbmirror.lock.r.make import make_r_lock
from dbmirror.lock.r.model import RLock
from dbmirror.lock.r.repository import Repositories
from dbmirror.lock.r.repository_settings import RepositoryLocation, RepositorySettings
from dbmirror.sandbox.r_repository import make_repository, serve
from dbmirror.snapshot import Snapshot
from tests.builders import a_cluster, a_snapshot, an_inventory
from tests.builders import r_selection as choose

SITE = "/usr/lib/R/site-library"
BASE = BaseImage(reference="ubuntu:24.04", kind=BaseKind.BARE, os_id="ubuntu", os_version="24.04")


def r_package(name: str, version: str, **more: object) -> RPackage:
    """An installed package, built under R 4.4.2."""
    fields: dict[str, object] = {"library": SITE, "built_under": "4.4.2", **more}
    return RPackage(name=name, version=version, **fields)  # type: ignore[arg-type]


NOTEBOOK = (
    r_package("Rserve", "1.8-15"),
    r_package("TeachingDemos", "2.13"),
    r_package("htmltools", "0.5.8.1"),
    r_package("hwriter", "1.3.2.1"),
    r_package("hwriterPlus", "1.0-3", depends=("TeachingDemos", "hwriter")),
)
"""What R notebooks need, as the sandbox's repository has it: a cluster with these gets no additions."""


def cluster(*packages: RPackage, r_version: str | None = "4.4.2", **more: object) -> Snapshot:
    """The snapshot of a cluster with R 4.4.2 on Ubuntu 24.04 that has these packages."""
    inventory = an_inventory(
        python="3.12.3", r_version=r_version, r_packages=packages, **{"os_version": "24.04", "glibc": "2.39", **more}
    )
    return a_snapshot(inventory=inventory, cluster=a_cluster(spark_version="17.3.x-scala2.13"))


def ask(*urls: str, binary: str | None = None, store: Store | None = None) -> Repositories:
    """A client of the repositories at `urls`, after that of built packages at `binary`."""
    named = [RepositoryLocation(url=url, origin="the test") for url in urls]
    if binary is not None:
        named.insert(0, RepositoryLocation(url=binary, origin="the test", binary=True))
    settings = RepositorySettings(repositories=tuple(named))
    return Repositories(settings, r_version="4.4.2", store=store, seconds=5.0, pause=0.01)


def fate(lock: RLock, name: str) -> Fate:
    return next(each for each in lock.fates if each.name == name)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The URL of the sandbox's own repository."""
    make_repository(tmp_path / "cran")
    with serve(tmp_path / "cran") as url:
        yield url


@pytest.fixture
def lock(tmp_path: Path) -> Callable[..., RLock]:
    """Makes the lock of a snapshot in `tmp_path`/mirror, from the repositories at these addresses."""

    def make(snapshot: Snapshot, *urls: str, **more: object) -> RLock:
        arguments: dict[str, object] = {"base": BASE, "base_inventory": None, "folder": tmp_path / "mirror", **more}
        with ask(*urls) as repositories:
            return make_r_lock(choose(snapshot), snapshot, repositories=repositories, **arguments)  # type: ignore[arg-type]

    return make


@pytest.fixture
def self_signed(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate that no one trusts, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths
