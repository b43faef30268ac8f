"""One cluster of the sandbox, read by each way: what is found is the same, and nothing is left on the driver."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.stack.conftest import User

pytestmark = pytest.mark.stack


@pytest.fixture
def user(sandbox_user: User, tmp_path: Path) -> User:
    """The user of the sandbox, in an empty folder."""
    return sandbox_user.in_folder(tmp_path / "work")


@pytest.fixture(scope="module")
def by_ssh(sandbox_user: User) -> User:
    """The user of the sandbox, in a folder with a lock that was made over SSH."""
    user = sandbox_user.in_folder(sandbox_user.folder.parent / "by-ssh")
    user.run("snapshot", "demo", "--via", "ssh")
    user.run("lock", "demo", "--via", "ssh")
    return user


def digest(user: User) -> str:
    return str(json.loads((user.folder / "mirrors" / "demo" / "snapshot.json").read_text())["digest"])


def driver(user: User) -> str:
    """The driver's container."""
    return str(user.run("sandbox", "status", "--json").document["sandbox"]["driver_container"])


def commands_in(container: str) -> str:
    """What runs on the driver."""
    top = subprocess.run(["docker", "top", container, "-eo", "pid,args"], capture_output=True, text=True, check=True)
    return top.stdout


def test_by_ssh_and_by_the_api_a_snapshot_has_one_digest(by_ssh: User, user: User) -> None:
    done = user.run("snapshot", "demo", "--via", "api")
    assert ", by api" in done.stderr
    assert digest(user) == digest(by_ssh)
    assert "canary" not in (user.folder / "mirrors" / "demo" / "snapshot.json").read_text()
    assert user.run("check", "demo", "--via", "ssh").code == 0
    assert "notebook" not in commands_in(driver(user))


def test_by_a_cell_it_has_the_same_digest_too(by_ssh: User, user: User) -> None:
    sandbox = user.run("sandbox", "status", "--json").document["sandbox"]
    cell = user.run("snapshot", "demo", "--cell").stdout
    identity = f"DB_CLUSTER_ID={sandbox['cluster_id']}"
    python = ("-u", "0", "-e", identity, sandbox["driver_container"], "/databricks/python3/bin/python3", "-")
    notebook = subprocess.run(
        ["docker", "exec", "-i", *python],
        input=cell,
        capture_output=True,
        text=True,
        check=True,
    )
    (user.folder / "shown.txt").write_text(f"Command took 0.9 seconds\n{notebook.stdout}")
    done = user.run("snapshot", "demo", "--from", "shown.txt")
    assert digest(user) == digest(by_ssh), done.stderr


def test_private_wheels_are_captured_by_the_api_byte_for_byte(by_ssh: User, user: User) -> None:
    user.run("snapshot", "demo", "--via", "api")
    user.run("lock", "demo", "--via", "api")
    captured, expected = (
        {path.name: path.read_bytes() for path in (each.folder / "mirrors" / "demo").rglob("*.whl")}
        for each in (user, by_ssh)
    )
    assert captured == expected
    assert any("forecast" in name for name in captured)


def test_a_signal_leaves_no_context_and_no_program_on_the_driver(user: User) -> None:
    container = driver(user)
    process = user.start("snapshot", "demo", "--via", "api")
    deadline = time.monotonic() + 60
    while "notebook" not in commands_in(container):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 143, stderr
    deadline = time.monotonic() + 20
    while "notebook" in commands_in(container):
        assert time.monotonic() < deadline, commands_in(container)
        time.sleep(0.1)
