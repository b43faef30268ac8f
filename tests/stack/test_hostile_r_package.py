"""An R package whose author is hostile, in the build of an image: no secret, no network, no way into another image."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from dbmirror.build.fetched_files import build_contexts
from dbmirror.config import IndexConfig
from dbmirror.engine.buildx import build
from dbmirror.files import sha256_hex
from dbmirror.filters.flavour import Flavour
from dbmirror.http_client.logins import Feed, Logins
from dbmirror.lock.debs.own_sources import archives_of_this_machine
from dbmirror.lock.model import BaseImage, BaseKind, Lock, Target
from dbmirror.lock.python.index_settings import find_indexes
from dbmirror.lock.r.model import CranFile, LockedRPackage, RLock
from dbmirror.render.image import all_file_groups, render
from dbmirror.runtimes.lookup import lookup
from dbmirror.sandbox.base import ensure_base
from dbmirror.sandbox.r_repository import SourcePackage, make_repository, serve, source_archive
from dbmirror.sandbox.r_repository import source_package as shipped
from tests.r_sources import make_package
from tests.stack.planted import marked, planted
from tests.supported import chosen_debs

pytestmark = pytest.mark.stack

CONFIGURE = b"""#!/bin/sh
mkdir -p inst
{
  echo "secrets: $(ls -A /run/secrets 2>/dev/null)"
  echo "interfaces: $(ls /sys/class/net)"
  cat /run/secrets/*
  env
} >inst/seen.txt 2>/dev/null
for folder in /root/.cache/dbmirror-r /root/.cache/uv /var/cache /var/tmp /opt /usr/local/bin; do
  mkdir -p "$folder" && echo trojan >"$folder/trojan"
done
echo sl >/r/runtime/apt.txt
exit 0
"""
"""Looks around, leaves things where another build may find them, and asks for a Debian package."""
CODE = b"""
dir.create("/root/.cache/dbmirror-r", recursive = TRUE, showWarnings = FALSE)
writeLines("trojan", "/root/.cache/dbmirror-r/trojan-of-r")
seen <- c(list.files("/run/secrets"), list.files("/sys/class/net"))
"""
EVIL = replace(
    make_package("evil", "1.0"),
    files={**make_package("evil", "1.0").files, "configure": CONFIGURE, "R/code.R": CODE},
)
FRESH = make_package("fresh", "1.0")
COMPILED = tuple(map(shipped, ("sandboxGreeting", "sandboxSums", "sandboxSodium")))
LOCK = Lock(
    snapshot="sha256:" + "5" * 64,
    runtime="15.4",
    target=Target(python="3.11.2", architecture="x86_64", glibc="2.36"),
    # As an official one, for it is small then: nothing is added to it but R.
    base=BaseImage(reference=ensure_base().name, kind=BaseKind.OFFICIAL, os_id="debian", os_version="12"),
    packages=(),
    fates=(),
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("cran")
    make_repository(folder, current=[EVIL, FRESH, *COMPILED], archived=[])
    with serve(folder) as url:
        yield url


@pytest.fixture(scope="module")
def image(repository: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Builds images of R packages, with planted secrets; the packages are fetched from the repository."""
    made: list[str] = []

    def of(*packages: SourcePackage) -> str:
        folder = tmp_path_factory.mktemp("build")
        lock = RLock(
            snapshot=LOCK.snapshot,
            r_version="4.2.2",
            repositories=(repository,),
            packages=tuple(locked(each, repository) for each in sorted(packages, key=lambda each: each.name)),
            fates=(),
        )
        runtime = lookup("15.4")
        debian = chosen_debs(LOCK, r_lock=lock, flavour=Flavour.R)
        context = render(LOCK, runtime, mirror="hostile", r_lock=lock, flavour=Flavour.R, debian=debian)
        context.write(folder / "context")
        groups = all_file_groups(LOCK, runtime, flavour=Flavour.R, r_lock=lock, debian=debian)
        tag = f"scratch-hostile-r:{len(made)}"
        made.append(tag)
        with (
            planted(folder / "secrets") as secrets,
            build_contexts(
                {"hostile": groups},
                logins=Logins([Feed(url=repository)]).with_those_of(archives_of_this_machine()),
                indexes=find_indexes(IndexConfig()),
                ca_bundle=None,
            ) as contexts,
        ):
            build(folder / "context", tags=[tag], labels={}, secrets=secrets, contexts=contexts["hostile"])
        return tag

    yield of
    subprocess.run(["docker", "rmi", "-f", *made], check=False, capture_output=True)


def locked(package: SourcePackage, repository: str) -> LockedRPackage:
    source = CranFile(
        filename=package.filename,
        url=f"{repository}/src/contrib/{package.filename}",
        repository=repository,
        sha256=sha256_hex(source_archive(package)),
    )
    needs = "libsodium" if package.name == "sandboxSodium" else None
    depends = ("sandboxGreeting",) if package.name == "sandboxSums" else ()
    return LockedRPackage(
        name=package.name, version=package.version, source=source, depends=depends, system_requirements=needs
    )


def in_image(image: str, *argv: str) -> str:
    command = ["docker", "run", "--rm", "--network=none", image, *argv]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_hostile_package_meets_no_secret_and_no_network_and_reaches_no_other_image(image: Callable[..., str]) -> None:
    hostile = image(EVIL, *COMPILED)

    seen = in_image(hostile, "cat", "/usr/local/lib/R/site-library/evil/seen.txt")
    assert "secrets: \ninterfaces: lo\n" in seen
    assert in_image(hostile, "Rscript", "-e", "cat(evil:::seen)") == "lo"
    assert marked(hostile) == []
    # What it left beside its own package, and the Debian package that it asked for, are not in the image.
    search = "find / -xdev \\( -name 'trojan*' -o -path /usr/games/sl \\) 2>/dev/null || true"
    assert in_image(hostile, "sh", "-c", search) == ""
    # The libraries that the others were linked against are, and no compiler is.
    script = "cat(nchar(sandboxSodium::release()) > 0, sandboxSums::total(1:3))"
    assert in_image(hostile, "Rscript", "-e", script) == "TRUE 6"
    assert in_image(hostile, "sh", "-c", "command -v gcc || true") == ""

    other = image(FRESH, *COMPILED)
    assert in_image(other, "sh", "-c", f"{search}; grep -rl trojan /usr/local/lib/R /root || true") == ""
    assert in_image(other, "Rscript", "-e", "library(fresh); cat(sandboxSums::total(1:3))") == "6"
