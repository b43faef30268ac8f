"""The lab's stack: plain `docker compose up`, who may come in, what it shows of its secrets, how it goes and comes."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import requests

from dbmirror.engine import compose
from dbmirror.hosts.container import ContainerHost
from dbmirror.inventory.collect import collect
from dbmirror.lab import stack as lab_stack
from dbmirror.lab import status as lab_status
from dbmirror.lab.paths import lab_paths
from dbmirror.lab.tokens import read_workspace_token
from dbmirror.lab.variables import read_environment
from dbmirror.pipeline.mirror import Mirror
from tests.stack.conftest import tree
from tests.stack.lab.stack import (
    container,
    docker,
    driver_container,
    health,
    in_lab,
    is_in_layers,
    logs,
    project_of,
    settles,
    shown,
    user_runs,
)

pytestmark = pytest.mark.stack


def secrets_of(folder: Path) -> list[str]:
    """The key's body, the lab's token and the workspace's."""
    where = lab_paths(folder)
    key = Path(read_environment(where)["DBMIRROR_SSH_KEY"]).read_text()
    return [key.splitlines()[2], where.token.read_text().strip(), where.workspace_token.read_text().strip()]


def test_the_stack_comes_up_with_plain_docker_compose(stack: Path, mirror: Mirror) -> None:
    status = lab_status.status(mirror.lab)
    assert status.running
    assert status.tunnel is not None
    assert status.tunnel["state"] == "connected"
    assert status.tunnel["cluster_state"] == "RUNNING"
    assert status.kernels == ()
    assert {service.name: service.health for service in status.services} == {"lab": "healthy", "tunnel": "healthy"}


def test_the_server_asks_for_the_token_and_refuses_other_host_names(stack: Path, mirror: Mirror) -> None:
    with requests.Session() as session:
        session.trust_env = False
        address = str(lab_status.status(mirror.lab).url).removesuffix("/lab")
        assert session.get(f"{address}/api/kernels", timeout=10).status_code == 403
        token = lab_paths(stack).token.read_text().strip()
        authorised = {"Authorization": f"token {token}"}
        assert session.get(f"{address}/api/kernels", headers=authorised, timeout=10).json() == []
        rebound = {**authorised, "Host": "evil.example"}
        assert session.get(f"{address}/api/kernels", headers=rebound, timeout=10).status_code == 403


def test_the_lab_offers_the_mirrors_kernel_and_not_its_own(stack: Path) -> None:
    offered = json.loads(in_lab(stack, "/opt/lab/bin/jupyter", "kernelspec", "list", "--json"))["kernelspecs"]
    assert offered["mirror-python"]["spec"]["display_name"] == "Python (mirror of demo)"
    assert offered["driver"]["spec"]["display_name"] == "Driver of demo (SSH)"
    assert "mirror-r" not in offered


def test_nothing_listens_beyond_this_machine(stack: Path) -> None:
    ports = {
        value
        for name, value in read_environment(lab_paths(stack)).items()
        if "PORT" in name and name != "DBMIRROR_DRIVER_PORT"
    }
    listening = [line.split()[3] for line in subprocess.check_output(["ss", "-ltnH"], text=True).splitlines()]
    ours = [address for address in listening if address.rpartition(":")[2] in ports]
    assert len(ours) == len(ports) == 2
    assert {address.rpartition(":")[0] for address in ours} == {"127.0.0.1"}


def test_the_lab_runs_as_a_user_without_root(stack: Path) -> None:
    assert in_lab(stack, "id", "--user", "--name").strip() == "lab"
    said = in_lab(stack, "sh", "-c", "cat /proc/[0-9]*/status")
    users = {line.split()[1] for line in said.splitlines() if line.startswith("Uid:")}
    assert users == {read_environment(lab_paths(stack))["DBMIRROR_LAB_UID"]}
    assert {line.split()[1] for line in said.splitlines() if line.startswith("NoNewPrivs:")} == {"1"}


def test_no_secret_is_in_inspect_history_logs_processes_or_the_committed_files(stack: Path) -> None:
    seen = shown(stack, driver_container())
    for secret in secrets_of(stack):
        assert not any(secret in text for text in seen)


def test_no_secret_is_in_the_layers(stack: Path) -> None:
    assert not is_in_layers(stack, secrets_of(stack))


def test_the_mirrored_environment_is_the_mirrors(stack: Path, mirror: Mirror) -> None:
    with ContainerHost(mirror.built().image_id) as image:
        expected = collect(image)
    with ContainerHost.attach(container(stack, "lab")) as lab:
        found = collect(lab)
    assert found.distributions == expected.distributions
    assert len(found.distributions) > 50
    before = {package.name: package.version for package in expected.debian_packages}
    after = {package.name: package.version for package in found.debian_packages}
    assert {name: after.get(name) for name in before} == before


def test_without_anything_prepared_the_lab_makes_a_token_and_prints_its_url(
    stack: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a fresh clone; only that ports and user are given, so that neither is another program's."""
    file = lab_paths(stack).copy_for_compose
    kept = file.read_text()
    lab_stack.down(mirror.lab)
    given = [line for line in kept.splitlines() if re.match(r"DBMIRROR_(LAB_|)PORT|DBMIRROR_LAB_UID", line)]
    file.write_text("\n".join(given) + "\n")
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", name := f"dbmirror-clone-{os.getpid()}")
    try:
        subprocess.run(["docker", "compose", "up", "--detach"], cwd=stack, check=True, capture_output=True)
        state = ("inspect", "--format", "{{.State.Health.Status}}", f"{name}-lab-1")
        assert settles(lambda: docker(*state).strip() == "healthy", 120)
        address = next(word for word in logs(f"{name}-lab-1").split() if "/lab?token=" in word and "..." not in word)
        with requests.Session() as session:
            session.trust_env = False
            assert session.get(address, timeout=10).status_code == 200
    finally:
        subprocess.run(["docker", "compose", "down", "--volumes"], cwd=stack, check=True, capture_output=True)
        monkeypatch.delenv("COMPOSE_PROJECT_NAME")
        file.write_text(kept)
        subprocess.run(["docker", "compose", "up", "--detach"], cwd=stack, check=True, capture_output=True)
        assert settles(lambda: health(stack, "tunnel") == "healthy", 60)


@pytest.mark.parametrize("service", ["lab", "tunnel"])
def test_a_build_that_was_not_given_its_files_says_which_command_fetches_them(stack: Path, service: str) -> None:
    """As in a fresh clone."""
    argv = ["docker", "compose", "--env-file", os.devnull, "--progress", "plain", "build", service]
    done = subprocess.run(argv, cwd=stack, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "'dbmirror lab up demo' fetches them" in done.stdout + done.stderr


def test_down_keeps_the_notebooks_and_the_lab_s_token_and_removes_the_workspace_s(stack: Path, mirror: Mirror) -> None:
    # An earlier 'lab down' took the workspace's token away, and plain 'docker compose up' does not bring it back.
    user_runs(stack, "lab", "up", "demo")
    before = tree(stack / "notebooks")
    token = lab_status.url(mirror.lab)
    workspace_s = read_workspace_token(lab_paths(stack))
    assert workspace_s
    user_runs(stack, "lab", "down", "demo")
    assert read_workspace_token(lab_paths(stack)) is None
    assert compose.services(project_of(stack)) == ()
    assert tree(stack / "notebooks") == before != {}
    assert token in user_runs(stack, "lab", "up", "demo")
    assert read_workspace_token(lab_paths(stack)) == workspace_s
    assert health(stack, "tunnel") == "healthy"


def test_the_users_own_ssh_folder_stays_as_it_was(stack: Path, home: Path, users_own: dict[str, bytes]) -> None:
    assert tree(home / ".ssh") == users_own
