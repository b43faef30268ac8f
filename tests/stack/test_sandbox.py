"""The whole sandbox on the real engine: its driver over SSH, its workspace through the real SDK."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path

import docker
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.compute import State
from testcontainers.core.container import DockerContainer

import dbmirror.runtimes
from dbmirror.files import sha256_hex
from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.hosts.ssh import SshHost, connect
from dbmirror.hosts.ssh_config import SshTarget
from dbmirror.inventory.collect import collect
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Inventory
from dbmirror.processes import runs
from dbmirror.processes.temporary import clear_left_behind
from dbmirror.progress import Observer
from dbmirror.sandbox.driver.containers import DriverContainers
from dbmirror.sandbox.errors import SandboxNotBuilt, SandboxRefused
from dbmirror.sandbox.lifecycle import down, status, up
from dbmirror.sandbox.network import LABEL, ensure_network, remove_network
from dbmirror.sandbox.registry.detached import read_detached
from dbmirror.sandbox.state import SandboxState, instance
from dbmirror.sandbox.workspace import process

pytestmark = pytest.mark.stack

LISTS = Path(dbmirror.runtimes.__file__).parent / "packages"
CA_BUNDLE = next(
    (
        Path(os.environ[name])
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")
        if os.environ.get(name) and Path(os.environ[name]).is_file()
    ),
    None,
)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's home with profiles and keys of their own, and a state folder of its own for dbmirror."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".ssh").mkdir(mode=0o700)
    (folder / ".ssh" / "config").write_text("Host *\n  ServerAliveInterval 30\n")
    (folder / ".ssh" / "known_hosts").write_text("host.example ssh-ed25519 AAAA\n")
    (folder / ".databrickscfg").write_text("[real]\nhost = https://real.example\ntoken = the-users-own\n")
    # Docker's settings lie in the real home; the plugins and the context are looked for there.
    docker_settings = os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", docker_settings)
        patch.setenv("HOME", str(folder))
        patch.setenv("DBMIRROR_HOME", str(folder / "state"))
        for name in ("DATABRICKS_CONFIG_FILE", "DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE"):
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture(scope="module")
def before(home: Path) -> dict[str, bytes]:
    """The user's own files before anything ran."""
    return tree(home)


@pytest.fixture(scope="module")
def sandbox(before: dict[str, bytes]) -> Iterator[Callable[[], SandboxState]]:
    """A sandbox that is up; the value says how it stands."""

    def stands() -> SandboxState:
        state = status()
        assert state is not None
        return state

    try:
        up(ca_bundle=CA_BUNDLE)
        yield stands
    finally:
        down()


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.DockerClient.from_env()
    yield client
    client.close()


@pytest.fixture
def workspace(sandbox: Callable[[], SandboxState]) -> WorkspaceClient:
    state = sandbox()
    return WorkspaceClient(profile=state.profile, config_file=str(state.profile_file))


def target(state: SandboxState) -> SshTarget:
    assert state.driver_address is not None
    key = state.profile_file.parent / f"id_{state.profile}"
    return SshTarget(host=state.driver_address, identity_files=(key,), host_key_alias=state.cluster_id)


@pytest.fixture
def driver(sandbox: Callable[[], SandboxState], tmp_path: Path) -> Iterator[SshHost]:
    """The driver, over SSH."""
    known_hosts = KnownHosts(tmp_path / "known_hosts")
    with connect(target(sandbox()), known_hosts=known_hosts, confirm=lambda _: True) as host:
        yield host


@pytest.fixture
def inventory(driver: SshHost) -> Inventory:
    return collect(driver)


def ask(driver: SshHost, *argv: str) -> str:
    completed = driver.run(argv)
    assert completed.code == 0, completed.stderr
    return completed.stdout.decode()


def ssh(state: SandboxState, user: str, *options: str) -> subprocess.CompletedProcess[str]:
    common = ["-F", "none", "-p", "2200", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    command = ["ssh", *common, "-o", "BatchMode=yes", *options, f"{user}@{state.driver_address}", "true"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def test_the_sandbox_is_ready_and_says_how_its_base_came_to_be(sandbox: Callable[[], SandboxState]) -> None:
    state = sandbox()
    assert state.ready
    assert state.base_origin in {"pulled from Docker Hub", "made from Debian packages"}
    assert state.missing == ()
    assert state.pins > 60


def test_a_second_up_is_quick_and_changes_nothing(sandbox: Callable[[], SandboxState]) -> None:
    first = sandbox()
    started = time.monotonic()
    assert up(ca_bundle=CA_BUNDLE) == first
    assert time.monotonic() - started < 5


def test_the_users_own_profiles_and_keys_stay_as_they_were(
    sandbox: Callable[[], SandboxState], home: Path, before: dict[str, bytes]
) -> None:
    sandbox()
    now = {path: content for path, content in tree(home).items() if not path.startswith("state/")}
    assert now == before


def test_a_name_that_the_user_has_is_refused_and_nothing_is_made(
    sandbox: Callable[[], SandboxState],
) -> None:
    first = sandbox()
    with pytest.raises(SandboxRefused):
        up(name="real", ca_bundle=CA_BUNDLE)
    assert sandbox() == first


def test_only_the_users_key_opens_the_driver(sandbox: Callable[[], SandboxState]) -> None:
    state = sandbox()
    key = str(state.profile_file.parent / "id_demo")
    assert ssh(state, "ubuntu", "-i", key, "-o", "IdentitiesOnly=yes").returncode == 0
    for user, options in (
        ("root", ["-i", key]),
        ("libraries", ["-i", key]),
        ("ubuntu", ["-o", "PubkeyAuthentication=no"]),
    ):
        refused = ssh(state, user, *options)
        assert refused.returncode == 255
        assert "Permission denied (publickey)" in refused.stderr


def test_the_driver_is_laid_out_as_a_runtimes(driver: SshHost, inventory: Inventory) -> None:
    assert inventory.python.path == "/databricks/python3/bin/python3"
    assert inventory.python.version.startswith("3.11.")
    assert (inventory.runtime_version, inventory.spark_version) == ("15.4", "3.5.0")
    assert ask(driver, "readlink", "/databricks/python").strip() == "/databricks/python3"
    assert "15.4.x-scala2.12" in ask(driver, "cat", "/databricks/common/conf/deploy.conf")
    assert "include-system-site-packages = true" in ask(driver, "cat", "/databricks/python3/pyvenv.cfg")
    assert any(jar.group == "org.apache.avro" for jar in inventory.jars)
    assert any(jar.group is None for jar in inventory.jars)


def test_every_layer_of_python_is_there_and_the_nearest_wins(inventory: Inventory) -> None:
    of_r_alone = {Layer.PLATFORM, Layer.ITSELF, Layer.OTHER}
    assert {distribution.layer for distribution in inventory.distributions} == set(Layer) - of_r_alone
    effective = inventory.effective()
    assert (effective["certifi"].version, effective["certifi"].layer) == ("2024.7.4", Layer.CLUSTER)
    assert (effective["six"].version, effective["six"].layer) == ("1.16.0", Layer.RUNTIME)
    assert effective["humanize"].layer is Layer.NOTEBOOK
    assert effective["simplejson"].layer is Layer.CLUSTER


def test_apt_owns_what_apt_installed(inventory: Inventory) -> None:
    owners = {each.name: each.apt_package for each in inventory.distributions if each.layer is Layer.APT}
    assert owners["dbus-python"] == "python3-dbus"
    assert owners["unattended-upgrades"] == "unattended-upgrades"
    assert {"python-apt", "distro-info", "pygobject"} <= set(owners)


def test_there_is_one_distribution_of_every_kind_that_no_index_has(inventory: Inventory) -> None:
    effective = inventory.effective()
    forecast, calendar = effective["dbmirror-sandbox-forecast"], effective["dbmirror-sandbox-calendar"]
    metrics, numbers = effective["dbmirror-sandbox-metrics"], effective["dbmirror-sandbox-numbers"]
    assert forecast.capturable
    assert forecast.direct_url is not None
    assert forecast.direct_url.url.startswith("file:///Volumes/")
    assert calendar.direct_url is not None
    assert calendar.direct_url.url.startswith("http://")
    assert calendar.direct_url.sha256 is not None
    assert metrics.direct_url is not None
    assert (metrics.direct_url.vcs, len(metrics.direct_url.commit or "")) == ("git", 40)
    assert numbers.version == "2.0.1+local.7"
    assert numbers.direct_url is None
    assert numbers.capturable


def test_the_private_package_has_its_data_and_its_command(driver: SshHost) -> None:
    command = "/local_disk0/.ephemeral_nfs/cluster_libraries/python/bin/sandbox-forecast"
    assert ask(driver, command).splitlines()[-1].startswith("sunny")


def test_two_broken_distributions_are_problems_and_no_more(inventory: Inventory) -> None:
    assert {problem.name for problem in inventory.problems} == {"half-removed", "unreadable-notes"}


def test_no_secret_of_the_driver_is_collected(driver: SshHost, inventory: Inventory) -> None:
    assert "sandbox-canary-databricks-token" in ask(driver, "env")
    assert "DATABRICKS_TOKEN" in inventory.environment_variables
    assert "canary" not in repr(inventory)


def test_the_notebook_packages_of_the_runtime_import(driver: SshHost) -> None:
    modules = (
        "IPython ipykernel traitlets six numpy pandas pyarrow matplotlib jedi grpc grpc_status google.protobuf "
        "google.rpc databricks.sdk pyccolo ipywidgets black mlflow psutil lazr.uri"
    )
    program = f"import {', '.join(modules.split())}; print('all of them')"
    said = driver.run(["/databricks/python3/bin/python", "-W", "ignore", "-c", program], timeout=120)
    assert said.stdout.decode().splitlines()[-1:] == ["all of them"], said.stderr


def test_containers_and_builds_reach_the_files_of_direct_urls(
    sandbox: Callable[[], SandboxState], engine: docker.DockerClient, inventory: Inventory
) -> None:
    direct = inventory.effective()["dbmirror-sandbox-calendar"].direct_url
    assert direct is not None
    program = (
        "import hashlib, sys, urllib.request; "
        "print(hashlib.sha256(urllib.request.urlopen(sys.argv[1], timeout=10).read()).hexdigest())"
    )
    for network in ("bridge", f"dbmirror-sandbox-{instance()}"):
        said = engine.containers.run(
            sandbox().driver_image, ["python3", "-c", program, direct.url], network=network, remove=True
        )
        assert said.decode().strip() == direct.sha256


def test_a_restart_brings_a_new_address_and_a_new_host_key(
    sandbox: Callable[[], SandboxState], workspace: WorkspaceClient, tmp_path: Path
) -> None:
    before = sandbox()
    with connect(target(before), known_hosts=KnownHosts(tmp_path / "a"), confirm=lambda _: True):
        pass
    workspace.clusters.restart(before.cluster_id).result()
    after = sandbox()
    assert after.driver_address != before.driver_address
    with connect(target(after), known_hosts=KnownHosts(tmp_path / "b"), confirm=lambda _: True) as host:
        assert ask(host, "hostname").strip() == before.cluster_id
    assert (tmp_path / "a").read_text().split()[2] != (tmp_path / "b").read_text().split()[2]


def test_a_terminated_cluster_has_no_container_until_it_is_started_again(
    sandbox: Callable[[], SandboxState], workspace: WorkspaceClient, engine: docker.DockerClient
) -> None:
    cluster_id = sandbox().cluster_id
    assert workspace.clusters.delete(cluster_id).result().state is State.TERMINATED
    assert sandbox().driver_container is None
    assert not [each for each in engine.containers.list(all=True) if cluster_id in str(each.name)]
    assert not sandbox().ready
    assert up(ca_bundle=CA_BUNDLE).ready


def test_a_workspace_that_was_killed_is_brought_back_by_up(sandbox: Callable[[], SandboxState]) -> None:
    folder = sandbox().profile_file.parent
    os.kill(int((folder / "workspace.pid").read_text()), 9)
    os.waitpid(int((folder / "workspace.pid").read_text()), 0)
    assert not sandbox().workspace_answers
    state = up(ca_bundle=CA_BUNDLE)
    assert state.ready
    assert ssh(state, "ubuntu", "-i", str(folder / "id_demo"), "-o", "IdentitiesOnly=yes").returncode == 0


def test_a_cluster_that_is_replaced_for_another_driver_is_announced(
    sandbox: Callable[[], SandboxState], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`up --r` beside a sandbox that has no R; its image is not made here."""
    before = sandbox()
    warned: list[str] = []

    class Recorder(Observer):
        def warn(self, text: str) -> None:
            warned.append(text)

    def no_image(*_: object, **__: object) -> None:
        raise SandboxNotBuilt("not in this test")

    with monkeypatch.context() as patched:
        patched.setattr("dbmirror.sandbox.lifecycle.ensure_driver_image", no_image)
        with pytest.raises(SandboxNotBuilt):
            up(r=True, observer=Recorder())
    assert warned == [
        f"The sandbox's cluster {before.cluster_id} ends: another one with R, with an id of its own, takes its place."
    ]
    assert up(ca_bundle=CA_BUNDLE).cluster_id == before.cluster_id


def test_a_list_of_ones_own_names_every_pin_that_cannot_be_had(
    sandbox: Callable[[], SandboxState], tmp_path: Path
) -> None:
    path = tmp_path / "list.txt"
    path.write_text("six==1.16.0\nunattended-upgrades==0.1\ndbmirror-sandbox-missing==9.9.9\ndocopt==0.6.2\n")
    first = sandbox()
    state = up(packages=path, ca_bundle=CA_BUNDLE)
    assert state.pins == 4
    assert [pin for pin, _ in state.missing] == ["dbmirror-sandbox-missing==9.9.9"]
    assert "the index has no such version" in state.missing[0][1]
    assert state.cluster_id != first.cluster_id, "another driver is another cluster"


def test_all_pins_of_a_real_runtime_can_be_had(sandbox: Callable[[], SandboxState]) -> None:
    path = LISTS / "15.4.txt"
    state = up(packages=path, ca_bundle=CA_BUNDLE)
    assert (state.pins, state.missing) == (134, ())


def test_what_has_a_name_of_the_sandbox_and_is_not_its_own_stays(
    sandbox: Callable[[], SandboxState], engine: docker.DockerClient
) -> None:
    other = f"{instance()}-other"
    drivers = DriverContainers(engine, instance=other, network="none", subnet=IPv4Network("10.0.0.0/24"))
    container = engine.containers.create(sandbox().base_image, "true", name=drivers.container_name("1-2-3"))
    network = engine.networks.create(f"dbmirror-sandbox-{other}", labels={LABEL: "somebody"})
    try:
        with pytest.raises(SandboxNotBuilt, match="did not make it"):
            drivers.stop("1-2-3")
        with pytest.raises(SandboxNotBuilt, match="did not make it"):
            ensure_network(engine, other)
        remove_network(engine, other)
        assert engine.containers.get(str(container.id))
        assert engine.networks.get(str(network.id))
    finally:
        container.remove()
        network.remove()


def test_down_stops_before_anything_where_a_lab_is_still_on_the_network(
    sandbox: Callable[[], SandboxState],
) -> None:
    state = sandbox()
    name = f"{state.driver_container}-lab"
    labels = {"com.docker.compose.project.working_dir": "/home/me/my project/mirrors/demo"}
    lab = DockerContainer(state.base_image).with_command(["sleep", "300"]).with_name(name)
    lab.with_kwargs(network=f"dbmirror-sandbox-{instance()}", labels=labels)
    with lab, pytest.raises(SandboxRefused, match=f"in use by {name}") as caught:
        down()
    assert caught.value.remedy == "First: (cd '/home/me/my project' && dbmirror lab down demo)"
    assert sandbox().ready


@pytest.mark.usefixtures("sandbox")
def test_down_leaves_nothing_but_the_images(engine: docker.DockerClient, home: Path) -> None:
    state = up(registry=True, ca_bundle=CA_BUNDLE)
    pid = int((state.profile_file.parent / "workspace.pid").read_text())
    registry = read_detached(state.profile_file.parent / "registry")
    assert registry is not None
    assert state.registry == registry.host
    label = f"{LABEL}={instance()}"
    down()
    down()
    assert status() is None
    assert not engine.containers.list(all=True, filters={"label": label})
    assert not engine.networks.list(filters={"label": label})
    assert not Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{registry.pid}").exists()
    # The run is this process, which still goes on; the home's name tells the marks of its runs from others'. The next
    # run forgets the one of the registry, which has ended.
    clear_left_behind()
    assert engine.images.get(state.driver_image)
    base = engine.images.get(state.base_image)
    # That this machine made the base is known as long as the base is there.
    known = {"records", "records/sandbox-base", f"records/sandbox-base/{sha256_hex(str(base.id).encode())}"}
    ours = {"runs", "runs/home", f"runs/{runs.mark().partition('-')[2]}"}
    assert {str(path.relative_to(home / "state")) for path in (home / "state").rglob("*")} == ours | known
    again = up(ca_bundle=CA_BUNDLE)
    assert again.cluster_id == state.cluster_id, "a mirror of the sandbox before goes on with the one after"
    assert (
        ssh(again, "ubuntu", "-i", str(again.profile_file.parent / "id_demo"), "-o", "IdentitiesOnly=yes").returncode
        == 0
    )
    down()


def test_a_first_up_that_is_killed_is_taken_up_by_the_next_and_by_down(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "DBMIRROR_HOME": str(tmp_path / "state")}
    environment["DOCKER_CONFIG"] = os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    command = [str(Path(sys.executable).with_name("dbmirror")), "sandbox"]

    def killed() -> None:
        with subprocess.Popen([*command, "up"], env=environment, stderr=subprocess.DEVNULL) as first:
            until = time.monotonic() + 60
            while not (tmp_path / "state" / "sandbox" / "workspace.pid").exists():
                assert first.poll() is None
                assert time.monotonic() < until
                time.sleep(0.02)
            first.kill()

    try:
        killed()
        subprocess.run([*command, "up"], env=environment, check=True, timeout=300)
        shown = subprocess.run([*command, "status"], env=environment, check=True, capture_output=True, text=True)
        assert "RUNNING" in shown.stdout
        subprocess.run([*command, "down"], env=environment, check=True, timeout=60)
        killed()
    finally:
        subprocess.run([*command, "down"], env=environment, check=True, timeout=60)
    assert not (tmp_path / "state" / "sandbox").exists()
    with_its_folder = subprocess.run(
        ["pgrep", "-f", str(tmp_path / "state")], capture_output=True, text=True, check=False
    )
    assert with_its_folder.stdout == ""


def test_a_sandbox_whose_folder_goes_ends_by_itself(
    sandbox: Callable[[], SandboxState], engine: docker.DockerClient, home: Path
) -> None:
    up(ca_bundle=CA_BUNDLE)
    label = f"{LABEL}={instance()}"
    assert engine.containers.list(filters={"label": label})
    shutil.rmtree(home / "state" / "sandbox")
    deadline = time.monotonic() + 30
    while engine.containers.list(all=True, filters={"label": label}):
        assert time.monotonic() < deadline, "the drivers outlive the sandbox"
        time.sleep(0.2)


def test_a_forgotten_workspace_ends_after_its_lifetime(engine: docker.DockerClient, tmp_path: Path) -> None:
    port = process.free_port(["127.0.0.1"])
    settings = process.Settings(
        instance="f0f0f0f0",
        token="dapi",
        public_key="ssh-ed25519 AAAA",
        cluster_id="1-2-3",
        addresses=("127.0.0.1",),
        port=port,
        files_url=f"http://127.0.0.1:{port}",
        lifetime=2.0,
    )
    try:
        process.start(tmp_path, settings)
        pid = int((tmp_path / "workspace.pid").read_text())
        assert process.answers(port, "dapi")
        os.waitpid(pid, 0)
        assert not process.answers(port, "dapi")
    finally:
        remove_network(engine, "f0f0f0f0")
