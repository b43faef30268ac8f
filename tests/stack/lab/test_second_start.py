"""`lab up` on a lab that is there already: what works stays, whatever the workspace says, or where it says nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dbmirror.engine import compose
from dbmirror.lab import stack as lab_stack
from dbmirror.lab.model import Lab, Supplies
from dbmirror.lab.paths import lab_paths
from dbmirror.lab.variables import read_environment
from dbmirror.pipeline import stages
from dbmirror.pipeline.mirror import Mirror
from dbmirror.render.lab import LabFiles
from dbmirror.workspace.profile_file import list_profiles
from tests.stack.lab.stack import (
    address_of,
    container,
    docker,
    health,
    project_of,
    session_of,
    settles,
    tunnel_state,
    user_runs,
)

pytestmark = pytest.mark.stack

BUILD = lab_stack.build_images


@pytest.fixture
def kernel(stack: Path, mirror: Mirror) -> Iterator[str]:
    """A kernel of the running lab, whose tunnel is connected."""
    user_runs(stack, "lab", "up", "demo")
    assert settles(lambda: health(stack, "tunnel") == "healthy", 60)
    with session_of(stack) as session:
        answer = session.post(f"{address_of(stack)}/api/kernels", json={"name": "mirror-python"}, timeout=60)
        answer.raise_for_status()
        kernel_id = str(answer.json()["id"])
        yield kernel_id
        session.delete(f"{address_of(stack)}/api/kernels/{kernel_id}", timeout=60)


@pytest.fixture
def expired_login(mirror: Mirror) -> Iterator[None]:
    """The workspace lets the profile's token in no more."""
    (profile,) = (each for each in list_profiles() if each.name == mirror.access.profile)
    before = profile.file.read_text()
    token = str(mirror.access.workspace.config.token)
    profile.file.write_text(before.replace(token, "dapi-that-expired"))
    yield
    profile.file.write_text(before)


def started(folder: Path) -> list[str]:
    """Which containers the lab and its tunnel are, and since when."""
    names = (container(folder, "lab"), container(folder, "tunnel"))
    return docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", *names).splitlines()


def kernels(folder: Path) -> list[str]:
    with session_of(folder) as session:
        return [each["id"] for each in session.get(f"{address_of(folder)}/api/kernels", timeout=30).json()]


def test_nothing_new_replaces_no_container(stack: Path, kernel: str) -> None:
    before = started(stack)
    user_runs(stack, "lab", "up", "demo")
    assert started(stack) == before
    assert kernel in kernels(stack)


@pytest.mark.usefixtures("expired_login")
def test_an_expired_login_leaves_containers_kernels_tunnel_and_token_as_they_are(
    stack: Path, kernel: str, mirror: Mirror
) -> None:
    before, token = started(stack), lab_paths(stack).workspace_token.read_bytes()
    user_runs(stack, "lab", "up", "demo")
    assert started(stack) == before
    assert kernel in kernels(stack)
    assert tunnel_state(mirror) == "connected"
    assert lab_paths(stack).workspace_token.read_bytes() == token != b""


def test_a_port_that_another_program_takes_during_the_build_is_passed_over(
    stack: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(read_environment(lab_paths(stack))["DBMIRROR_LAB_PORT"])
    lab_stack.down(mirror.lab)
    with ExitStack() as other:

        def build(lab: Lab, files: LabFiles, supplies: Supplies) -> None:
            BUILD(lab, files, supplies)
            other.enter_context(socket.create_server(("127.0.0.1", port)))

        monkeypatch.setattr(lab_stack, "build_images", build)
        status = stages.start_lab(mirror, mirror.lock())
        assert status.running
        assert status.url != f"http://127.0.0.1:{port}/lab"
    assert settles(lambda: health(stack, "tunnel") == "healthy", 60), compose.last_logs(project_of(stack), "tunnel")
