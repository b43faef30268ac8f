"""What the lab's tunnel is told: of the user's ssh config, and of the driver's host key."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from dbmirror.folders import known_hosts_file
from dbmirror.hosts.host_key import HostKey, parse_public_key
from dbmirror.hosts.known_hosts import KnownHosts, trusted_keys
from dbmirror.hosts.ssh_config import Hop
from dbmirror.lab import preparation as lab_preparation
from dbmirror.lab.model import Lab, Supplies
from dbmirror.lab.paths import lab_paths
from dbmirror.lab.preparation import jumps_as_setting, way_to_driver
from dbmirror.lab.tokens import ensure_token
from dbmirror.lab_containers.tunnel.settings import read_jumps
from dbmirror.progress import Observer
from dbmirror.workspace.errors import WorkspaceUnreachable
from tests.builders import index_settings
from tests.lab_containers.conftest import make_key

SUPPLIES = Supplies(
    cluster="0101-120000-abcdefgh",
    profile="demo",
    workspace=lambda: pytest.fail("the ssh config needs no workspace"),
    meet_driver=lambda: pytest.fail("the ssh config needs no driver"),
    driver_started_anew=lambda: pytest.fail("the ssh config needs no start"),
    indexes=index_settings(()),
    ca_bundle=None,
)


@dataclass
class User(Observer):
    """A home folder with an ssh config, and a mirror of which the way to the driver is asked."""

    home: Path
    warnings: list[str] = field(default_factory=list)

    @property
    def lab(self) -> Lab:
        return Lab(mirror="demo", folder=self.home / "mirrors" / "demo", observer=self)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def configure(self, text: str) -> None:
        (self.home / ".ssh" / "config").write_text(text)

    def way(self) -> tuple[Hop, ...]:
        return way_to_driver(self.lab, SUPPLIES, "10.0.0.4").hops

    def jumps(self) -> str:
        return jumps_as_setting(self.way()[:-1])


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / "mirrors" / "demo").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    return User(home=tmp_path)


@pytest.mark.parametrize(
    ("pinned", "started_anew", "meetings"),
    [(False, False, 1), (True, False, 0), (True, True, 1)],
    ids=["first contact", "the start of the pin", "a start since"],
)
def test_the_driver_is_met_where_the_pin_is_missing_or_of_another_start(
    user: User, *, pinned: bool, started_anew: bool, meetings: int
) -> None:
    if pinned:
        KnownHosts(known_hosts_file()).pin(SUPPLIES.cluster, _a_key(user.home))
    met: list[str] = []
    supplies = replace(SUPPLIES, meet_driver=lambda: met.append("met"), driver_started_anew=lambda: started_anew)
    lab_preparation._ensure_pin(user.lab, supplies)
    assert (len(met), user.warnings) == (meetings, [])


def test_a_workspace_that_cannot_say_whether_the_cluster_was_started_anew_is_warned_of(user: User) -> None:
    def unreachable() -> bool:
        raise WorkspaceUnreachable("demo", "nothing answers")

    KnownHosts(known_hosts_file()).pin(SUPPLIES.cluster, _a_key(user.home))
    lab_preparation._ensure_pin(user.lab, replace(SUPPLIES, driver_started_anew=unreachable))
    (warning,) = user.warnings
    assert warning.startswith("Whether the driver has the host key that is pinned is not known: The workspace demo")


def _a_key(folder: Path) -> HostKey:
    key = parse_public_key(make_key(folder / "driver_key").with_suffix(".pub").read_text())
    assert key is not None
    return key


def test_a_driver_that_is_reached_directly_has_no_jump_hosts(user: User) -> None:
    assert (user.jumps(), user.warnings) == ("", [])


def test_the_jump_hosts_of_the_ssh_config_reach_the_tunnel_in_their_order(user: User) -> None:
    user.configure(
        "Host 10.*\n ProxyJump outer,inner:2222\nHost outer\n HostName bastion.example\n User me\n"
        "Host inner\n HostName 2001:db8::1\n User other\n"
    )
    assert user.jumps() == "me@bastion.example:22 other@[2001:db8::1]:2222"
    assert user.warnings == []
    assert [jump.name for jump in read_jumps(user.jumps())] == ["jump-1", "jump-2"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("Host 10.*\n ProxyJump me@a,me@b,me@c,me@d\n", "through 4 jump hosts; 3 are the most"),
        ("Host 10.*\n ProxyJump bastion\nHost bastion\n User CORP\\me\n", "a form that the tunnel does not take"),
    ],
)
def test_a_way_that_the_tunnel_cannot_go_is_warned_of(user: User, config: str, said: str) -> None:
    user.configure(config)
    assert user.jumps() == ""
    (warning,) = user.warnings
    assert said in warning
    assert "tries the driver's own address" in warning


def test_only_keys_other_than_the_drivers_are_handed_over(user: User) -> None:
    own, other = (make_key(user.home / ".ssh" / name) for name in ("id_demo", "id_bastion"))
    user.configure(
        f"Host 10.*\n ProxyJump me@a,me@b\nHost a\n IdentityFile {own}\nHost b\n IdentityFile {user.home}/none\n"
        f" IdentityFile {other}\n"
    )
    *jumps, _ = user.way()
    given = lab_preparation._jump_keys(user.lab, jumps, own)
    assert given == {"DBMIRROR_JUMP_KEY_1": "", "DBMIRROR_JUMP_KEY_2": str(other), "DBMIRROR_JUMP_KEY_3": ""}
    assert user.warnings == []


def test_a_jump_host_without_a_key_file_is_warned_of(user: User) -> None:
    user.configure("Host 10.*\n ProxyJump me@bastion\n")
    *jumps, _ = user.way()
    assert not any(lab_preparation._jump_keys(user.lab, jumps, None).values())
    assert "No SSH key file for the jump host bastion:22" in user.warnings[0]


def test_the_host_keys_that_the_user_trusts_for_a_jump_host_are_the_tunnels(user: User) -> None:
    host_key = make_key(user.home / "host_key")
    known = user.home / ".ssh" / "known_hosts"
    kind, blob = host_key.with_suffix(".pub").read_text().split()[:2]
    known.write_text(f"[bastion.example]:2222 {kind} {blob}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    assert "bastion" not in known.read_text()
    user.configure("Host 10.*\n ProxyJump me@bastion.example:2222,me@unknown.example\n")
    where = lab_paths(user.lab.folder)
    ensure_token(where, user=1000)
    *jumps, _ = user.way()
    before = known.read_bytes()
    lab_preparation._hand_jump_pins_to_tunnel(user.lab, jumps)
    published = KnownHosts(where.pins / "known_hosts")
    assert published.keys("jump-1") == trusted_keys([known], "[bastion.example]:2222") != ()
    assert published.keys("jump-2") == ()
    assert "ssh -p 22 me@unknown.example" in user.warnings[0]
    assert known.read_bytes() == before
