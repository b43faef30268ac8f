"""Which key logs in where the ssh config names an agent or a certificate, held beside the real ssh."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbmirror.hosts import openssh
from dbmirror.hosts import ssh_errors as errors
from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.hosts.offered_keys import offered_at
from dbmirror.hosts.ssh import SshTarget, connect
from dbmirror.hosts.ssh_config import find_route
from tests.hosts.conftest import USER, Sshd, make_key

SSH = shutil.which("ssh")


@dataclass(frozen=True)
class Login:
    """A server behind the alias `driver`, and the user's ssh config."""

    server: Sshd
    home: Path
    known_hosts: KnownHosts

    def configure(self, text: str) -> None:
        host = f"Host driver\n HostName 127.0.0.1\n Port {self.server.port}\n User {USER}\n"
        (self.home / ".ssh" / "config").write_text(host + text)

    def works(self) -> bool:
        """Whether dbmirror gets in, which it does wherever the real ssh does."""
        try:
            target = SshTarget(host="driver", host_key_alias="0101-120000-driver")
            connect(target, known_hosts=self.known_hosts, confirm=None, accept_new=True).close()
            own = True
        except (errors.KeyRefused, errors.KeyProtected, errors.KeyMissing):
            own = False
        assert own is self._real()
        return own

    def _real(self) -> bool:
        options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=5")
        argv = ["ssh", "-F", str(self.home / ".ssh" / "config"), *(w for o in options for w in ("-o", o)), "driver"]
        done = subprocess.run([*argv, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20)
        return done.returncode == 0


@pytest.fixture(params=["openssh", "built-in"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ssh config is read by `ssh -G`, and where there is no ssh."""
    monkeypatch.setattr(openssh, "program", lambda: SSH if request.param == "openssh" else None)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture
def login(
    reading: None, start_sshd: Callable[..., Sshd], authority: Path, home: Path, known_hosts: KnownHosts
) -> Login:
    """A server that knows no key, and lets in whom the authority certifies."""
    other = make_key(home / "other")
    server = start_sshd(
        f"TrustedUserCAKeys {authority.with_suffix('.pub')}", authorized=other.with_suffix(".pub").read_text()
    )
    return Login(server=server, home=home, known_hosts=known_hosts)


def certify(authority: Path, key: Path, *, to: Path | None = None, principal: str = USER) -> Path:
    """A certificate for `key`, beside it or at `to`."""
    public = key.with_suffix(".pub")
    argv = ["ssh-keygen", "-q", "-s", str(authority), "-I", "me", "-n", principal, str(public)]
    subprocess.run(argv, check=True, capture_output=True)
    made = key.with_name(f"{key.name}-cert.pub")
    return made.rename(to) if to else made


@contextmanager
def agent_at(path: Path, *keys: Path) -> Iterator[None]:
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        while not path.exists():
            time.sleep(0.02)
        for key in keys:
            environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
            subprocess.run(["ssh-add", "-q", str(key)], check=True, env=environment)
        yield
    finally:
        process.terminate()
        process.wait(timeout=5)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_certificate_beside_the_key_lets_in(login: Login, authority: Path, kind: str) -> None:
    key = make_key(login.home / ".ssh" / "id_team", kind=kind)
    login.configure(f" IdentityFile {key}\n")
    assert not login.works()
    certify(authority, key)
    assert login.works()
    assert offered_at(SshTarget(host="driver")) is None, "the cluster's list of keys says nothing of certificates"


def test_a_certificate_elsewhere_is_named_by_certificatefile(login: Login, authority: Path) -> None:
    key = make_key(login.home / ".ssh" / "id_team")
    certify(authority, key, to=login.home / "cert.pub")
    login.configure(f" IdentityFile {key}\n CertificateFile {login.home}/cert.pub\n")
    assert login.works()


def test_a_certificate_of_somebody_else_does_not(login: Login, authority: Path, tmp_path: Path) -> None:
    key = make_key(login.home / ".ssh" / "id_team")
    certify(authority, key, principal="somebody-else")
    login.configure(f" IdentityFile {key}\n")
    assert not login.works()
    foreign = make_key(tmp_path / "foreign")
    certify(authority, foreign, to=login.home / "cert.pub")
    login.configure(f" IdentityFile {key}\n CertificateFile {login.home}/cert.pub\n")
    assert not login.works()


def test_the_agent_that_identityagent_names_is_asked_and_not_the_shells(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, shell, unknown = login.home / "own.sock", login.home / "shell.sock", make_key(login.home / "unknown")
    with agent_at(own, login.home / "other"), agent_at(shell, unknown):
        monkeypatch.setenv("SSH_AUTH_SOCK", str(shell))
        login.configure("")
        assert not login.works()
        login.configure(f" IdentityAgent {own}\n")
        assert login.works()
        monkeypatch.setenv("MY_AGENT", str(own))
        login.configure(" IdentityAgent $MY_AGENT\n")
        assert login.works()


def test_identityagent_none_leaves_the_agent_alone(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    with agent_at(login.home / "agent.sock", login.home / "other"):
        monkeypatch.setenv("SSH_AUTH_SOCK", str(login.home / "agent.sock"))
        login.configure("")
        assert login.works()
        login.configure(" IdentityAgent none\n")
        assert not login.works()


def test_an_agent_that_is_not_there_leaves_the_files(login: Login, authority: Path) -> None:
    key = make_key(login.home / ".ssh" / "id_team")
    certify(authority, key)
    login.configure(f" IdentityAgent {login.home}/none.sock\n IdentityFile {key}\n")
    assert login.works()


def test_a_certificate_of_a_key_that_the_agent_alone_has(
    login: Login, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(login.home / "id_hidden")
    certify(authority, key, to=login.home / "cert.pub")
    with agent_at(login.home / "agent.sock", key):
        key.unlink()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(login.home / "agent.sock"))
        login.configure(f" CertificateFile {login.home}/cert.pub\n")
        assert login.works()


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize(
    "text",
    [
        "Host driver\n HostName d.example\n ProxyCommand {told} %h %p %r %n %% a%%h\n",
        "Host driver\n ProxyCommand {told} '%n' \"%h\" # not a comment\n",
        "Match originalhost driver\n HostName d.example\n Port 22\nMatch host d.example\n ProxyCommand {told} %h:%p\n",
        "Include proxied\nHost driver\n ProxyCommand {told} later\n",
        "Host driver\n ProxyJump none\n ProxyCommand {told} never\n",
        "Host driver\n ProxyCommand none\nHost *\n ProxyCommand {told} never\n",
    ],
)
def test_what_openssh_would_run_to_connect_is_what_is_run(home: Path, tmp_path: Path, text: str) -> None:
    told = tmp_path / "told"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{told}\n')
    program.chmod(0o755)
    config, included = home / ".ssh" / "config", home / ".ssh" / "proxied"
    included.write_text(f"Host driver\n HostName inc.example\n ProxyCommand {program} included %h\n")
    config.write_text(f"{text.format(told=program)}Host *\n Port 2222\n User me\n")
    own = find_route(SshTarget(host="driver")).hops[-1].proxy_command
    if own is not None:
        subprocess.run(["sh", "-c", f"exec {own}"], check=True)
    ours = told.read_text() if told.exists() else None
    told.unlink(missing_ok=True)
    # As OpenSSH has no other home than the account's, what it includes is named in full.
    config.write_text(config.read_text().replace("Include proxied", f"Include {included}"))
    argv = ["ssh", "-F", str(config), "-o", "ConnectTimeout=1", "-o", "BatchMode=yes", "driver"]
    subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20)
    assert ours == (told.read_text() if told.exists() else None)
