from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from dbmirror.hosts.host_key import HostKey
from dbmirror.hosts.known_hosts import KnownHosts, trusted_keys
from dbmirror.hosts.ssh_errors import SshError

ONE = HostKey(kind="ssh-ed25519", blob=b"\0\0\0\x0bssh-ed25519one")
TWO = HostKey(kind="ssh-ed25519", blob=b"\0\0\0\x0bssh-ed25519two")


@pytest.fixture
def known_hosts(tmp_path: Path) -> KnownHosts:
    return KnownHosts(tmp_path / "deep" / "known_hosts")


def test_a_pinned_key_is_found_under_its_name_alone(known_hosts: KnownHosts) -> None:
    known_hosts.pin("0101-120000-abc", ONE)
    assert known_hosts.keys("0101-120000-abc") == (ONE,)
    assert known_hosts.keys("0101-120000-abcd") == ()


def test_the_file_is_the_users_alone(known_hosts: KnownHosts) -> None:
    known_hosts.pin("driver", ONE)
    assert stat.S_IMODE(known_hosts.path.stat().st_mode) == 0o600


def test_repinning_replaces_and_gives_the_old_key(known_hosts: KnownHosts) -> None:
    known_hosts.pin("driver", ONE)
    known_hosts.pin("other", ONE)
    assert known_hosts.repin("driver", TWO) == (ONE,)
    assert (known_hosts.keys("driver"), known_hosts.keys("other")) == ((TWO,), (ONE,))


def test_forgetting_leaves_the_other_lines_as_they_were(known_hosts: KnownHosts) -> None:
    known_hosts.pin("driver", ONE)
    text = known_hosts.path.read_text()
    known_hosts.path.write_text(f"# mine\n\n{text}nonsense\n")
    assert known_hosts.forget("driver") == (ONE,)
    assert known_hosts.path.read_text() == "# mine\n\nnonsense\n"
    assert known_hosts.forget("driver") == ()


@pytest.mark.parametrize("name", ["", "a b", "*", "a,b", "a\nb", "!a", "@revoked", "#", "|1|x|y"])
def test_a_name_that_would_mean_something_else_is_refused(known_hosts: KnownHosts, name: str) -> None:
    with pytest.raises(SshError, match="cannot stand in a known_hosts file"):
        known_hosts.pin(name, ONE)


@pytest.mark.parametrize(
    "name", ["host.example", "[host.example]:2200", "10.0.0.4", "2001:db8::1", "[2001:db8::1]:2200"]
)
def test_names_are_written_as_openssh_reads_them(known_hosts: KnownHosts, name: str, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    (tmp_path / "line").write_text(f"x {(tmp_path / 'key.pub').read_text()}")
    key = trusted_keys([tmp_path / "line"], "x")[0]
    known_hosts.pin(name, key)
    found = subprocess.run(["ssh-keygen", "-F", name, "-f", str(known_hosts.path)], capture_output=True, check=False)
    assert found.returncode == 0


def test_hashed_names_as_openssh_writes_them_are_found(known_hosts: KnownHosts) -> None:
    known_hosts.pin("[bastion.example]:2022", ONE)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known_hosts.path)], check=True, capture_output=True)
    assert "bastion" not in known_hosts.path.read_text()
    assert known_hosts.keys("[bastion.example]:2022") == (ONE,)
    assert known_hosts.keys("[bastion.example]:2023") == ()


def test_patterns_and_their_exceptions_are_honoured(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    line = KnownHosts(tmp_path / "other")
    line.pin("x", ONE)
    file.write_text(line.path.read_text().replace("x ", "*.example,!bad.example,10.0.0.? ", 1))
    found = {name: bool(trusted_keys([file], name)) for name in ("a.example", "bad.example", "10.0.0.4", "10.0.0.44")}
    assert found == {"a.example": True, "bad.example": False, "10.0.0.4": True, "10.0.0.44": False}


def test_a_revoked_key_and_an_authoritys_key_are_not_trusted(tmp_path: Path) -> None:
    line = KnownHosts(tmp_path / "line")
    line.pin("host", ONE)
    text = line.path.read_text()
    (tmp_path / "revoked").write_text(f"{text}@revoked {text}")
    (tmp_path / "authority").write_text(f"@cert-authority {text}")
    assert trusted_keys([tmp_path / "revoked"], "host") == ()
    assert trusted_keys([tmp_path / "authority"], "host") == ()


def test_lines_that_are_damaged_do_no_harm(tmp_path: Path, known_hosts: KnownHosts) -> None:
    known_hosts.pin("host", ONE)
    known_hosts.path.write_bytes(
        b"\xff\xfe\nhost ssh-rsa !!!\nhost\n|1|x|y ssh-rsa AAAA\n" + known_hosts.path.read_bytes()
    )
    assert known_hosts.keys("host") == (ONE,)
    assert trusted_keys([tmp_path / "missing", tmp_path], "host") == ()


def test_keys_of_another_file_count_too_and_it_is_never_written(tmp_path: Path) -> None:
    own, committed = HostKey(kind="ssh-ed25519", blob=b"own"), HostKey(kind="ssh-ed25519", blob=b"committed")
    other = tmp_path / "ci"
    other.write_text(f"cluster {committed}\n")
    hosts = KnownHosts(tmp_path / "known_hosts", also=[other])
    assert hosts.keys("cluster") == (committed,)
    hosts.pin("cluster-2", own)
    assert hosts.keys("cluster-2") == (own,)
    assert other.read_text() == f"cluster {committed}\n"
