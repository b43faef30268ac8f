"""Containers as hosts, and the inventory of one: nothing of it changes, and every layer is found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container
from testcontainers.core.container import DockerContainer

from dbmirror.engine.buildx import build
from dbmirror.errors import DockerError
from dbmirror.files import canonical_json
from dbmirror.hosts.container import ContainerHost
from dbmirror.hosts.container_errors import ContainerHostError, ContainerStopped, NoEngine, NoSuchImage
from dbmirror.hosts.inspections import left_behind
from dbmirror.hosts.interface import HostError
from dbmirror.inventory.collect import collect
from dbmirror.inventory.errors import NoPythonFound
from dbmirror.inventory.layers import Layer
from dbmirror.sandbox.base import ensure_base
from tests.stack.bases import WITH_PYTHON

pytestmark = pytest.mark.stack

PYTHON_IMAGE = "dbmirror-test/python:bookworm"
LABEL = "dbmirror.role=inspection"

DRIVER = r"""
set -e
python3 -m venv --without-pip --system-site-packages /databricks/python3
python3 -m venv --without-pip --system-site-packages /local_disk0/.ephemeral_nfs/cluster_libraries/python
python3 -m venv --without-pip --system-site-packages /local_disk0/.ephemeral_nfs/envs/pythonEnv-6f1d
install_into() {
  mkdir -p "$1/$2-$3.dist-info"
  printf 'Name: %s\nVersion: %s\n' "$2" "$3" >"$1/$2-$3.dist-info/METADATA"
}
site=lib/python3.11/site-packages
install_into /databricks/python3/$site pandas 1.5.3
install_into /databricks/python3/$site numpy 1.23.5
install_into /local_disk0/.ephemeral_nfs/cluster_libraries/python/$site pandas 2.0.0
install_into /local_disk0/.ephemeral_nfs/envs/pythonEnv-6f1d/$site pandas 2.1.0
install_into /usr/local/lib/python3.11/dist-packages virtualenv 20.24.2
install_into /databricks/.python_edge_libs edge_tool 1
mkdir -p /databricks/jars /databricks/spark /databricks/common/conf /usr/lib/R/library/base
echo 15.4 >/databricks/DBR_VERSION
echo 3.5.0 >/databricks/spark/VERSION
echo 'spark_version = 15.4.x-scala2.12' >/databricks/common/conf/deploy.conf
touch '/databricks/jars/----ws_3_5--mvn--hadoop3--org.slf4j--slf4j-api--org.slf4j__slf4j-api__2.0.7.jar'
printf 'Package: base\nVersion: 4.3.2\nPriority: base\n' >/usr/lib/R/library/base/DESCRIPTION
"""
"""A driver's folders, with next to nothing in them."""

LISTING = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /dev \) -prune -o \
  -printf '%p %y %m %U %G %s %T@ %C@ %l\n' | sort | sha256sum
find / -xdev \( -path /proc -o -path /sys -o -path /dev \) -prune -o -type f -print0 |
  sort -z | xargs -0 sha256sum | sha256sum
"""
"""Every path with its mode, owner, size, times and content."""


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Debian with its Python, one apt-owned distribution, and no more."""
    folder = tmp_path_factory.mktemp("python")
    variables = "ENV CANARY_TOKEN=canary-value LANG=C.UTF-8"
    (folder / "Dockerfile").write_text(f"FROM {ensure_base().name}\n{WITH_PYTHON}\n{variables}\n")
    build(folder, tags=[PYTHON_IMAGE], labels={}, secrets={})
    return PYTHON_IMAGE


@pytest.fixture
def host(image: str) -> Iterator[ContainerHost]:
    with ContainerHost(image) as host:
        yield host


@pytest.fixture
def container(image: str) -> Iterator[Container]:
    """A running container that is not dbmirror's own."""
    with DockerContainer(image).with_command(["sleep", "600"]) as started:
        yield started.get_wrapped_container()


def inspections(engine: docker.DockerClient) -> set[str]:
    filters = {"label": LABEL, "ancestor": PYTHON_IMAGE}
    return {str(found.id) for found in engine.containers.list(all=True, filters=filters)}


def changes(container: Container) -> set[tuple[str, int]]:
    """What `docker diff` says of the container; the engine gives it in no order."""
    return {(change["Path"], change["Kind"]) for change in container.diff() or ()}


def test_a_command_gets_its_stdin_and_gives_back_both_outputs_and_its_code(host: ContainerHost) -> None:
    done = host.run(["sh", "-c", "cat; echo problem >&2; exit 3"], stdin=b"\x00\xffbytes")

    assert (done.code, done.stdout, done.stderr) == (3, b"\x00\xffbytes", b"problem\n")


def test_no_shell_reads_the_arguments(host: ContainerHost) -> None:
    assert host.run(["printf", "%s", "$(id); *"]).stdout == b"$(id); *"


def test_large_data_flows_both_ways_at_once(host: ContainerHost) -> None:
    data = os.urandom(20_000_000)

    assert host.run(["cat"], stdin=data).stdout == data


def test_outputs_that_alternate_are_taken_apart(host: ContainerHost) -> None:
    script = "i=0; while [ $i -lt 500 ]; do echo out; echo err >&2; i=$((i+1)); done"
    done = host.run(["sh", "-c", script])

    assert (done.stdout, done.stderr) == (b"out\n" * 500, b"err\n" * 500)


def test_a_command_that_reads_only_part_of_its_stdin_still_ends(host: ContainerHost) -> None:
    assert host.run(["head", "-c", "3"], stdin=b"abc" * 5_000_000).stdout == b"abc"


def test_a_missing_program_is_named(host: ContainerHost) -> None:
    with pytest.raises(ContainerHostError, match="'no-such-program' cannot be run"):
        host.run(["no-such-program"])


def test_at_the_deadline_all_processes_of_the_command_end(host: ContainerHost) -> None:
    with pytest.raises(ContainerHostError, match="did not end within 1 seconds"):
        host.run(["sh", "-c", "trap '' TERM; sleep 301 & sleep 302; sleep 303"], timeout=1)

    assert b"sleep\x0030" not in host.run(["sh", "-c", "cat /proc/[0-9]*/cmdline"]).stdout


def test_fetch_follows_links_and_knows_its_limit(host: ContainerHost) -> None:
    assert host.fetch("/etc/os-release").startswith(b"PRETTY_NAME")
    assert host.fetch("/usr/bin/python3")[:4] == b"\x7fELF"
    with pytest.raises(ContainerHostError, match="larger than 10 bytes"):
        host.fetch("/etc/os-release", limit=10)


@pytest.mark.parametrize(
    ("path", "message"),
    [("/no/file", "There is no file"), ("/etc", "regular"), ("/dev/null", "regular"), ("etc", "absolute")],
)
def test_fetch_says_what_is_wrong_with_a_path(host: ContainerHost, path: str, message: str) -> None:
    with pytest.raises(ContainerHostError, match=message):
        host.fetch(path)


def test_an_inspection_container_is_labelled_has_no_network_and_goes(engine: docker.DockerClient, image: str) -> None:
    before = inspections(engine)
    with ContainerHost(image) as host:
        (made,) = inspections(engine) - before
        assert engine.containers.get(made).attrs["HostConfig"]["NetworkMode"] == "none"
        assert host.run(["true"]).code == 0

    assert made not in inspections(engine)
    with pytest.raises(docker.errors.NotFound):
        engine.containers.get(made)


def test_an_inspection_container_goes_on_ctrl_c(engine: docker.DockerClient, image: str) -> None:
    before = inspections(engine)
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))

    def sleep_in_container() -> None:
        with ContainerHost(image) as host:
            timer.start()
            host.run(["sleep", "300"])

    with pytest.raises(KeyboardInterrupt):
        sleep_in_container()
    until = time.monotonic() + 10
    while inspections(engine) - before and time.monotonic() < until:
        time.sleep(0.1)
    assert inspections(engine) <= before


def test_the_container_of_a_killed_run_goes_with_the_next_run_of_its_home(
    engine: docker.DockerClient, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path))
    before = inspections(engine)
    # One that was made and not started yet does not end by itself.
    program = (
        "import sys, docker\n"
        "from dbmirror.hosts.inspections import inspection_labels\n"
        "labels = inspection_labels()\n"
        f"docker.from_env().containers.create({image!r}, labels=labels)\n"
        "print('made', flush=True); sys.stdin.read()\n"
    )
    run = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "made\n"
    (made,) = inspections(engine) - before
    assert left_behind(engine) == (), "the run that made it goes on"
    run.kill()
    run.communicate()
    assert left_behind(engine) == (engine.containers.get(made).name,)
    with ContainerHost(image) as host:
        assert host.run(["true"]).code == 0
        assert made not in inspections(engine)


def test_an_attached_container_stays(engine: docker.DockerClient, container: Container) -> None:
    with ContainerHost.attach(container) as host:
        assert host.run(["echo", "hello"]).stdout == b"hello\n"
    with ContainerHost.attach(str(container.name), user="nobody") as host:
        assert host.run(["id", "-un"]).stdout == b"nobody\n"

    container.reload()
    assert container.status == "running"


def test_a_stopped_container_and_one_that_is_not_there_are_told_apart(container: Container) -> None:
    host = ContainerHost.attach(container)
    container.kill()
    container.wait()
    with pytest.raises(ContainerStopped, match="does not run"):
        host.run(["true"])
    with pytest.raises(ContainerStopped, match="is exited, not running"):
        ContainerHost.attach(container)
    with pytest.raises(ContainerStopped, match="No such container"):
        ContainerHost.attach("dbmirror-no-such-container")


def test_a_container_that_dies_under_a_command_ends_it(container: Container) -> None:
    host = ContainerHost.attach(container)
    timer = threading.Timer(1.0, container.kill)
    timer.start()

    try:
        done = host.run(["sleep", "300"], timeout=60)
    except ContainerHostError:
        pass
    else:
        assert done.code != 0
    timer.join()


def test_errors_are_in_dockers_terms_and_end_with_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoSuchImage, match="no image dbmirror/no-such-image:1") as missing:
        ContainerHost("dbmirror/no-such-image:1").start()
    assert isinstance(missing.value, DockerError)
    assert isinstance(missing.value, HostError)
    assert missing.value.exit_code == 4

    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/socket")
    with pytest.raises(NoEngine):
        ContainerHost("dbmirror/no-such-image:1").start()


def test_the_file_system_is_the_same_before_and_after(container: Container) -> None:
    with ContainerHost.attach(container) as host:
        assert host.run(["sh", "-c", DRIVER]).code == 0
        changed = changes(container)
        before = host.run(["sh", "-c", LISTING], timeout=120)
        assert (before.code, before.stderr, before.stdout.count(b"\n")) == (0, b"", 2)

        assert collect(host).distributions

        assert host.run(["sh", "-c", LISTING], timeout=120).stdout == before.stdout
    assert changes(container) == changed


def test_nothing_is_written_as_root_into_an_image(container: Container) -> None:
    with ContainerHost.attach(container) as host:
        collect(host)

    assert changes(container) == set()


def test_every_layer_of_a_driver_is_found(container: Container) -> None:
    host = ContainerHost.attach(container)
    assert host.run(["sh", "-c", DRIVER]).stderr == b""

    inventory = collect(host)
    assert [(d.name, d.version, d.layer) for d in inventory.distributions if d.layer is not Layer.APT] == [
        ("edge-tool", "1", Layer.EDGE),
        ("numpy", "1.23.5", Layer.RUNTIME),
        ("pandas", "2.1.0", Layer.NOTEBOOK),
        ("pandas", "2.0.0", Layer.CLUSTER),
        ("pandas", "1.5.3", Layer.RUNTIME),
        ("virtualenv", "20.24.2", Layer.LOCAL),
    ]
    six = inventory.effective()["six"]
    assert (six.layer, six.apt_package, six.location) == (Layer.APT, "python3-six", "/usr/lib/python3/dist-packages")
    assert inventory.python.path == "/databricks/python3/bin/python3"
    assert inventory.problems == ()
    facts = (inventory.os_id, inventory.os_version, inventory.runtime_version, inventory.spark_version)
    assert facts == ("debian", "12", "15.4", "3.5.0")
    assert (inventory.scala_version, inventory.r_version) == ("2.12", "4.3.2")
    assert [jar.artifact for jar in inventory.jars] == ["slf4j-api"]
    assert {"libc6", "python3-six"} <= {package.name for package in inventory.debian_packages}


def test_a_plain_image_has_the_packages_of_its_system(host: ContainerHost) -> None:
    inventory = collect(host)

    assert inventory.python.path == "/usr/bin/python3"
    assert {d.layer for d in inventory.distributions} == {Layer.APT}
    assert (inventory.glibc, inventory.r_version, inventory.java_version, inventory.jars) == ("2.36", None, None, ())


def test_two_collections_are_equal_to_the_byte(host: ContainerHost) -> None:
    assert canonical_json(collect(host)) == canonical_json(collect(host))


def test_no_value_of_the_images_environment_comes_along(host: ContainerHost) -> None:
    inventory = collect(host)

    assert "CANARY_TOKEN" in inventory.environment_variables
    assert "DBMIRROR_EXEC" not in inventory.environment_variables
    assert ("LANG", "C.UTF-8") in inventory.environment_values
    assert "canary-value" not in json.dumps(canonical_json(inventory).decode())


def test_a_user_who_may_read_little_gets_what_can_be_read(container: Container) -> None:
    root = ContainerHost.attach(container)
    assert root.run(["sh", "-c", DRIVER]).code == 0
    closed = "/local_disk0/.ephemeral_nfs/cluster_libraries/python/lib/python3.11/site-packages"
    root.run(["chmod", "700", closed])
    inventory = collect(ContainerHost.attach(container, user="nobody"))

    assert inventory.effective()["numpy"].version == "1.23.5"
    (problem,) = inventory.problems
    assert (problem.path, problem.layer) == (closed, Layer.CLUSTER)


def test_an_image_without_python_is_said_to_have_none() -> None:
    with ContainerHost(ensure_base().name) as host, pytest.raises(NoPythonFound, match=r"was not found on a container"):
        collect(host)
