"""Who is not let near a lab, and what a lab does not touch: other users, other projects, what came with a clone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbmirror.engine.compose_project import NotOwn
from dbmirror.lab import stack as lab_stack
from dbmirror.lab.paths import lab_paths
from dbmirror.lab.variables import read_environment
from dbmirror.pipeline import stages
from dbmirror.pipeline.mirror import Mirror
from tests.stack.lab.stack import container, docker, health, in_lab, project_of, settles, user_runs

pytestmark = pytest.mark.stack

PROJECT = "com.docker.compose.project"
SECRETS = (
    *("environ", "maps", "cwd/", "fd/", "root/", "root/run/secrets/ssh-key", "root/run/secrets/lab-token"),
    *("root/run/dbmirror/private/ssh-key", "root/run/dbmirror/workspace/token", "root/dev/shm/dbmirror-lab-token"),
)
"""What of a process tells or holds the lab's secrets, below /proc/PID."""
LOOK = """
for pid in $1; do for name in $2; do
    case $name in */) look="ls -A" ;; *) look=cat ;; esac
    if $look "/proc/$pid/$name" 2>/dev/null | grep -q .; then echo "$pid $name"; fi
done; done
"""


@dataclass(frozen=True)
class Shop:
    """Another project of this machine, with a container, a network and a volume that has data in it."""

    name: str
    folder: Path

    def compose(self, *arguments: str) -> None:
        argv = ["docker", "compose", "--project-name", self.name, "--file", "compose.yaml", *arguments]
        subprocess.run(argv, cwd=self.folder, check=True, capture_output=True)

    @property
    def state(self) -> list[str]:
        """What would be another after a stop, a replacement or a loss."""
        return [
            docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}} {{.State.Running}}", f"{self.name}-till-1"),
            docker("network", "inspect", "--format", "{{.Id}}", f"{self.name}_default"),
            docker("volume", "inspect", "--format", "{{.CreatedAt}}", f"{self.name}_money"),
            docker("exec", f"{self.name}-till-1", "cat", "/money/sum"),
        ]


@pytest.fixture
def shop(mirror: Mirror, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(name=f"shop-{tmp_path.name.replace('_', '-')[-20:].strip('-')}", folder=tmp_path)
    (tmp_path / "compose.yaml").write_text(
        f"services:\n  till:\n    image: {mirror.built().image_id}\n    volumes: [money:/money]\n"
        "    command: [sh, -c, 'echo 100 > /money/sum; sleep 3600']\n    init: true\nvolumes:\n  money:\n"
    )
    try:
        made.compose("up", "--detach")
        assert settles(lambda: docker("exec", f"{made.name}-till-1", "ls", "/money").strip() == "sum", 10)
        yield made
    finally:
        made.compose("down", "--volumes", "--timeout", "1")


def readable(folder: Path, image: str, user: int) -> list[str]:
    """What of the lab's processes another process of this machine reads as `user`."""
    names = [container(folder, service) for service in ("lab", "tunnel")]
    pids = [line for name in names for line in docker("top", name, "-eo", "pid").split()[1:]]
    assert len(pids) > 3
    options = ("--rm", "--pid=host", "--network=none", "--cap-drop=ALL", "--security-opt=apparmor=unconfined")
    argv = ("run", *options, "--user", f"{user}:{user}", "--entrypoint", "sh", image)
    return docker(*argv, "-c", LOOK, "sh", " ".join(pids), " ".join(SECRETS)).splitlines()


@pytest.mark.parametrize("user", [1000, 65534])
def test_another_user_of_the_machine_reads_nothing_of_the_labs_processes(
    stack: Path, mirror: Mirror, user: int
) -> None:
    image = mirror.built().image_id
    own = int(read_environment(lab_paths(stack))["DBMIRROR_LAB_UID"])
    seen = readable(stack, image, own)
    assert any(line.endswith(" environ") for line in seen)
    assert any(line.endswith("private/ssh-key") for line in seen)
    assert readable(stack, image, user) == []


def test_a_container_writes_to_its_own_places_alone(stack: Path) -> None:
    for service in ("lab", "tunnel"):
        said = docker("inspect", "--format", "{{json .HostConfig}}", container(stack, service))
        for limit in ('"ReadonlyRootfs":true', '"CapDrop":["ALL"]', '"no-new-privileges:true"'):
            assert limit in said
        for unlimited in ('"Memory":0,', '"PidsLimit":0', '"PidsLimit":null', '"PidsLimit":-1'):
            assert unlimited not in said
    for place in ("/home/lab", "/tmp", "/var/tmp", "/dev/shm", "/home/lab/notebooks"):
        in_lab(stack, "sh", "-c", f"touch {place}/mine && rm {place}/mine")
    for place in ("/usr/local", "/opt/lab", "/databricks", "/run"):
        with pytest.raises(AssertionError, match=r"(Read-only|Permission denied)"):
            in_lab(stack, "touch", f"{place}/mine")


def test_nothing_of_the_shell_or_the_folder_says_whose_containers_are_touched(
    stack: Path, mirror: Mirror, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, own = shop.state, container(stack, "lab")
    evil = f"services:\n  evil:\n    image: {mirror.built().image_id}\n    command: [sleep, '60']\n"
    planted = {
        ".env": f"COMPOSE_PROJECT_NAME={shop.name}\nCOMPOSE_FILE=evil.yaml\nDBMIRROR_WORKSPACE=http://evil.example\n",
        "evil.yaml": evil,
        "compose.override.yaml": evil,
        "docker-compose.yml": evil,
        "docker-compose.override.yml": evil,
    }
    for folder in (stack, stack.parents[1]):
        for name, text in planted.items():
            (folder / name).write_text(text)
    for name, value in {
        "COMPOSE_PROJECT_NAME": shop.name,
        "COMPOSE_FILE": str(stack / "evil.yaml"),
        "COMPOSE_ENV_FILES": str(stack / ".env"),
        "COMPOSE_PROFILES": "evil",
        "DBMIRROR_LAB_UID": "1000",
        "DBMIRROR_WORKSPACE": "http://evil.example",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        for verb in ("status", "up", "down", "up"):
            user_runs(stack, "lab", verb, "demo")
            assert shop.state == before
        assert container(stack, "lab") == own
        environment = docker("inspect", "--format", "{{json .Config.Env}}", own, container(stack, "tunnel"))
        assert "evil.example" not in environment
        labels = docker("ps", "--all", "--format", '{{.Label "com.docker.compose.service"}}').split()
        assert "evil" not in labels
        assert "evil" not in (stack / ".env").read_text()
    finally:
        for folder in (stack, stack.parents[1]):
            for name in planted.keys() - {".env"}:
                (folder / name).unlink()
        (stack.parents[1] / ".env").unlink()
    assert settles(lambda: health(stack, "tunnel") == "healthy", 60)


def test_an_edited_compose_file_removes_no_foreign_volume(stack: Path, mirror: Mirror, shop: Shop) -> None:
    file = stack / "compose.yaml"
    rendered = file.read_text()
    shop.compose("stop", "--timeout", "1")
    shop.compose("rm", "--force")
    try:
        file.write_text(rendered.replace("\nvolumes:\n", f"\nvolumes:\n  theirs:\n    name: {shop.name}_money\n"))
        user_runs(stack, "lab", "down", "demo")
        assert (
            docker("volume", "inspect", "--format", "{{.Name}}", f"{shop.name}_money").strip() == f"{shop.name}_money"
        )
    finally:
        file.write_text(rendered)
        user_runs(stack, "lab", "up", "demo")
        shop.compose("up", "--detach")
    assert settles(lambda: health(stack, "tunnel") == "healthy", 60)


@pytest.mark.parametrize("kind", ["container", "network", "volume"])
def test_what_has_the_labs_name_and_is_not_the_labs_stays_and_is_named(stack: Path, mirror: Mirror, kind: str) -> None:
    project = project_of(stack).name
    name = {"container": "somebody", "network": f"{project}_theirs", "volume": f"{project}_theirs"}[kind]
    options = ["--label", f"{PROJECT}={project}"] if kind == "container" else []
    words = [mirror.built().image_id, "sleep", "600"] if kind == "container" else []
    name = f"{name}-{project}" if kind == "container" else name
    docker(kind, "create", *options, *(["--name", name] if kind == "container" else [name]), *words)
    try:
        for act in (lambda: lab_stack.down(mirror.lab), lambda: stages.start_lab(mirror, mirror.lock())):
            with pytest.raises(NotOwn, match=name):
                act()
        assert docker(kind, "inspect", name)
        assert health(stack, "lab") == "healthy"
    finally:
        docker(kind, "rm", name)
