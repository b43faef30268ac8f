"""What `lab up` prepares for a lab, and what it keeps of the last time where less is known now."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import certifi
import pytest

from dbmirror.config import Config, LabConfig, LoadedConfig, MirrorConfig, SshConfig
from dbmirror.engine import compose
from dbmirror.engine.compose import Service
from dbmirror.folders import known_hosts_file
from dbmirror.hosts.host_key import HostKey
from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.lab.bridge import process
from dbmirror.lab.bridge.files import BridgeFiles, bridge_files, read_record
from dbmirror.lab.bridge.prepare import may_start_cluster
from dbmirror.lab.paths import lab_paths
from dbmirror.lab.preparation import prepare, settle_ports, url_in_containers
from dbmirror.lab.variables import read_environment
from dbmirror.pipeline.mirror import Mirror
from dbmirror.progress import Observer
from dbmirror.snapshot import write_snapshot
from tests import builders
from tests.builders import a_snapshot
from tests.lab_containers.conftest import CLUSTER, make_key
from tests.workspace.conftest import (  # noqa: F401 - fixtures
    TOKEN,
    Workspace,
    a_cluster,
    home,
    no_waiting,
    workspace,
    write_profiles,
)

EXPIRED = (401, {"Content-Type": "application/json"}, b'{"error_code": "401", "message": "token is expired"}')
THROUGH_A_JUMP_HOST = (
    "Host 10.*\n ProxyJump bastion\n User me\n Port 2222\n IdentityFile {key}\n"
    "Host bastion\n HostName bastion.example\n User jumper\n IdentityFile {other}\n"
)


class Recorder(Observer):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@dataclass
class Lab:
    """A mirror of the one cluster of the workspace, whose lab is prepared as often as is asked."""

    root: Path
    home: Path
    workspace: Workspace
    section: MirrorConfig = field(default_factory=lambda: MirrorConfig(lab=LabConfig(forwards=())))

    @property
    def folder(self) -> Path:
        return self.root / "mirrors" / "demo"

    def mirror(self, observer: Observer) -> Mirror:
        loaded = LoadedConfig(config=Config(mirrors={"demo": self.section}), origin=None, root=self.root)
        return Mirror("demo", loaded, observer=observer)

    def prepare(self) -> list[str]:
        """Prepare it as a new `lab up` does; what was warned of."""
        recorder = Recorder()
        with self.mirror(recorder) as mirror:
            prepare(mirror.lab, mirror.lab_supplies())
        return recorder.warnings

    def settle_ports(self) -> None:
        with self.mirror(Recorder()) as mirror:
            settle_ports(mirror.lab)

    @property
    def environment(self) -> dict[str, str]:
        return read_environment(lab_paths(self.folder))

    @property
    def token(self) -> str:
        return lab_paths(self.folder).workspace_token.read_text().strip()

    @property
    def route(self) -> str:
        """The way to the driver as the environment file has it, with the names of the key files."""
        keys = [Path(self.environment[f"DBMIRROR_{key}"]).name for key in ("SSH_KEY", "JUMP_KEY_1")]
        user, port = (self.environment[f"DBMIRROR_DRIVER_{part}"] for part in ("USER", "PORT"))
        return " ".join([self.environment["DBMIRROR_JUMPS"], f"{user}@:{port}", *keys]).strip()

    def terminate(self) -> None:
        del self.workspace.clusters[CLUSTER]["driver"]
        self.workspace.clusters[CLUSTER]["state"] = "TERMINATED"

    def start(self, address: str) -> None:
        self.workspace.clusters[CLUSTER] = a_cluster(CLUSTER, driver={"private_ip": address})


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the stack, which no Docker runs here, be one that is up."""
    stack: list[Service] = []
    monkeypatch.setattr(compose, "services", lambda _: tuple(stack))
    return lambda: stack.append(Service(name="lab", container="demo-lab-1", state="running", health="healthy"))


@pytest.fixture
def lab(
    tmp_path: Path,
    home: Path,  # noqa: F811
    workspace: Workspace,  # noqa: F811
    write_profiles: Callable[[str], Path],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    running: Callable[[], None],
) -> Lab:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)
    made = Lab(root=tmp_path, home=home, workspace=workspace)
    snapshot = a_snapshot(cluster=builders.a_cluster(cluster_id=CLUSTER, cluster_name="analytics"))
    write_snapshot(snapshot, made.folder / "snapshot.json")
    (home / ".ssh").mkdir()
    make_key(home / ".ssh" / "id_demo")
    known = KnownHosts(known_hosts_file())
    for name in (CLUSTER, "bastion.example", "[bastion.example]:22"):
        known.pin(name, HostKey(kind="ssh-ed25519", blob=b"\0\0\0\x0bssh-ed25519"))
    workspace.clusters[CLUSTER] = a_cluster(CLUSTER)
    write_profiles(f"[demo]\nhost = {workspace.host}\ntoken = {TOKEN}\n")
    return made


@pytest.fixture
def behind_a_jump_host(lab: Lab) -> Lab:
    """The same, where only the driver's address says in the ssh config that there is a jump host."""
    key, other = (make_key(lab.home / ".ssh" / name) for name in ("id_driver", "id_bastion"))
    (lab.home / ".ssh" / "config").write_text(THROUGH_A_JUMP_HOST.format(key=key, other=other))
    return lab


def test_the_lab_is_told_of_workspace_driver_and_token(lab: Lab) -> None:
    assert lab.prepare() == []
    port = lab.workspace.host.rpartition(":")[2]
    assert lab.environment["DBMIRROR_WORKSPACE"] == f"http://host.docker.internal:{port}"
    assert lab.environment["DBMIRROR_DRIVER_HOST"] == "10.139.64.4"
    assert lab.route == "ubuntu@:2200 id_demo"
    assert lab.token == TOKEN
    assert TOKEN not in lab_paths(lab.folder).environment_file.read_text()


def test_nothing_changes_when_nothing_is_new(behind_a_jump_host: Lab, running: Callable[[], None]) -> None:
    lab = behind_a_jump_host
    lab.prepare()
    before = lab_paths(lab.folder).environment_file.read_bytes()
    running()
    lab.prepare()
    lab.settle_ports()
    assert {*before.splitlines()} == {*lab_paths(lab.folder).environment_file.read_bytes().splitlines()}


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("failure", ["expired", "unreachable", "unknown"])
@pytest.mark.usefixtures("no_waiting")
def test_a_workspace_that_cannot_be_asked_takes_nothing_from_the_lab(
    behind_a_jump_host: Lab,
    running: Callable[[], None],
    write_profiles: Callable[[str], Path],  # noqa: F811
    failure: str,
    runs: bool,
) -> None:
    lab = behind_a_jump_host
    lab.prepare()
    before, pins = lab.environment, (lab_paths(lab.folder).pins / "known_hosts").read_text()
    if runs:
        running()
    if failure == "expired":
        lab.workspace.fail = EXPIRED
    elif failure == "unreachable":
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        write_profiles(f"[demo]\nhost = http://127.0.0.1:{port}\ntoken = another\n")
    else:
        write_profiles("[other]\nhost = https://other.example\n")
    (warning,) = lab.prepare()
    assert "keeps the login and the way to the driver that it has" in warning
    assert lab.environment == before
    assert before["DBMIRROR_WORKSPACE"]
    assert lab.route == "jumper@bastion.example:22 me@:2222 id_driver id_bastion"
    assert lab.token == TOKEN
    assert (lab_paths(lab.folder).pins / "known_hosts").read_text() == pins
    assert "jump-1" in pins


def test_what_the_user_changed_holds_even_where_the_workspace_cannot_be_asked(behind_a_jump_host: Lab) -> None:
    lab = behind_a_jump_host
    lab.prepare()
    lab.workspace.fail = EXPIRED
    lab.section = MirrorConfig(ssh=SshConfig(user="root"), lab=LabConfig(forwards=()))
    (lab.home / ".ssh" / "config").write_text("")
    lab.prepare()
    assert lab.route == "root@:2200 id_demo"


def test_a_first_start_without_the_workspace_says_what_is_missing(lab: Lab) -> None:
    lab.workspace.fail = EXPIRED
    login, address = lab.prepare()
    assert "will not know of the cluster's restarts, nor reach its Spark: " in login
    assert "The driver's address is not known yet" in address
    assert lab.environment["DBMIRROR_WORKSPACE"] == lab.environment["DBMIRROR_DRIVER_HOST"] == lab.token == ""


def test_a_renewed_login_takes_the_old_ones_place(lab: Lab) -> None:
    lab.prepare()
    lab_paths(lab.folder).workspace_token.write_text("dapi-of-yesterday\n")
    assert lab.prepare() == []
    assert lab.token == TOKEN


@pytest.mark.parametrize("runs", [True, False])
def test_a_terminated_cluster_is_reached_by_the_last_ones_way_when_it_is_back(
    behind_a_jump_host: Lab, running: Callable[[], None], runs: bool
) -> None:
    lab = behind_a_jump_host
    lab.prepare()
    before = lab.environment
    if runs:
        running()
    lab.terminate()
    for _ in range(2):
        assert lab.prepare() == []
        assert lab.environment == before
    assert "jump-1" in (lab_paths(lab.folder).pins / "known_hosts").read_text()


def test_the_way_is_known_of_a_driver_whose_address_a_running_lab_was_never_told(
    behind_a_jump_host: Lab, running: Callable[[], None]
) -> None:
    lab = behind_a_jump_host
    lab.terminate()
    lab.prepare()
    running()
    lab.start("10.139.64.9")
    lab.prepare()
    assert lab.environment["DBMIRROR_DRIVER_HOST"] == ""
    lab.terminate()
    assert lab.prepare() == []
    assert lab.route == "jumper@bastion.example:22 me@:2222 id_driver id_bastion"


def test_a_first_start_with_a_terminated_cluster_says_each_time_what_is_not_known_and_what_to_do(
    behind_a_jump_host: Lab,
) -> None:
    lab = behind_a_jump_host
    lab.terminate()
    for _ in range(2):
        (warning,) = lab.prepare()
        assert "The driver's address is not known yet" in warning
        assert "run 'dbmirror lab up demo' again once the cluster runs" in warning
    assert lab.environment["DBMIRROR_JUMPS"] == ""
    lab.start("10.139.64.9")
    assert lab.prepare() == []
    assert lab.environment["DBMIRROR_JUMPS"] == "jumper@bastion.example:22"


def test_a_host_that_the_configuration_names_needs_no_address_of_the_workspace(behind_a_jump_host: Lab) -> None:
    lab = behind_a_jump_host
    lab.section = MirrorConfig(ssh=SshConfig(host="10.0.0.1"), lab=LabConfig(forwards=()))
    lab.terminate()
    assert lab.prepare() == []
    assert lab.environment["DBMIRROR_DRIVER_FIXED_HOST"] == "10.0.0.1"
    assert lab.environment["DBMIRROR_JUMPS"] == "jumper@bastion.example:22"


@pytest.fixture
def own_bridge(lab: Lab) -> Iterator[BridgeFiles]:
    """The bridge of the lab, which ends with the test."""
    files = bridge_files(lab_paths(lab.folder))
    yield files
    process.stop(files)


def test_a_proxy_command_brings_a_bridge_that_a_second_start_keeps_and_one_without_it_ends(
    lab: Lab, own_bridge: BridgeFiles
) -> None:
    lab.section = MirrorConfig(ssh=SshConfig(host="demo-ssh"), lab=LabConfig(forwards=()))
    program = lab.home / "databricks"
    (lab.home / ".ssh" / "config").write_text(
        f"Host demo-ssh\n User root\n Port 22\n ConnectTimeout 360\n ProxyCommand {program} ssh connect --proxy\n"
    )
    assert lab.prepare() == []
    assert lab.environment["DBMIRROR_BRIDGE"] == str(own_bridge.folder)
    assert lab.environment["DBMIRROR_BRIDGE_SECONDS"] == "360"
    assert lab.environment["DBMIRROR_BRIDGE_STARTS"] == "yes"
    assert lab.environment["DBMIRROR_DRIVER_FIXED_HOST"] == "demo-ssh"
    assert lab.route == "root@:22 id_demo"
    first = read_record(own_bridge)
    assert process.runs(own_bridge)
    before = lab.environment
    lab.prepare()
    assert (read_record(own_bridge), lab.environment) == (first, before)
    (lab.home / ".ssh" / "config").write_text("")
    lab.prepare()
    assert not process.runs(own_bridge)
    assert lab.environment["DBMIRROR_BRIDGE_SECONDS"] == lab.environment["DBMIRROR_BRIDGE_STARTS"] == ""


def test_a_jump_host_behind_a_proxy_command_has_a_bridge_too(lab: Lab, own_bridge: BridgeFiles) -> None:
    (lab.home / ".ssh" / "config").write_text(
        "Host 10.*\n ProxyJump me@bastion\nHost bastion\n HostName bastion.example\n ProxyCommand nc %h %p\n"
    )
    lab.prepare()
    assert lab.environment["DBMIRROR_JUMPS"] == "me@bastion.example:22"
    assert lab.environment["DBMIRROR_BRIDGE_SECONDS"] == "120"
    assert lab.environment["DBMIRROR_BRIDGE_STARTS"] == ""
    assert process.runs(own_bridge)


def test_a_host_whose_proxy_command_names_the_cluster_is_the_way_without_a_word_of_the_configuration(
    lab: Lab, own_bridge: BridgeFiles
) -> None:
    (lab.home / ".ssh" / "config").write_text(
        f"Host demo-ssh\n User root\n ProxyCommand databricks ssh connect --proxy --cluster={CLUSTER}\n"
    )
    assert lab.prepare() == []
    assert lab.environment["DBMIRROR_DRIVER_FIXED_HOST"] == "demo-ssh"
    assert lab.route == "root@:2200 id_demo"
    assert process.runs(own_bridge)


@pytest.mark.parametrize(
    ("command", "may"),
    [
        ("/usr/bin/databricks ssh connect --proxy --cluster=1", True),
        ('"C:\\Program Files\\databricks.exe" ssh connect --proxy', True),
        ("databricks ssh connect --proxy --auto-start-cluster=false", False),
        ("nc %h %p", False),
        ("sh -c 'databricks", False),
    ],
)
def test_only_the_databricks_cli_is_known_to_start_clusters(command: str, may: bool) -> None:
    assert may_start_cluster(command) is may


def test_a_login_without_a_token_is_named_with_what_works_instead(
    lab: Lab,
    write_profiles: Callable[[str], Path],  # noqa: F811
) -> None:
    write_profiles(f"[demo]\nhost = {lab.workspace.host}\nusername = me\npassword = secret-of-mine\n")
    answer = json.dumps(lab.workspace.clusters[CLUSTER]).encode()
    lab.workspace.fail = (200, {"Content-Type": "application/json"}, answer)
    (warning,) = lab.prepare()
    assert "the profile 'demo' logs in with 'basic', which gives no token" in warning
    assert "personal access token" in warning
    assert "databricks auth login" in warning
    assert "secret-of-mine" not in warning
    assert lab.environment["DBMIRROR_DRIVER_HOST"] == "10.139.64.4"
    assert lab.environment["DBMIRROR_WORKSPACE"] == lab.token == ""


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://localhost", "https://host.docker.internal"),
        ("http://127.0.0.1:8123", "http://host.docker.internal:8123"),
        ("https://me:secret@adb-1.example:8443/", "https://adb-1.example:8443"),
        ("https://adb-1.example", "https://adb-1.example"),
    ],
)
def test_a_workspace_keeps_its_scheme_and_port_where_containers_know_it_by_another_name(url: str, seen: str) -> None:
    assert url_in_containers(url) == seen


def test_a_shell_that_names_no_certificate_authorities_does_not_take_them_from_a_running_lab(
    lab: Lab, running: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = lab.root / "authorities.pem"
    bundle.write_text("".join(Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----")[:2]) + "\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    lab.prepare()
    running()
    monkeypatch.delenv("SSL_CERT_FILE")
    lab.prepare()
    assert lab.environment["DBMIRROR_CA_BUNDLE"] == str(bundle)
    bundle.unlink()
    lab.prepare()
    assert lab.environment["DBMIRROR_CA_BUNDLE"] == os.devnull


def test_a_port_that_was_taken_while_the_images_were_built_is_passed_over(lab: Lab) -> None:
    lab.prepare()
    port = lab.environment["DBMIRROR_LAB_PORT"]
    before = lab.environment
    with socket.create_server(("127.0.0.1", int(port))):
        lab.settle_ports()
    after = lab.environment
    assert after.pop("DBMIRROR_LAB_PORT") != before.pop("DBMIRROR_LAB_PORT")
    assert after == before
