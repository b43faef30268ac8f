"""The tunnel's forwards: many at once, and as fast as OpenSSH's own."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest

from dbmirror.engine import compose
from dbmirror.lab.paths import lab_paths
from dbmirror.lab.variables import read_environment
from tests.stack.lab.stack import container, docker, driver_container, in_lab, project_of, running_driver, settles

pytestmark = pytest.mark.stack

PAIRS = 25
PIECE_SECONDS = 0.4
"""How long one piece takes, about: so short that what else this machine does goes on through both of a pair."""
SERVER = """
import os, socket, threading
def serve(connection):
    with connection:
        try:
            wanted = connection.makefile().readline().strip()
            connection.sendall(b"answer\\n")
            left = int(wanted) if wanted.isdigit() else 0
            while left > 0:
                connection.sendall(BLOCK[:left])
                left -= len(BLOCK)
        except OSError:
            pass
BLOCK = bytes(1 << 20)
server = socket.create_server(("127.0.0.1", 4040), backlog=64)
server.settimeout(0.5)
while not os.path.exists("/tmp/stop-server"):
    try:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
    except TimeoutError:
        pass
"""
FETCH = """
import json, socket, sys, time
def fetch(port, size):
    with socket.create_connection(("tunnel", port), 10) as connection:
        connection.settimeout(60)
        start, got = time.monotonic(), 0
        connection.sendall(b"%d\\n" % size)
        while block := connection.recv(1 << 18):
            got += len(block)
    assert got > size
    return got / (time.monotonic() - start)
ports, pairs, seconds = [int(port) for port in sys.argv[1:3]], int(sys.argv[3]), float(sys.argv[4])
size = int(seconds * min(fetch(port, 20_000_000) for port in ports))
speeds = []
for turn in range(pairs):
    speed = {port: fetch(port, size) for port in (ports if turn % 2 else ports[::-1])}
    speeds.append([speed[port] for port in ports])
print(json.dumps(speeds))
"""
"""Fetches through each of two ports in turn, from one process, and prints the speeds of each pair."""
FORWARDS = """
import socket, subprocess
from concurrent.futures import ThreadPoolExecutor
paths = [f"/run/dbmirror/tunnel/forward-{n}" for n in range(20)]
def order(what, path):
    control = "/run/dbmirror/tunnel/control"
    subprocess.run(["ssh", "-F", "none", "-S", control, "-O", what, "-L", f"{path}:localhost:4040", "d"], check=True)
def ask(path):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(path)
        connection.sendall(b"hello\\n")
        return connection.recv(7)
for path in paths:
    order("forward", path)
with ThreadPoolExecutor(20) as pool:
    answers = list(pool.map(ask, paths))
for path in paths:
    order("cancel", path)
print(answers.count(b"answer\\n"))
"""


@pytest.fixture
def driver_serves(stack: Path) -> Iterator[None]:
    """A server on the driver's port 4040, where Spark's user interface would be."""
    driver = driver_container()
    docker("exec", driver, "rm", "-f", "/tmp/stop-server")
    docker("exec", "--detach", "--user", "ubuntu", driver, "/databricks/python3/bin/python", "-c", SERVER)
    port = read_environment(lab_paths(stack))["DBMIRROR_PORT_4040"]

    def answers() -> bool:
        with socket.create_connection(("127.0.0.1", int(port)), 5) as connection:
            connection.sendall(b"hello\n")
            return connection.recv(7) == b"answer\n"

    try:
        assert settles(answers, 30)
        yield
    finally:
        docker("exec", "--user", "ubuntu", driver, "touch", "/tmp/stop-server")


@pytest.mark.usefixtures("driver_serves")
def test_twenty_forwards_at_once(stack: Path) -> None:
    assert in_lab(stack, "/opt/lab/bin/python", "-c", FORWARDS).strip() == "20"


@contextmanager
def plain_ssh(folder: Path, port: int) -> Iterator[None]:
    """An `ssh -L` of its own from the tunnel's container to the driver's port 4040; it ends when its stdin does."""
    state = running_driver()
    command = [
        *("ssh", "-F", "none", "-N", "-i", "/run/dbmirror/private/ssh-key", "-p", "2200"),
        *("-o", "UserKnownHostsFile=/run/dbmirror/pins/known_hosts", "-o", f"HostKeyAlias={state.cluster_id}"),
        *("-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-L", f"0.0.0.0:{port}:localhost:4040"),
        f"ubuntu@{state.driver_address}",
    ]
    keeper = ["sh", "-c", '"$@" & read -r _; kill $!; wait', "keeper", *command]
    argv = ["docker", "exec", "--interactive", "--user", "lab", container(folder, "tunnel"), *keeper]
    with subprocess.Popen(argv, stdin=subprocess.PIPE):
        # Popen closes the pipe, and waits.
        assert settles(lambda: listens_in_tunnel(folder, port), 30)
        yield


@pytest.mark.usefixtures("driver_serves")
def test_a_forward_is_as_fast_as_plain_ssh(stack: Path) -> None:
    """The same client asks over the same networks: once through the tunnel, once through an ssh -L of its own."""
    tunnel, plain = 4040, 4141
    asked = (str(tunnel), str(plain), str(PAIRS), str(PIECE_SECONDS))
    with plain_ssh(stack, plain):
        speeds: list[list[float]] = json.loads(in_lab(stack, "/opt/lab/bin/python", "-c", FETCH, *asked))
    # What else this machine does slows down both of a pair, or falls on a single one: the median passes over that.
    ratios = [ours / theirs for ours, theirs in speeds]
    print(f"{median(ours for ours, _ in speeds) / 1e6:.0f} MB/s; ratios", *(f"{ratio:.2f}" for ratio in sorted(ratios)))
    assert median(ratios) >= 0.9, ratios
    assert not listens_in_tunnel(stack, plain)


def listens_in_tunnel(folder: Path, port: int) -> bool:
    program = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
    return compose.execute(project_of(folder), "tunnel", ["python3", "-c", program]).code == 0
