"""A lab on a mirror whose packages are hostile: where Python or R starts, there is no secret and no network."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from dbmirror.build.fetched_files import keep_files
from dbmirror.ca_bundle import find_ca_bundle
from dbmirror.config import IndexConfig
from dbmirror.engine.buildx import build
from dbmirror.lock.lab import lock_lab
from dbmirror.lock.model import BaseImage, BaseKind, Lock, Target
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_settings import find_indexes
from dbmirror.render.lab import LabSettings, render_lab
from dbmirror.render.lab_files import lab_requirements
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
PYTHON = "/databricks/python3/lib/python3.11/site-packages"


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with Python and R, whose packages look around."""
    folder = tmp_path_factory.mktemp("mirror")
    (folder / "spy.py").write_text(SPY)
    (folder / "Rprofile.site").write_text(R_SPY)
    (folder / "Dockerfile").write_text(
        f"FROM {ensure_base().name}\n"
        "RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends"
        " python3.11 python3.11-venv r-base-core && rm -rf /var/lib/apt/lists/*\n"
        "RUN python3.11 -m venv --without-pip /databricks/python3\n"
        "ENV PATH=/databricks/python3/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        f"COPY spy.py {PYTHON}/spy.py\n"
        f"RUN echo 'import spy' >{PYTHON}/spy.pth\n"
        "COPY Rprofile.site /etc/R/Rprofile.site\n"
    )
    build(folder, tags=["scratch-hostile-mirror:1"], labels={}, secrets={})
    yield "scratch-hostile-mirror:1"
    subprocess.run(["docker", "rmi", "-f", "scratch-hostile-mirror:1"], check=False, capture_output=True)


@pytest.fixture(scope="module")
def lab(mirror: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The lab's image, built with planted secrets."""
    folder = tmp_path_factory.mktemp("lab")
    lock = Lock(
        snapshot="sha256:" + "5" * 64,
        runtime="15.4",
        target=Target(python="3.11.2", architecture="x86_64", glibc="2.36"),
        base=BaseImage(reference=ensure_base().name, kind=BaseKind.BARE, os_id="debian", os_version="12"),
        packages=(),
        fates=(),
    )
    indexes, ca_bundle = find_indexes(IndexConfig()), find_ca_bundle()
    with Index(indexes, ca_bundle=ca_bundle) as index:
        lab_lock = lock_lab(lab_requirements("15.4"), target=lock.target, index=index)
    settings = LabSettings(mirror="hostile", cluster="0101-120000-abcdefgh")
    files = render_lab(lock, image=mirror, settings=settings, lab_lock=lab_lock)
    files.lab.write(folder / "context")
    keep_files(files.fetched, folder / "fetched", indexes=indexes, ca_bundle=ca_bundle)
    with planted(folder / "secrets") as secrets:
        build(
            folder / "context",
            tags=["scratch-hostile-lab:1"],
            labels={},
            secrets=secrets,
            build_arguments={"LAB_UID": "1000"},
            contexts={"files": folder / "fetched"},
        )
    yield "scratch-hostile-lab:1"
    subprocess.run(["docker", "rmi", "-f", "scratch-hostile-lab:1"], check=False, capture_output=True)


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


def test_no_secret_is_in_the_lab(lab: str) -> None:
    assert marked(lab) == []


def test_the_environment_runs_on_the_mirrors_python(lab: str) -> None:
    script = "import sys, jupyterlab; print(sys.base_prefix, sys.version_info[:2])"
    assert of_image(lab, "/opt/lab/bin/python", "-c", script) == "/usr (3, 11)\n"
