"""A lab that runs, as its tests look at it: its containers, its notebooks, a browser, the driver behind it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import docker as docker_sdk
import requests
from docker.models.containers import Container

from dbmirror.engine import compose
from dbmirror.engine.compose_project import ComposeProject, command
from dbmirror.lab import status as lab_status
from dbmirror.lab.paths import lab_paths
from dbmirror.lab.variables import read_environment, write_environment
from dbmirror.pipeline.mirror import Mirror
from dbmirror.sandbox import lifecycle
from dbmirror.sandbox.state import SandboxState
from tests.stack.conftest import PROGRAM, tree

CHROMIUM = next((p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists()), None)


def settles(what: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if what():
            return True
        time.sleep(0.2)
    return False


def project_of(folder: Path) -> ComposeProject:
    """The lab's stack as dbmirror calls compose for it."""
    return lab_paths(folder).project


def container(folder: Path, service: str) -> str:
    (found,) = _containers(folder, service)
    return str(found.name)


def health(folder: Path, service: str) -> str:
    """Asked of the engine itself: compose is a program, which tests that wait would start over and over."""
    return next((each.health for each in _containers(folder, service)), "")


def _containers(folder: Path, service: str) -> list[Container]:
    labels = (f"com.docker.compose.project={project_of(folder).name}", f"com.docker.compose.service={service}")
    found: list[Container] = _engine().containers.list(all=True, filters={"label": list(labels)}, ignore_removed=True)
    return found


@cache
def _engine() -> docker_sdk.DockerClient:
    return docker_sdk.from_env()


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout


def in_lab(folder: Path, *words: str) -> str:
    argv = command(project_of(folder), "exec", "--no-TTY", "lab", *words)
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tunnel_state(mirror: Mirror) -> str:
    tunnel = lab_status.status(mirror.lab).tunnel
    return str(tunnel["state"]) if tunnel else ""


def driver_container() -> str:
    state = lifecycle.status()
    assert state is not None
    assert state.driver_container is not None
    return state.driver_container


def user_runs(folder: Path, *arguments: str) -> str:
    """What `dbmirror ARGUMENTS` prints, run above the mirrors' folder that the lab lies in."""
    done = subprocess.run(
        [str(PROGRAM), *arguments],
        cwd=folder.parents[1],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def session_of(folder: Path) -> requests.Session:
    """A session with the lab's token."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"token {lab_paths(folder).token.read_text().strip()}"
    return session


def address_of(folder: Path) -> str:
    """Where JupyterLab answers, without a path."""
    return f"http://127.0.0.1:{read_environment(lab_paths(folder))['DBMIRROR_LAB_PORT']}"


def running_driver() -> SandboxState:
    """The sandbox, whose driver runs."""
    state = lifecycle.status()
    assert state is not None
    assert state.driver_container is not None
    return state


def write_notebook(
    folder: Path,
    name: str,
    source: str,
    *,
    kernel: str = "mirror-python",
    title: str = "Python (mirror of demo)",
    language: str = "python",
) -> None:
    """A notebook of one cell in the lab's notebooks folder, which the lab may write."""
    cell = {"cell_type": "code", "id": "one", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
    specification = {"name": kernel, "display_name": title, "language": language}
    notebook = {"cells": [cell], "metadata": {"kernelspec": specification}, "nbformat": 4, "nbformat_minor": 5}
    path = folder / "notebooks" / name
    path.write_text(json.dumps(notebook))
    give_to_lab(folder, path)


def own_ports() -> int:
    """The first of the ports that the labs of this process may take: those of another process are others."""
    return 18888 + 10 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def keep_to_ports(folder: Path, first: int) -> None:
    """Let the lab that `folder` will have take ports from `first` on: the usual ones are another lab's."""
    write_environment(lab_paths(folder), {"DBMIRROR_LAB_PORT": str(first), "DBMIRROR_PORT_4040": str(first + 1)})


def give_to_lab(folder: Path, path: Path) -> None:
    """Make the lab's user the owner of `path`, where the tests run as root."""
    uid = int(read_environment(lab_paths(folder))["DBMIRROR_LAB_UID"])
    if os.geteuid() == 0:
        os.chown(path, uid, uid)


def run_in_browser(folder: Path, name: str, *, title: str, awaited: str, screenshot: Path) -> str:
    """Log in with the token, open the notebook `name`, run its first cell; its output, once `awaited` is in it.

    Afterwards the notebook's kernel has ended.
    """
    from playwright.sync_api import sync_playwright

    assert CHROMIUM is not None, "this test needs Chromium: apt-get install chromium"
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--no-proxy-server"])
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            try:
                # A workspace of its own: the default one opens what was open before, too.
                workspace = name.partition(".")[0]
                page.goto(f"{address_of(folder)}/lab/workspaces/{workspace}/tree/{name}")
                page.get_by_label("Password or token").or_(page.locator("#password_input")).first.fill(
                    lab_paths(folder).token.read_text().strip()
                )
                page.locator("#login_submit").click()
                page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
                page.locator(".jp-Toolbar-kernelName", has_text=title).first.wait_for(timeout=30_000)
                page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first.wait_for(timeout=60_000)
                page.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
                page.keyboard.press("Shift+Enter")
                output = page.locator(".jp-OutputArea-output", has_text=awaited)
                output.first.wait_for(timeout=60_000)
                return output.first.inner_text()
            finally:
                page.screenshot(path=screenshot)
                browser.close()
    finally:
        end_sessions(folder, name)


def end_sessions(folder: Path, name: str) -> None:
    """End the kernel that the server keeps for the notebook `name` after its page is closed."""
    sessions = f"{address_of(folder)}/api/sessions"
    with session_of(folder) as session:
        for each in session.get(sessions, timeout=30).json():
            if each["path"] == name:
                session.delete(f"{sessions}/{each['id']}", timeout=60).raise_for_status()


def kernels_on_driver() -> list[str]:
    """The processes and files of kernels that are on the driver."""
    script = "ps -eo user,args | grep '^ubuntu' | grep -v sshd || true; ls -d /tmp/dbmirror-* 2>/dev/null || true"
    return docker("exec", driver_container(), "sh", "-c", script).splitlines()


def sshd_answers(address: str) -> bool:
    """Whether the driver's sshd greets who connects to it from this machine."""
    try:
        with socket.create_connection((address, 2200), 1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def shown(folder: Path, *others: str) -> list[str]:
    """All that anybody may see of the lab's containers and of `others`: inspect, history, logs, processes, files."""
    services = ("lab", "tunnel")
    names = [*(container(folder, service) for service in services), *others]
    images = docker("inspect", "--format", "{{.Image}}", *names).split()
    return [
        docker("inspect", *names, *images),
        *(docker("history", "--no-trunc", image) for image in images),
        *(logs(name) for name in names),
        *(docker("top", name, "-eo", "pid,args") for name in names),
        subprocess.check_output(["ps", "-eo", "args"], text=True),
        *(content.decode(errors="replace") for content in tree(folder).values()),
        *(environments(folder, service) for service in services),
    ]


def logs(name: str) -> str:
    """What a container wrote, to both of its streams."""
    done = subprocess.run(
        ["docker", "logs", name], check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.stdout


def environments(folder: Path, service: str) -> str:
    """The environment of every process of a service's container."""
    script = "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    return compose.execute(project_of(folder), service, ["sh", "-c", script]).stdout


def is_in_layers(folder: Path, secrets: Sequence[str]) -> bool:
    """Whether one of `secrets` is in a layer of the images of lab and tunnel."""
    wanted = [secret.encode() for secret in secrets]
    images = docker("inspect", "--format", "{{.Config.Image}}", *(container(folder, s) for s in ("lab", "tunnel")))
    saving = subprocess.Popen(["docker", "save", *images.split()], stdout=subprocess.PIPE)
    assert saving.stdout is not None
    rest, size, found = b"", 0, False
    while block := saving.stdout.read(1 << 22):
        size += len(block)
        found = found or any(secret in rest + block for secret in wanted)
        rest = block[-200:]
    saving.stdout.close()
    assert saving.wait() == 0
    assert size > 100_000_000
    return found


_EXECUTE = """
import json, sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
end = [n for n, cell in enumerate(notebook.cells) if sys.argv[3:] and cell.source.startswith(sys.argv[3])]
notebook.cells = notebook.cells[: end[0] if end else None]
NotebookClient(notebook, kernel_name=sys.argv[2], timeout=120, startup_timeout=60).execute()
outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
print(json.dumps([[output.get("data") or output.get("text") for output in each] for each in outputs]))
"""


def outputs_of(folder: Path, notebook: str, kernel: str, *, until: str | None = None) -> list[list[Any]]:
    """The outputs of each code cell of a notebook, executed by nbclient: up to the cell that begins with `until`."""
    end = [] if until is None else [until]
    said = in_lab(folder, "/opt/lab/bin/python", "-c", _EXECUTE, f"{notebook}.ipynb", kernel, *end)
    found: list[list[Any]] = json.loads(said.splitlines()[-1])
    return found
