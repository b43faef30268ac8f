"""The R kernel of a lab whose mirror has R: what a notebook sees in it, and that the mirror stays as it was."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dbmirror.ca_bundle import find_ca_bundle
from dbmirror.engine.buildx import build
from dbmirror.fetch.store import Store
from dbmirror.hosts.container import ContainerHost
from dbmirror.inventory.collect import collect
from dbmirror.lab.missing_kernels import missing_kernels
from dbmirror.lock.debs.archives import client_of_archives
from dbmirror.lock.debs.offline import OfflineApt, RKernelPlan
from dbmirror.lock.errors import AptUnavailable
from dbmirror.render.dockerfile_templates import shipped_folder
from tests.stack.conftest import Done, User
from tests.stack.lab.stack import (
    address_of,
    container,
    docker,
    in_lab,
    keep_to_ports,
    outputs_of,
    own_ports,
    run_in_browser,
    session_of,
    write_notebook,
)

pytestmark = pytest.mark.stack

KERNEL = {"kernel": "mirror-r", "title": "R (mirror of demo)", "language": "R"}
SEEN = """
cat(R.version.string, .libPaths(), sep = "\\n")
cat(sort(apply(installed.packages()[, c("Package", "Version", "LibPath")], 1, paste, collapse = " ")), sep = "\\n")
"""
"""Prints what R it is, where it looks for packages, and which it finds."""
PLACES_OF_THE_MIRROR = ("/usr/lib/R", "/usr/local/lib/R", "/usr/share/R", "/etc/R", "/databricks")


@dataclass(frozen=True)
class Mirror:
    """A mirror with R whose lab runs."""

    user: User
    folder: Path
    image: str


@pytest.fixture(scope="module")
def mirror(r_user: User, r_built: Done) -> Iterator[Mirror]:
    """A user who has a sandbox with R up, its mirror built, and the lab running."""
    folder = r_user.folder / "mirrors" / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBMIRROR_HOME", r_user.environment["DBMIRROR_HOME"])
        keep_to_ports(folder, own_ports())
        try:
            r_user.run("lab", "up", "demo")
            yield Mirror(r_user, folder, r_built.document["image"]["tag"])
        finally:
            r_user.run("lab", "down", "demo")


def lab_image(mirror: Mirror) -> str:
    return docker("inspect", "--format", "{{.Config.Image}}", container(mirror.folder, "lab")).strip()


def in_image(image: str, *argv: str) -> str:
    return docker("run", "--rm", "--network", "none", "--user", "root", image, *argv)


EXECUTE = """
import json, sys, nbformat
from nbclient import NotebookClient
cells = [nbformat.v4.new_code_cell(source) for source in json.loads(sys.argv[1])]
notebook = nbformat.v4.new_notebook(cells=cells)
NotebookClient(notebook, kernel_name="mirror-r", timeout=120, startup_timeout=60, allow_errors=True).execute()
print(json.dumps([cell.outputs for cell in notebook.cells]))
"""


def executed(mirror: Mirror, *sources: str) -> list[list[dict[str, Any]]]:
    """The outputs of an R notebook of these cells."""
    said = in_lab(mirror.folder, "/opt/lab/bin/python", "-c", EXECUTE, json.dumps(sources))
    found: list[list[dict[str, Any]]] = json.loads(said.splitlines()[-1])
    return found


def test_the_lab_offers_the_mirrors_r_beside_its_python_and_the_driver(mirror: Mirror) -> None:
    with session_of(mirror.folder) as session:
        offered = session.get(f"{address_of(mirror.folder)}/api/kernelspecs", timeout=10).json()
    assert sorted(offered["kernelspecs"]) == ["driver", "mirror-python", "mirror-r"]
    assert offered["kernelspecs"]["mirror-r"]["spec"]["display_name"] == KERNEL["title"]
    assert offered["kernelspecs"]["mirror-r"]["spec"]["language"] == "R"
    assert offered["default"] == "mirror-python"
    assert missing_kernels(mirror.folder) == ()


def test_a_cell_shows_numbers_tables_and_plots(mirror: Mirror) -> None:
    (number,), (table,), (plot,) = executed(mirror, "6 * 7", "data.frame(a = 1:2, b = c('x', 'y'))", "plot(1:3)")
    assert number["data"]["text/plain"] == "[1] 42"
    assert "<td>2</td><td>y</td>" in table["data"]["text/html"]
    assert len(plot["data"]["image/png"]) > 1000


def test_an_error_is_shown_and_the_next_cell_runs(mirror: Mirror) -> None:
    (error,), (after,) = executed(mirror, "left <- 1; stop('no such thing')", "cat(left)")
    assert error["output_type"] == "error"
    assert "no such thing" in error["evalue"]
    assert after["text"] == "1"


def test_a_notebook_has_the_mirrors_r_and_sees_its_packages_and_no_more(mirror: Mirror) -> None:
    (shown,) = executed(mirror, SEEN)
    expected = in_image(mirror.image, "Rscript", "-e", SEEN)
    assert "".join(each["text"] for each in shown) == expected
    assert "sandboxPrivate 2.0.1 /usr/local/lib/R/site-library" in expected
    assert not [line for line in expected.splitlines() if line.startswith(("IRkernel ", "rlang "))]


def test_what_the_kernel_is_made_of_cannot_be_attached(mirror: Mirror) -> None:
    kernels, theirs, mirrors = executed(
        mirror, "library(IRkernel)", "library(rlang)", "library(sandboxSums); cat('ok')"
    )
    assert "there is no package called" in kernels[0]["evalue"]
    assert "there is no package called" in theirs[0]["evalue"]
    assert mirrors[-1]["text"] == "ok"


def test_a_program_that_a_notebook_calls_is_the_mirrors(mirror: Mirror) -> None:
    ((shown,),) = executed(mirror, "cat(Sys.getenv('PATH'))")
    assert shown["text"] == in_image(mirror.image, "sh", "-c", 'printf %s "$PATH"')


INTERRUPT = """
import time
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="mirror-r", startup_timeout=60)
request = client.execute("kept <- 1; repeat { kept <- kept + 1; if (kept == 1000) { cat('begun'); flush.console() } }")
message = {}
while message.get("msg_type") != "stream":
    message = client.get_iopub_msg(timeout=60)
manager.interrupt_kernel()
# A slow start was asked several times whether it is ready, and answers each time.
reply = {"parent_header": {}}
while reply["parent_header"].get("msg_id") != request:
    reply = client.get_shell_msg(timeout=60)
print(reply["content"]["status"])
# What is sent within half a second of the interruption counts as part of what was interrupted.
time.sleep(2)
client.execute_interactive("cat(kept >= 1000)", timeout=60)
manager.shutdown_kernel(now=True)
"""


def test_a_cell_that_never_ends_is_interrupted(mirror: Mirror) -> None:
    assert in_lab(mirror.folder, "/opt/lab/bin/python", "-c", INTERRUPT).split() == ["abort", "TRUE"]


def test_every_package_of_the_mirror_is_as_it_was(mirror: Mirror) -> None:
    with ContainerHost(mirror.image) as before, ContainerHost(lab_image(mirror)) as after:
        expected, found = collect(before), collect(after)
    assert found.r_packages == expected.r_packages
    assert found.r_version == expected.r_version
    assert found.distributions == expected.distributions
    then = {package.name: package.version for package in expected.debian_packages}
    now = {package.name: package.version for package in found.debian_packages}
    assert {name: now.get(name) for name in then} == then
    assert "libzmq5" in now.keys() - then.keys()
    assert not [name for name in now.keys() - then.keys() if name.startswith("r-")]


def test_no_file_of_the_mirrors_r_or_python_was_touched(mirror: Mirror) -> None:
    places = " ".join(PLACES_OF_THE_MIRROR)
    files = f"find {places} -type f -exec sha256sum {{}} + | LC_ALL=C sort --key 2"
    links = f"find {places} -type l -printf '%p %l\\n' | LC_ALL=C sort"
    listing = f"{files}; {links}"
    before, after = (in_image(image, "bash", "-c", listing) for image in (mirror.image, lab_image(mirror)))
    assert before.count("\n") > 1000
    assert before == after


def test_a_browser_opens_an_r_notebook_runs_a_cell_and_sees_its_output(mirror: Mirror, artefacts: Path) -> None:
    write_notebook(mirror.folder, "hello-r.ipynb", "cat('answer:', 6 * 7, R.version$major)", **KERNEL)
    screenshot = artefacts / "notebook-r.png"
    said = run_in_browser(
        mirror.folder, "hello-r.ipynb", title=KERNEL["title"], awaited="answer: 42", screenshot=screenshot
    )
    assert said.split()[2:] == ["4"]
    assert screenshot.stat().st_size > 10_000


def test_a_saved_r_notebook_is_paired_with_an_r_script(mirror: Mirror) -> None:
    write_notebook(mirror.folder, "paired.ipynb", "x <- c(1, 2)", **KERNEL)
    with session_of(mirror.folder) as session:
        address = f"{address_of(mirror.folder)}/api/contents/paired.ipynb"
        saved = session.put(address, json=session.get(address, timeout=30).json(), timeout=30)
    assert saved.status_code == 200
    assert "# %%\nx <- c(1, 2)" in (mirror.folder / "notebooks" / "paired.R").read_text()
    assert not (mirror.folder / "notebooks" / "paired.py").exists()


def test_a_running_r_kernel_is_named_in_the_labs_status(mirror: Mirror) -> None:
    with session_of(mirror.folder) as session:
        kernels = f"{address_of(mirror.folder)}/api/kernels"
        before = len(session.get(kernels, timeout=10).json())
        started = session.post(kernels, json={"name": "mirror-r"}, timeout=60).json()
        try:
            status = mirror.user.run("lab", "status", "demo", "--json").document["lab"]
        finally:
            session.delete(f"{kernels}/{started['id']}", timeout=30)
    assert [kernel["name"] for kernel in status["kernels"]] == ["mirror-r"] * (before + 1)


def test_the_mirrors_python_kernel_is_there_as_without_r(mirror: Mirror) -> None:
    write_notebook(mirror.folder, "python.ipynb", "import sys\nprint(sys.prefix)")
    assert outputs_of(mirror.folder, "python", "mirror-python") == [["/databricks/python3\n"]]


def plan_of(mirror: Mirror, change: str, place: Path) -> RKernelPlan:
    """How the mirror's image would get IRkernel after the command `change`."""
    tag = f"scratch-r-kernel-{os.getpid()}:1"
    place.joinpath("Dockerfile").write_text(f"FROM {mirror.image}\nUSER root\nRUN --network=none {change}\n")
    try:
        build(place, tags=[tag], labels={}, secrets={})
        with (
            client_of_archives(frozenset(), ca_bundle=find_ca_bundle()) as client,
            Store(place / "store") as store,
            OfflineApt(tag, client=client, store=store) as apt,
        ):
            return apt.irkernel()
    finally:
        subprocess.run(["docker", "rmi", "--force", tag], check=False, capture_output=True)


def pretend(name: str, version: str) -> str:
    """A command that puts the package `name` at `version` where R finds it, by what its DESCRIPTION says."""
    folder = f"/usr/local/lib/R/site-library/{name}"
    return f"mkdir -p {folder} && printf 'Package: {name}\\nVersion: {version}\\n' >{folder}/DESCRIPTION"


def test_a_package_of_the_mirror_that_is_too_old_leaves_the_kernel_out_with_the_reason(
    mirror: Mirror, tmp_path: Path
) -> None:
    plan = plan_of(mirror, pretend("pillar", "1.0.0"), tmp_path)
    assert (
        plan.left_out == "There is no R kernel: IRkernel needs r-cran-pillar in another version than the mirror has it."
    )
    assert plan.files == ()


def test_sources_without_irkernel_leave_the_kernel_out_with_the_reason(mirror: Mirror, tmp_path: Path) -> None:
    never = "printf 'Package: r-cran-irkernel\\nPin: version *\\nPin-Priority: -1\\n' >/etc/apt/preferences.d/never"
    said = plan_of(mirror, never, tmp_path).left_out
    assert said is not None
    assert said.startswith("There is no R kernel: the apt sources of this image have no IRkernel for its R (")
    assert "r-cran-irkernel" in said


def test_sources_that_cannot_be_read_are_an_error_and_no_reason_to_leave_the_kernel_out(
    mirror: Mirror, tmp_path: Path
) -> None:
    elsewhere = "s#^deb ([a-z]+://[^/ ]+)/.*#deb \\1/no-such-place bookworm main#p"
    gone = f"sed -nE '1{elsewhere}' /etc/apt/sources.list >/etc/apt/sources.list.d/gone.list"
    with pytest.raises(AptUnavailable, match="no-such-place"):
        plan_of(mirror, gone, tmp_path)


def test_a_source_whose_signature_is_not_one_that_the_image_knows_is_an_error(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(AptUnavailable, match="sign"):
        plan_of(mirror, "rm -f /etc/apt/trusted.gpg.d/* /usr/share/keyrings/*", tmp_path)


def test_what_the_mirror_has_is_not_brought_along(mirror: Mirror, tmp_path: Path) -> None:
    plan = plan_of(mirror, " && ".join((pretend("IRkernel", "1.3.2"), pretend("rlang", "1.1.0"))), tmp_path)
    assert plan == RKernelPlan()


def test_why_there_is_no_r_kernel_stands_in_the_labs_image(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "debian-irkernel.txt").write_text("")
    (tmp_path / "left-out.txt").write_text("There is no R kernel: so.\n")
    shipped = shipped_folder("compose") / "scripts"
    mounts = [f"--volume={tmp_path}:/run/dbmirror/lists:ro", f"--volume={shipped}:/scripts:ro"]
    script = (
        "mkdir -p /opt/lab/lib && bash /scripts/install-irkernel.sh /opt/lab/lib/R && ls /opt/lab/lib"
        " && cat /opt/lab/share/dbmirror/left-out.txt"
    )
    argv = ["docker", "run", "--rm", "--network=none", "--user=0", *mounts, mirror.image, "bash", "-c", script]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert done.stdout == "There is no R kernel: so.\n"
    assert done.stderr == "dbmirror: There is no R kernel: so.\n"


def test_a_mirror_of_r_alone_has_a_lab_whose_default_is_r(mirror: Mirror, tmp_path: Path) -> None:
    user = mirror.user.in_folder(tmp_path / "r-alone")
    folder = user.folder / "mirrors" / "demo"
    user.run("build", "demo", "--flavour", "r")
    keep_to_ports(folder, own_ports() + 2)
    try:
        user.run("lab", "up", "demo")
        with session_of(folder) as session:
            offered = session.get(f"{address_of(folder)}/api/kernelspecs", timeout=10).json()
        said = user.run("lab", "logs", "demo", "lab", "--json").document["lines"]
    finally:
        user.run("lab", "down", "demo")
    assert sorted(offered["kernelspecs"]) == ["driver", "mirror-r"]
    assert offered["default"] == "mirror-r"
    sentence = "There is no Python kernel of the mirror: its /databricks/python3 has no ipykernel."
    assert [line for line in said if line.endswith(sentence)]
