from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dbmirror.hosts.ssh_config import Hop, SshTarget, find_route
from dbmirror.hosts.ssh_errors import SshConfigInvalid


@pytest.fixture
def configure(home: Path) -> Callable[..., None]:
    def write(text: str, name: str = "config") -> None:
        path = home / ".ssh" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)

    return write


def last_hop(**settings: object) -> Hop:
    return find_route(SshTarget(**{"host": "driver", **settings})).hops[-1]  # type: ignore[arg-type]


def test_without_a_config_the_defaults_are_a_drivers() -> None:
    hop = last_hop(host="10.0.0.4")
    assert (hop.host, hop.port, hop.user, hop.name) == ("10.0.0.4", 2200, "ubuntu", "[10.0.0.4]:2200")


def test_the_config_beats_the_defaults_and_what_is_given_beats_the_config(configure: Callable[..., None]) -> None:
    configure("Host driver\n HostName 10.0.0.9\n Port 2022\n User root\n HostKeyAlias pinned\n IdentityFile ~/.ssh/a\n")
    hop = last_hop()
    assert (hop.host, hop.port, hop.user, hop.name) == ("10.0.0.9", 2022, "root", "pinned")
    assert hop.identity_files == (Path.home() / ".ssh" / "a",)
    hop = last_hop(port=22, user="me", host_key_alias="0101-120000-x", identity_files=(Path("/k"),))
    assert (hop.host, hop.port, hop.user, hop.name) == ("10.0.0.9", 22, "me", "0101-120000-x")
    assert (hop.identity_files, hop.identities_only) == ((Path("/k"),), True)


def test_the_profiles_key_is_a_default_that_the_config_beats(configure: Callable[..., None], home: Path) -> None:
    (home / ".ssh" / "id_demo").touch()
    assert last_hop(profile="demo").identity_files == (home / ".ssh" / "id_demo",)
    configure("Host driver\n IdentityFile /other\n IdentitiesOnly yes\n")
    hop = last_hop(profile="demo")
    assert (hop.identity_files, hop.explicit, hop.identities_only) == ((Path("/other"),), False, True)


def test_a_profiles_name_with_a_slash_names_a_key_of_the_same_folder(home: Path) -> None:
    (home / ".ssh" / "id_eu-prod").touch()
    assert last_hop(profile="eu/prod").identity_files == (home / ".ssh" / "id_eu-prod",)


def test_an_include_is_followed_wherever_it_stands(configure: Callable[..., None]) -> None:
    configure("Include tunnels/*\n Include /no/such/file\nUser global\nHost other\n Port 1\n")
    configure("Host driver\n Port 7772\n", "tunnels/a")
    configure("Host elsewhere\n User wrong\n", "tunnels/b")
    hop = last_hop()
    assert (hop.port, hop.user) == (7772, "global")


def test_an_include_inside_a_block_holds_for_that_block_alone(configure: Callable[..., None]) -> None:
    configure("Host driver\n Include mine\n User after\nHost somebody\n Include theirs\nHost *\n Port 9\n")
    configure("Port 2222\n", "mine")
    configure("Host driver\n User stolen\n", "theirs")
    hop = last_hop()
    assert (hop.port, hop.user) == (2222, "after")


def test_an_include_of_itself_ends(configure: Callable[..., None]) -> None:
    configure("Include config\nPort 2222\n")
    assert last_hop().port == 2222


def test_a_quoted_path_with_spaces_is_included(configure: Callable[..., None]) -> None:
    configure('Include "with space/config"\n')
    configure("Port 2222\n", "with space/config")
    assert last_hop().port == 2222


def test_match_blocks_are_honoured(configure: Callable[..., None]) -> None:
    configure(
        "Match host driver user ubuntu\n Port 1111\n"
        "Match originalhost driver exec false\n User no\n"
        "Match originalhost driver exec 'test %h = driver'\n User yes\n"
    )
    hop = last_hop(user="ubuntu")
    assert (hop.port, last_hop().user) == (1111, "yes")


def test_of_a_jump_and_a_command_the_first_holds(configure: Callable[..., None]) -> None:
    configure("Host driver\n ProxyCommand nc %h %p\n ProxyJump bastion\n")
    route = find_route(SshTarget(host="driver"))
    assert (len(route.hops), route.hops[0].proxy_command) == (1, "nc driver 2200")
    configure("Host driver\n ProxyJump bastion\n ProxyCommand nc %h %p\n")
    route = find_route(SshTarget(host="driver"))
    assert ([hop.host for hop in route.hops], route.hops[1].proxy_command) == (["bastion", "driver"], None)


@pytest.mark.parametrize(
    ("line", "command"),
    [("ProxyJump none", "nc"), ("ProxyCommand none", None), ("ProxyJump none\n ProxyCommand none", None)],
)
def test_none_means_no_jump_or_straight_on(configure: Callable[..., None], line: str, command: str | None) -> None:
    """As `ssh -G` says it."""
    configure(f"Host driver\n {line}\nHost *\n ProxyJump bastion\n ProxyCommand nc\n")
    route = find_route(SshTarget(host="driver"))
    assert (len(route.hops), route.hops[0].proxy_command) == (1, command)


def test_a_jump_host_has_a_config_of_its_own(configure: Callable[..., None], home: Path) -> None:
    configure(
        "Host driver\n ProxyJump bastion,inner:2022\n"
        "Host bastion\n HostName b.example\n User jumper\n ProxyCommand nc %h %p\n UserKnownHostsFile ~/kh\n"
        "Host inner\n ProxyJump never-used\n StrictHostKeyChecking accept-new\n"
    )
    first, second, last = find_route(SshTarget(host="driver")).hops
    assert (first.host, first.port, first.user, first.proxy_command) == ("b.example", 22, "jumper", "nc b.example 22")
    assert (first.known_hosts[0], first.name, first.accept_new) == (home / "kh", "b.example", False)
    assert (second.port, second.user, second.name, second.accept_new) == (2022, getpass.getuser(), "[inner]:2022", True)
    assert (last.user, last.known_hosts) == ("ubuntu", ())


def test_jumps_of_a_jump_host_come_before_it(configure: Callable[..., None]) -> None:
    configure("Host driver\n ProxyJump b\nHost b\n ProxyJump a\n")
    assert [hop.host for hop in find_route(SshTarget(host="driver")).hops] == ["a", "b", "driver"]


def test_an_ipv6_jump_is_understood(configure: Callable[..., None]) -> None:
    configure("Host driver\n ProxyJump me@[2001:db8::1]:2022\n")
    hop = find_route(SshTarget(host="driver")).hops[0]
    assert (hop.host, hop.port, hop.user, hop.address) == ("2001:db8::1", 2022, "me", "[2001:db8::1]:2022")


def test_connect_timeout_is_read(configure: Callable[..., None]) -> None:
    assert find_route(SshTarget(host="driver")).connect_timeout is None
    configure("Host driver\n ConnectTimeout 360\n")
    assert find_route(SshTarget(host="driver")).connect_timeout == 360


def test_another_config_file_is_read_alone(configure: Callable[..., None], tmp_path: Path) -> None:
    configure("Port 1\n")
    (tmp_path / "own").write_text("User somebody\n")
    hop = last_hop(config_file=tmp_path / "own")
    assert (hop.port, hop.user) == (2200, "somebody")


@pytest.mark.parametrize("text", ["Nonsense\n", "Host 'open\n", "Port many\n", "Port 70000\n", "Match all host x\n"])
def test_a_damaged_config_is_said_so(configure: Callable[..., None], text: str) -> None:
    configure(text)
    with pytest.raises(SshConfigInvalid):
        last_hop()


@pytest.mark.parametrize(
    "host", ["-oProxyCommand=id", "a b", "a;id", "$(id)", "a\nProxyCommand id", "", "`id`", "a%h|x"]
)
def test_an_address_that_could_reach_a_shell_is_refused(configure: Callable[..., None], host: str) -> None:
    configure("ProxyCommand nc %h %p\n")
    with pytest.raises(SshConfigInvalid, match="cannot be the name or address of a host"):
        last_hop(host=host)


@pytest.mark.parametrize("user", ["-x", "a b", "a;id", "$(id)", "a\nPort 1"])
def test_a_user_that_could_reach_a_shell_is_refused(user: str) -> None:
    with pytest.raises(SshConfigInvalid, match="cannot be the name of a user"):
        last_hop(user=user)


@pytest.mark.parametrize("alias", ["-x", "a b", "a;id", "$(id)", "`id`", "a\nProxyCommand id"])
def test_a_clusters_id_that_could_reach_a_shell_is_refused(configure: Callable[..., None], alias: str) -> None:
    configure("ProxyCommand nc %k %p\n")
    with pytest.raises(SshConfigInvalid, match="cannot be the name of a host's key"):
        last_hop(host_key_alias=alias)


def give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.getuid() == 0:
        os.chown(path, 4242, -1)
    else:
        monkeypatch.setattr("os.getuid", lambda: 4242)


@pytest.mark.parametrize("name", ["config", "included"])
@pytest.mark.parametrize("mode", [0o622, 0o660, 0o666, None], ids=["others", "group", "all", "another owner"])
def test_a_config_that_others_can_write_is_refused_and_runs_nothing(
    configure: Callable[..., None], home: Path, monkeypatch: pytest.MonkeyPatch, name: str, mode: int | None
) -> None:
    ran = home / "ran"
    configure("Include ~/.ssh/included\n")
    configure(f"Match exec 'touch {ran}'\n Port 1\nHost driver\n ProxyCommand touch {ran}\n", name)
    path = home / ".ssh" / name
    if mode is None:
        give_away(path, monkeypatch)
    else:
        path.chmod(mode)
    with pytest.raises(SshConfigInvalid, match="OpenSSH refuses the ssh config") as caught:
        find_route(SshTarget(host="driver"))
    assert str(path) in caught.value.remedy
    assert not ran.exists()


def test_match_exec_of_a_config_that_openssh_takes_runs(configure: Callable[..., None], home: Path) -> None:
    configure(f"Match exec 'touch {home}/ran'\n Port 1111\n")
    assert last_hop().port == 1111
    assert (home / "ran").exists()
