"""A lab whose base and packages are hostile: nothing that runs in its build meets a secret or a network."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from msgspec import structs

from dbmirror.build.fetched_files import keep_files
from dbmirror.ca_bundle import find_ca_bundle
from dbmirror.config import IndexConfig
from dbmirror.engine.buildx import build
from dbmirror.fetch.store import Store
from dbmirror.lock.debs.archives import client_of_archives
from dbmirror.lock.debs.lab import choose_debs
from dbmirror.lock.lab import lock_lab
from dbmirror.lock.model import BaseImage, BaseKind, Lock, Target
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_settings import find_indexes
from dbmirror.render.lab import LabSettings, render_lab
from dbmirror.render.lab_files import lab_packages, lab_requirements
from dbmirror.sandbox.base import ensure_base
from tests.stack.planted import marked, planted

pytestmark = pytest.mark.stack

SPY = """
import glob, json, os, sys
seen = {
    "argv": open("/proc/self/cmdline").read().split(chr(0)),
    "secrets": sorted(glob.glob("/run/secrets/*")),
    "interfaces": sorted(os.listdir("/sys/class/net")),
    "stolen": [open(path, errors="replace").read() for path in glob.glob("/run/secrets/*")],
}
with open("/databricks/seen", "a") as stream:
    stream.write(json.dumps(seen) + chr(10))
"""
"""What a package of the mirror runs whenever its interpreter starts: it notes what it finds."""
R_SPY = """
seen <- c(list.files("/run/secrets"), list.files("/sys/class/net"))
cat(seen, "\\n", file = "/databricks/r-seen", append = TRUE)
"""
SHELL_SPY = """#!/bin/dash
for place in /run/secrets/*; do
    [ -e "$place" ] && echo "secret $place" >>/databricks/shell-seen
done
for place in /sys/class/net/*; do
    echo "interface ${place##*/}" >>/databricks/shell-seen
done
true
"""
"""What stands for a shell of the base, or a hook of its apt: it notes what it finds, and goes on as the real one."""
PYTHON = "/databricks/python3/lib/python3.11/site-packages"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A base whose shells and apt look around."""
    folder = tmp_path_factory.mktemp("base")
    for shell, real in (("sh", "dash"), ("bash", "bash.real")):
        (folder / shell).write_text(f'{SHELL_SPY}exec /bin/{real} "$@"\n')
    (folder / "spy").write_text(SHELL_SPY)
    (folder / "90spy").write_text('APT::Update::Pre-Invoke {"/bin/dash /spy"};\nDPkg::Pre-Invoke {"/bin/dash /spy"};\n')
    (folder / "Dockerfile").write_text(
        f"FROM {ensure_base().name}\n"
        "RUN mkdir -p /databricks && cp /bin/bash /bin/bash.real\n"
        "COPY spy /spy\nCOPY 90spy /etc/apt/apt.conf.d/90spy\n"
        "COPY --chmod=755 sh bash /usr/bin/\n"
    )
    build(folder, tags=["scratch-hostile-base:1"], labels={}, secrets={})
    yield "scratch-hostile-base:1"
    subprocess.run(["docker", "rmi", "-f", "scratch-hostile-base:1"], check=False, capture_output=True)


@pytest.fixture(scope="module")
def mirror(base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with Python and R, whose packages look around."""
    folder = tmp_path_factory.mktemp("mirror")
    (folder / "spy.py").write_text(SPY)
    (folder / "Rprofile.site").write_text(R_SPY)
    (folder / "Dockerfile").write_text(
        f"FROM {base}\n"
        "RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends"
        " python3.11 python3.11-venv r-base-core && rm -rf /var/lib/apt/lists/*\n"
        "RUN python3.11 -m venv --without-pip /databricks/python3\n"
        "ENV PATH=/databricks/python3/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        f"COPY spy.py {PYTHON}/spy.py\n"
        f"RUN echo 'import spy' >{PYTHON}/spy.pth\n"
        "COPY Rprofile.site /etc/R/Rprofile.site\n"
        "RUN rm /databricks/shell-seen\n"
    )
    build(folder, tags=["scratch-hostile-mirror:1"], labels={}, secrets={})
    yield "scratch-hostile-mirror:1"
    subprocess.run(["docker", "rmi", "-f", "scratch-hostile-mirror:1"], check=False, capture_output=True)


@dataclass(frozen=True)
class Images:
    """What a `lab up` builds."""

    lab: str
    tunnel: str


@pytest.fixture(scope="module")
def images(base: str, mirror: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    """The images of lab and tunnel, built with planted secrets."""
    folder = tmp_path_factory.mktemp("lab")
    lock = Lock(
        snapshot="sha256:" + "5" * 64,
        runtime="15.4",
        target=Target(python="3.11.2", architecture="x86_64", glibc="2.36"),
        base=BaseImage(reference=base, kind=BaseKind.BARE, os_id="debian", os_version="12"),
        packages=(),
        fates=(),
    )
    indexes, ca_bundle = find_indexes(IndexConfig()), find_ca_bundle()
    with Index(indexes, ca_bundle=ca_bundle) as index:
        lab_lock = lock_lab(lab_requirements("15.4"), target=lock.target, index=index)
    with client_of_archives(frozenset(), ca_bundle=ca_bundle) as client, Store() as store:
        debs = choose_debs(lab_packages(lock), image=mirror, base=base, client=client, store=store)
    settings = LabSettings(mirror="hostile", cluster="0101-120000-abcdefgh")
    files = render_lab(lock, image=mirror, settings=settings, lab_lock=structs.replace(lab_lock, debs=debs))
    keep_files(files.fetched, folder / "fetched", indexes=indexes, ca_bundle=ca_bundle)
    found = Images(lab="scratch-hostile-lab:1", tunnel="scratch-hostile-tunnel:1")
    with planted(folder / "secrets") as secrets:
        for context, tag in ((files.lab, found.lab), (files.tunnel, found.tunnel)):
            context.write(folder / tag.partition(":")[0])
            build(
                folder / tag.partition(":")[0],
                tags=[tag],
                labels={},
                secrets=secrets,
                build_arguments={"LAB_UID": "1000"},
                contexts={"files": folder / "fetched"},
            )
    yield found
    subprocess.run(["docker", "rmi", "-f", found.lab, found.tunnel], check=False, capture_output=True)


@pytest.fixture(scope="module")
def lab(images: Images) -> str:
    return images.lab


def of_image(image: str, *argv: str) -> str:
    command = ["docker", "run", "--rm", "--network=none", "--user=0", "--entrypoint", argv[0], image, *argv[1:]]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_mirrors_python_ran_only_without_secrets_and_network(lab: str) -> None:
    seen = [json.loads(line) for line in of_image(lab, "cat", "/databricks/seen").splitlines()]

    assert seen, "the lab tries the mirror's kernel"
    assert {(*each["secrets"], *each["interfaces"]) for each in seen} == {("lo",)}


def test_the_mirrors_r_ran_only_without_secrets_and_network(lab: str) -> None:
    seen = of_image(lab, "cat", "/databricks/r-seen").splitlines()

    assert seen, "the lab tries the mirror's R kernel"
    assert {line.strip() for line in seen} == {"lo"}


def test_the_bases_shells_and_apt_ran_only_without_secrets_and_network(images: Images) -> None:
    for image in (images.lab, images.tunnel):
        seen = of_image(image, "cat", "/databricks/shell-seen").splitlines()
        assert seen, "every step is run by the base's shell"
        assert set(seen) == {"interface lo"}


def test_no_secret_is_in_the_images(images: Images) -> None:
    assert marked(images.lab) == []
    assert marked(images.tunnel) == []


def test_the_lab_has_its_r_kernel_and_ssh(images: Images) -> None:
    assert "IRkernel" in of_image(images.lab, "ls", "/opt/lab/lib/R").splitlines()
    for image in (images.lab, images.tunnel):
        assert of_image(image, "ssh", "-G", "nowhere").startswith("host nowhere\n")


def test_the_environment_runs_on_the_mirrors_python(lab: str) -> None:
    script = "import sys, jupyterlab; print(sys.base_prefix, sys.version_info[:2])"
    assert of_image(lab, "/opt/lab/bin/python", "-c", script) == "/usr (3, 11)\n"
