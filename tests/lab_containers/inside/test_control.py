"""The control socket's commands, where there is no tunnel, and what they say then."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from dbmirror_lab.control import ControlSocket, DriverError


@pytest.fixture
def folder() -> Iterator[Path]:
    # A Unix socket's path has to be short.
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


def test_without_a_socket_nothing_is_connected_to(folder: Path) -> None:
    """`driver` is no host: a connection of ssh's own would take a while to fail, or reach somebody else."""
    completed = ControlSocket(folder / "control").run(["true"])
    assert completed.returncode == 255


def test_without_a_socket_no_master_answers(folder: Path) -> None:
    assert not ControlSocket(folder / "control").alive()


def test_the_message_names_the_state_of_the_tunnel(folder: Path) -> None:
    (folder / "state.json").write_text(json.dumps({"state": "cluster-starting", "text": "The cluster is starting."}))
    with pytest.raises(DriverError, match="The cluster is starting"):
        ControlSocket(folder / "control").forward(folder / "local", "/tmp/remote")


def test_a_tunnel_that_says_nothing_has_an_empty_state(folder: Path) -> None:
    (folder / "state.json").write_text('{"sta')
    assert ControlSocket(folder / "control").state() == ""


def test_a_missing_program_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DriverError, match="OpenSSH"):
        ControlSocket(folder / "control").run(["true"])


def test_a_command_that_takes_too_long_fails_as_ssh_does(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = folder / "ssh"
    slow.write_text("#!/bin/sh\nexec sleep 5\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    completed = ControlSocket(folder / "control").run(["true"], timeout=0.2)
    assert completed.returncode == 255
    assert b"no answer" in completed.stderr


def test_an_argument_reaches_the_command_as_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ssh hands one string to the login shell, which this stands for."""
    fake = folder / "ssh"
    fake.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    hostile = "a b'; echo broken out $(id) \"\n"
    completed: subprocess.CompletedProcess[bytes] = ControlSocket(folder / "control").run(["printf", "%s", hostile])
    assert completed.stdout.decode() == hostile
