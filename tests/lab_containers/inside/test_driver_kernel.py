"""The answer of the driver to the launcher: taken only where it names the kernel's own folder."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from dbmirror_lab.control import ControlSocket, DriverError
from dbmirror_lab.driver_kernel import PORTS, DriverKernel

from dbmirror.lab_containers.tunnel.leases import unheld

SSH = f"""#!{sys.executable}
import json, sys
if "-O" in sys.argv:
    open(sys.argv[0] + ".forwarded", "a").write(" ".join(sys.argv) + "\\n")
    sys.exit(1)
stdin = sys.stdin.buffer
stdin.read(int(stdin.readline()))
order = json.loads(stdin.readline())
print("Welcome to the driver!")
print(ANSWER.replace("NONCE", order["nonce"]).replace("NAME", order["name"]))
sys.exit(CODE)
"""
"""In place of the driver: reads what the launcher would read, and answers what the test says."""
CONNECTION = {"key": "a-key", "signature_scheme": "hmac-sha256"}


@pytest.fixture
def folder() -> Iterator[Path]:
    # A Unix socket's path has to be short.
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


def start(folder: Path, answer: str, code: int = 0) -> DriverError:
    """Why a kernel does not start whose driver gives this answer."""
    programs, shared = folder / "bin", folder / "shared"
    programs.mkdir()
    shared.mkdir()
    fake = programs / "ssh"
    fake.write_text(SSH.replace("ANSWER", repr(answer)).replace("CODE", str(code)))
    fake.chmod(0o755)
    control = ControlSocket(shared / "control")
    kernel = DriverKernel(control=control, prefix=folder / "kernel", grace=1, log=logging.getLogger("test"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        with pytest.raises(DriverError) as raised:
            kernel.start(CONNECTION, {})
    assert not [port for port in PORTS if (folder / f"kernel-{port}").exists()]
    return raised.value


def forwarded(folder: Path) -> bool:
    """Whether the tunnel was asked for a forward to the folder that the driver named."""
    return (folder / "bin" / "ssh.forwarded").exists()


@pytest.mark.parametrize(
    "said",
    [
        "{}",
        '{"folder": 7}',
        '{"folder": null}',
        '{"folder": "/tmp/elsewhere"}',
        '{"folder": "/tmp/dbmirror-kernel-0123456789abcdef"}',
        '{"folder": "/tmp/dbmirror-kernel-NAME/.."}',
        '{"folder": "/tmp/dbmirror-kernel-NAME\\n"}',
        '{"folder": "relative/dbmirror-kernel-NAME"}',
        '{"folder": "/tmp:/dbmirror-kernel-NAME"}',
        '{"folder": "/tmp\\u0000/dbmirror-kernel-NAME"}',
        '{"folder"}',
        '{"folder": ' + "[" * 100_000 + "}",
    ],
)
def test_an_answer_without_the_kernels_folder_is_an_error_that_says_so(folder: Path, said: str) -> None:
    error = start(folder, "NONCE" + said)
    assert str(error).startswith("The driver's answer does not say where the kernel's folder is: {")
    assert len(str(error)) < 500
    assert str(error).isprintable()
    assert not forwarded(folder)


@pytest.mark.parametrize("parent", ["/tmp", "/local_disk0/tmp", "/a folder", ""])
def test_an_answer_with_the_kernels_folder_is_followed_wherever_that_is(folder: Path, parent: str) -> None:
    error = start(folder, 'NONCE{"folder": "' + parent + '/dbmirror-kernel-NAME"}')
    assert "The tunnel's connection to the driver cannot be used" in str(error)
    assert forwarded(folder)


@pytest.mark.parametrize(
    "answer", ["NONCE{}", "nothing that was asked for", 'NONCE{"folder": "/dbmirror-kernel-NAME"}']
)
def test_a_kernel_that_may_run_is_left_to_the_tunnel(folder: Path, answer: str) -> None:
    start(folder, answer)
    assert len(unheld(folder / "shared")) == 1


def test_a_launcher_that_says_it_failed_leaves_nothing_to_the_tunnel(folder: Path) -> None:
    error = start(folder, "no room", code=1)
    assert "could not be started on the driver (exit status 1)" in str(error)
    assert list((folder / "shared").iterdir()) == []
