"""Kernels on the driver when the containers are killed, restarted or stopped: nothing is left, and nothing is lost."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbmirror.engine import compose
from dbmirror.engine.compose_project import command
from dbmirror.pipeline.mirror import Mirror
from tests.stack.driver_tunnel import BARE_KERNEL, READY_RATIO, duration
from tests.stack.lab.stack import (
    container,
    docker,
    driver_container,
    health,
    in_lab,
    kernels_on_driver,
    logs,
    project_of,
    settles,
    tunnel_state,
)

pytestmark = pytest.mark.stack

CLEAR_SECONDS = 20
"""Far less than the two minutes after which a kernel ends by itself; it takes a second or two here."""
KERNEL = """
import json, sys, time, urllib.request, uuid
from pathlib import Path
import websocket
headers = {"Authorization": "token " + Path("/run/secrets/lab-token").read_text().strip()}
address = "127.0.0.1:8888/api/kernels"
begin = time.monotonic()
wish = json.dumps({"name": "driver"}).encode()
answer = urllib.request.urlopen(urllib.request.Request("http://" + address, wish, headers), timeout=60)
number = json.load(answer)["id"]
channels = websocket.create_connection(f"ws://{address}/{number}/channels", header=headers, timeout=60)
def send(kind, content):
    header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "s", "username": "", "version": "5.3"}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    channels.send(json.dumps(message))
def until(kind):
    while True:
        message = json.loads(channels.recv())
        if message["msg_type"] == kind:
            return message["content"]
send("kernel_info_request", {})
until("kernel_info_reply")
seconds = time.monotonic() - begin
send("execute_request", {"code": sys.argv[1], "silent": False})
print(json.dumps({"id": number, "seconds": seconds, "said": until("stream")["text"]}))
"""
"""Starts a kernel on the driver as a browser does, and prints how long that took and the first output of a cell."""
LISTEN = """
import sys
from jupyter_client.manager import start_new_kernel
def write(message):
    print(message["content"].get("text", ""), end="", flush=True)
manager, client = start_new_kernel(kernel_name="driver", startup_timeout=60)
try:
    client.execute_interactive(sys.argv[1], timeout=120, output_hook=write)
finally:
    manager.shutdown_kernel(now=True)
"""
"""Runs a cell on the driver, and prints its output while it comes."""
END = """
import sys, urllib.request
from pathlib import Path
headers = {"Authorization": "token " + Path("/run/secrets/lab-token").read_text().strip()}
address = f"http://127.0.0.1:8888/api/kernels/{sys.argv[1]}"
urllib.request.urlopen(urllib.request.Request(address, headers=headers, method="DELETE"), timeout=60)
"""
CRASH = """
import os, signal
from pathlib import Path
for path in Path("/proc").glob("[0-9]*/cmdline"):
    if b"jupyter-lab" in path.read_bytes() and int(path.parent.name) not in (1, os.getpid()):
        os.kill(int(path.parent.name), signal.SIGKILL)
"""
BUSY = """
import subprocess, time
subprocess.Popen(["setsid", "sleep", "601"])
print("running", flush=True)
time.sleep(602)
"""


def kernel_that_runs(folder: Path, code: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(in_lab(folder, "/opt/lab/bin/python", "-c", KERNEL, code))
    return found


@pytest.fixture
def lab(stack: Path, mirror: Mirror) -> Iterator[Path]:
    """The lab while nothing of it is on the driver; afterwards it runs as before."""
    assert settles(lambda: kernels_on_driver() == [], CLEAR_SECONDS), kernels_on_driver()
    yield stack
    subprocess.run(command(project_of(stack), "up", "--detach"), check=True, capture_output=True)
    assert settles(lambda: health(stack, "lab") == "healthy", 120), compose.last_logs(project_of(stack), "lab")
    assert settles(lambda: health(stack, "tunnel") == "healthy", 60), compose.last_logs(project_of(stack), "tunnel")


def test_a_kernel_on_the_driver_is_ready_soon_after_its_python_is(lab: Path) -> None:
    """Each pair is taken at one time, and what slows down this machine does so to both."""
    took = []
    for _ in range(3):
        bare = duration(lambda: docker("exec", driver_container(), *BARE_KERNEL))
        kernel = kernel_that_runs(lab, "print('here')")
        assert kernel["said"] == "here\n"
        in_lab(lab, "/opt/lab/bin/python", "-c", END, kernel["id"])
        took.append((kernel["seconds"], bare))
    print("ready after", ", ".join(f"{ready:.1f} s (bare {bare:.1f} s)" for ready, bare in took))
    assert min(ready / bare for ready, bare in took) < READY_RATIO, took


@pytest.mark.parametrize("how", ["killed", "crashed", "restarted"])
def test_a_lab_that_goes_while_a_cell_runs_leaves_nothing_on_the_driver(lab: Path, mirror: Mirror, how: str) -> None:
    assert kernel_that_runs(lab, BUSY)["said"] == "running\n"
    assert [line for line in kernels_on_driver() if "sleep 601" in line]
    name = container(lab, "lab")
    if how == "killed":
        docker("kill", name)
    elif how == "crashed":
        in_lab_until_it_ends(lab, CRASH)
    else:
        docker("restart", name)
    gone = time.monotonic()
    assert settles(lambda: kernels_on_driver() == [], CLEAR_SECONDS), kernels_on_driver()
    print(f"{how}: nothing is left after {time.monotonic() - gone:.1f} s")
    assert tunnel_state(mirror) == "connected"
    running = docker("inspect", "--format", "{{.State.Running}}", name).strip()
    assert running == "false" if how == "killed" else settles(lambda: health(lab, "lab") == "healthy", 120)


def test_a_kernels_folder_with_files_of_root_is_named_and_goes_once_it_can(lab: Path) -> None:
    """As after `sudo` in a cell: the login that the tunnel has may not remove them."""
    assert kernel_that_runs(lab, BUSY)["said"] == "running\n"
    docker("exec", driver_container(), "sh", "-c", "mkdir -p $(echo /tmp/dbmirror-kernel-*)/of-root/within")
    docker("kill", container(lab, "lab"))
    assert settles(lambda: "could not be removed" in logs(container(lab, "tunnel")), 90)
    (folder,) = kernels_on_driver()
    name = folder.rpartition("/")[2]
    assert f"'{name}'" in logs(container(lab, "tunnel"))
    docker("exec", driver_container(), "rm", "-r", f"/tmp/{name}/of-root")
    assert settles(lambda: kernels_on_driver() == [], CLEAR_SECONDS), kernels_on_driver()
    look = "ls /run/dbmirror/tunnel"
    assert settles(
        lambda: "lease-" not in compose.execute(project_of(lab), "tunnel", ["sh", "-c", look]).stdout, CLEAR_SECONDS
    )
    assert logs(container(lab, "tunnel")).count(name) == 1


def in_lab_until_it_ends(folder: Path, program: str) -> None:
    """Run a program that takes its container along."""
    argv = command(project_of(folder), "exec", "--no-TTY", "lab", "/opt/lab/bin/python", "-c", program)
    subprocess.run(argv, check=False, capture_output=True, timeout=30)


def test_a_stack_that_is_stopped_while_a_cell_runs_leaves_nothing_on_the_driver(lab: Path) -> None:
    assert kernel_that_runs(lab, BUSY)["said"] == "running\n"
    subprocess.run(command(project_of(lab), "stop"), check=True, capture_output=True, timeout=60)
    assert settles(lambda: kernels_on_driver() == [], CLEAR_SECONDS), kernels_on_driver()


def test_a_cell_that_runs_while_the_tunnel_is_restarted_loses_no_output(lab: Path) -> None:
    source = "import time\nfor n in range(150):\n    print(n, flush=True); time.sleep(0.1)"
    argv = command(project_of(lab), "exec", "--no-TTY", "lab", "/opt/lab/bin/python", "-c", LISTEN, source)
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(argv, **pipes, text=True) as listener:
        assert listener.stdout is not None
        try:
            first = listener.stdout.readline()
            if first:
                docker("restart", container(lab, "tunnel"))
            rest, said = listener.communicate(timeout=180)
        finally:
            listener.kill()
    assert listener.returncode == 0, said
    assert first + rest == "".join(f"{n}\n" for n in range(150))
