"""R itself against the sandbox's repository, and a container with R: its packages locked, captured, installed again."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from testcontainers.core.container import DockerContainer

from dbmirror.ca_bundle import find_ca_bundle
from dbmirror.hosts.container import ContainerHost
from dbmirror.inventory.capture_r import capture_r
from dbmirror.inventory.collect import collect
from dbmirror.inventory.installed_files import CapturedFile
from dbmirror.inventory.model import RPackage
from dbmirror.lock.debs.base_apt import BaseApt
from dbmirror.lock.fates import FateKind
from dbmirror.lock.model import BaseImage, BaseKind
from dbmirror.lock.r.lock_files import read_r_lock, write_r_lock
from dbmirror.lock.r.make import make_r_lock
from dbmirror.lock.r.model import CapturedRPackage, CranFile, RAptPackage
from dbmirror.lock.r.packages_file import parse_packages
from dbmirror.lock.r.repository import Repositories
from dbmirror.lock.r.repository_settings import RepositoryLocation, RepositorySettings
from dbmirror.sandbox.base import ensure_base
from dbmirror.sandbox.r_repository import CURRENT, make_repository, serve, source_archive, source_package
from dbmirror.snapshot import Cluster, Snapshot, Taken
from tests.builders import r_selection
from tests.r_sources import from_archive

pytestmark = pytest.mark.stack

R_IMAGE = "dbmirror-test/r:bookworm"
LIBRARY = "/usr/local/lib/R/site-library"
DEBIAN_SOURCES = ("r-cran-r6", "r-cran-digest")
"""Source packages of Debian: one without compiled code, one with."""


@pytest.fixture(scope="module")
def image() -> str:
    """Debian with its R, a compiler, Python, and the sources of two R packages in /sources."""
    dockerfile = (
        f"FROM {ensure_base().name}\n"
        "RUN sed 's/^deb /deb-src /' /etc/apt/sources.list >/etc/apt/sources.list.d/sources.list"
        " && apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends"
        " r-base-core r-cran-digest gcc libc6-dev make python3"
        " && mkdir /sources && cd /sources"
        f" && apt-get source --download-only --tar-only {' '.join(DEBIAN_SOURCES)} && rm -rf /var/lib/apt/lists/*\n"
    )
    client = docker.from_env()
    client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=R_IMAGE, rm=True, forcerm=True)
    client.close()
    return R_IMAGE


@pytest.fixture
def host(image: str) -> Iterator[ContainerHost]:
    """A container that can be written to: one of this test's own."""
    with (
        DockerContainer(image).with_command(["sleep", "900"]) as container,
        ContainerHost.attach(container.get_wrapped_container()) as host,
    ):
        yield host


def ran(host: ContainerHost, *argv: str, stdin: bytes = b"") -> str:
    done = host.run(list(argv), stdin=stdin, timeout=300)
    assert done.code == 0, done.stderr.decode()
    return done.stdout.decode()


def install(host: ContainerHost, name: str, version: str | None = None) -> None:
    """Install one of the sandbox's packages on the host."""
    content = source_archive(source_package(name, version))
    ran(host, "sh", "-c", "cat >/tmp/p.tar.gz && R CMD INSTALL --no-docs --no-test-load /tmp/p.tar.gz", stdin=content)


def debian_sources(host: ContainerHost) -> list[bytes]:
    paths = ran(host, "sh", "-c", "ls /sources/*.orig.tar.*").split()
    return [host.fetch(path) for path in paths]


def test_r_lists_the_repository_as_it_would_have_made_it(host: ContainerHost, tmp_path: Path) -> None:
    current = [source_package(name) for name in CURRENT] + [from_archive(content) for content in debian_sources(host)]
    make_repository(tmp_path, current=current)
    ours = parse_packages((tmp_path / "src" / "contrib" / "PACKAGES.gz").read_bytes())
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(tmp_path, arcname="cran")
    ran(host, "tar", "-x", "-C", "/", stdin=stream.getvalue())
    listed = ran(host, "Rscript", "-e", 'cat(rownames(available.packages(repos = "file:///cran")))')
    assert sorted(listed.split()) == sorted([*CURRENT, "R6", "digest"])
    ran(host, "Rscript", "-e", 'tools::write_PACKAGES("/cran/src/contrib", type = "source")')
    assert parse_packages(host.fetch("/cran/src/contrib/PACKAGES")) == ours
    script = 'install.packages("sandboxSums", repos = "file:///cran", quiet = TRUE); cat(sandboxSums::total(1:4))'
    assert ran(host, "Rscript", "-e", script).endswith("10")


def test_every_r_package_of_a_host_is_locked_or_has_its_reason(host: ContainerHost, image: str, tmp_path: Path) -> None:
    install(host, "sandboxGreeting", "1.0.0")
    for name in ("sandboxSums", "sandboxOld", "sandboxPrivate", "htmltools"):
        install(host, name)
    inventory = collect(host)
    assert inventory.r_version is not None
    snapshot = Snapshot(
        cluster=Cluster(cluster_id="1120-1", cluster_name="demo", spark_version="15.4.x-scala2.12"),
        inventory=inventory,
        taken=Taken(at="2026-11-20T12:00:00Z", host="container", dbmirror="0.1.0"),
    )
    selection = r_selection(snapshot)

    def capture(package: RPackage) -> CapturedFile:
        return capture_r(host, package)

    base = BaseImage(reference=image, kind=BaseKind.BARE, os_id=inventory.os_id, os_version=inventory.os_version)
    make_repository(tmp_path / "cran")
    with serve(tmp_path / "cran") as url:
        settings = RepositorySettings(repositories=(RepositoryLocation(url=url, origin="the test"),))
        with (
            Repositories(settings, r_version=inventory.r_version) as repositories,
            BaseApt(base, internal_hosts=frozenset(), ca_bundle=find_ca_bundle()) as apt,
        ):
            lock = make_r_lock(
                selection,
                snapshot,
                repositories=repositories,
                base=base,
                base_inventory=None,
                folder=tmp_path / "mirror",
                capture=capture,
                apt_candidates=apt.candidates,
            )
    assert sum(lock.counts().values()) == len(inventory.r_packages)
    assert not [fate for fate in lock.fates if fate.kind is FateKind.UNAVAILABLE]
    kinds = {package.name: type(package.source) for package in lock.packages if package.addition is None}
    assert kinds == {
        "digest": RAptPackage,
        "htmltools": CranFile,
        "sandboxGreeting": CranFile,
        "sandboxOld": CranFile,
        "sandboxPrivate": CapturedRPackage,
        "sandboxSums": CranFile,
    }
    write_r_lock(lock, tmp_path / "mirror")
    assert read_r_lock(tmp_path / "mirror") == lock


def test_a_captured_package_installs_again_and_is_the_same(host: ContainerHost) -> None:
    install(host, "sandboxGreeting")
    install(host, "sandboxSums")
    found = collect(host).effective_r()["sandboxSums"]
    assert found.needs_compilation
    packed = capture_r(host, found)
    place = f"/tmp/{packed.filename}"
    ran(host, "rm", "-rf", f"{LIBRARY}/sandboxSums")
    ran(host, "sh", "-c", f"cat >{place} && R CMD INSTALL --no-test-load {place}", stdin=packed.content)
    assert ran(host, "Rscript", "-e", "cat(sandboxSums::total(c(1.5, 2)))") == "3.5"
    assert capture_r(host, found) == packed


def test_the_broken_package_names_the_header_that_it_misses(host: ContainerHost) -> None:
    content = source_archive(source_package("sandboxBroken"))
    done = host.run(["sh", "-c", "cat >/tmp/p.tar.gz && R CMD INSTALL /tmp/p.tar.gz"], stdin=content, timeout=120)
    assert done.code != 0
    assert b"a_header_that_no_system_has.h" in done.stdout + done.stderr
