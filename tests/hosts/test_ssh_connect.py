from __future__ import annotations

import re
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror.hosts import ssh_errors as errors
from dbmirror.hosts.host_key import Fingerprint
from dbmirror.hosts.interface import HostError
from dbmirror.hosts.known_hosts import KnownHosts
from dbmirror.hosts.ssh import SshTarget, connect, read_host_key
from dbmirror.progress import Observer
from tests.hosts.conftest import USER, Sshd, free_port, left_running, make_key, target_of

ALIAS = "0101-120000-driver"


class Notes(Observer):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.enumerate()
    yield
    assert left_running(before) == []


@pytest.fixture
def agent(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A running ssh-agent without keys."""
    path = home / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    while not path.exists():
        time.sleep(0.02)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    yield
    process.terminate()
    process.wait(timeout=5)


def shown_by_ssh_keygen(public_key: Path) -> str:
    words = subprocess.run(
        ["ssh-keygen", "-lf", str(public_key)], capture_output=True, text=True, check=True
    ).stdout.split()
    return f"{words[1]} {words[-1]}"


# Host keys


def test_first_contact_shows_the_fingerprint_that_ssh_keygen_shows(
    target: SshTarget, sshd: Sshd, known_hosts: KnownHosts
) -> None:
    asked: list[Fingerprint] = []

    def confirm(fingerprint: Fingerprint) -> bool:
        asked.append(fingerprint)
        return True

    connect(target, known_hosts=known_hosts, confirm=confirm).close()
    assert [str(fingerprint) for fingerprint in asked] == [shown_by_ssh_keygen(sshd.host_key.with_suffix(".pub"))]
    assert (asked[0].name, asked[0].address) == (ALIAS, f"127.0.0.1:{sshd.port}")


def test_a_confirmed_key_is_pinned_under_the_alias_and_not_asked_for_again(
    target: SshTarget, sshd: Sshd, known_hosts: KnownHosts
) -> None:
    connect(target, known_hosts=known_hosts, confirm=lambda _: True).close()
    assert known_hosts.path.read_text() == f"{ALIAS} {sshd.known_hosts_line.split(' ', 1)[1]}"
    connect(target, known_hosts=known_hosts, confirm=None).close()


def test_without_pinning_a_confirmed_key_counts_once_and_is_said(target: SshTarget, known_hosts: KnownHosts) -> None:
    notes: list[str] = []

    class Recorder(Observer):
        def note(self, text: str) -> None:
            notes.append(text)

    connect(target, known_hosts=known_hosts, confirm=lambda _: True, pin=False, observer=Recorder()).close()
    assert not known_hosts.path.exists()
    (note,) = notes
    assert re.fullmatch(rf"Would pin the host key of {ALIAS}: .*SHA256:.*\.", note)
    with pytest.raises(errors.HostKeyUnknown):
        connect(target, known_hosts=known_hosts, confirm=None, pin=False)


def test_openssh_accepts_the_pinned_key_with_the_same_alias(
    target: SshTarget, known_hosts: KnownHosts, login_key: Path
) -> None:
    connect(target, known_hosts=known_hosts, confirm=lambda _: True).close()
    options = [
        f"-oHostKeyAlias={ALIAS}",
        f"-oUserKnownHostsFile={known_hosts.path}",
        "-oStrictHostKeyChecking=yes",
        "-oBatchMode=yes",
    ]
    command = ["ssh", "-F", "none", *options, "-i", str(login_key), "-p", str(target.port), f"{USER}@127.0.0.1", "true"]
    assert subprocess.run(command, check=False).returncode == 0


def test_a_key_that_is_not_confirmed_is_not_pinned(target: SshTarget, known_hosts: KnownHosts) -> None:
    with pytest.raises(errors.HostKeyUnknown, match="not known yet: SHA256:"):
        connect(target, known_hosts=known_hosts, confirm=lambda _: False)
    assert not known_hosts.path.exists()


def test_without_somebody_to_ask_an_unknown_key_is_refused(target: SshTarget, known_hosts: KnownHosts) -> None:
    with pytest.raises(errors.HostKeyUnknown):
        connect(target, known_hosts=known_hosts, confirm=None)
    assert not known_hosts.path.exists()


def test_accepting_new_keys_has_to_be_said_and_is_noted(target: SshTarget, known_hosts: KnownHosts, sshd: Sshd) -> None:
    notes = Notes()
    connect(target, known_hosts=known_hosts, confirm=None, accept_new=True, observer=notes).close()
    assert notes.texts == [
        f"Pinned the host key of {ALIAS}: {shown_by_ssh_keygen(sshd.host_key.with_suffix('.pub'))}.",
    ]


def test_where_new_keys_are_accepted_nobody_is_asked(target: SshTarget, known_hosts: KnownHosts) -> None:
    connect(target, known_hosts=known_hosts, confirm=lambda _: False, accept_new=True).close()
    assert known_hosts.path.exists()


def test_a_changed_key_stops_with_both_fingerprints_even_where_new_ones_are_accepted(
    start_sshd: Callable[..., Sshd], sshd: Sshd, target: SshTarget, known_hosts: KnownHosts
) -> None:
    connect(target, known_hosts=known_hosts, confirm=lambda _: True).close()
    pinned = known_hosts.path.read_text()
    other = start_sshd()
    with pytest.raises(errors.HostKeyChanged) as caught:
        connect(replace(target, port=other.port), known_hosts=known_hosts, confirm=lambda _: True, accept_new=True)
    assert [str(key) for key in caught.value.pinned] == [shown_by_ssh_keygen(sshd.host_key.with_suffix(".pub"))]
    assert str(caught.value.presented) == shown_by_ssh_keygen(other.host_key.with_suffix(".pub"))
    assert known_hosts.path.read_text() == pinned
    full = caught.value.with_facts(started="2026-11-20 09:00 UTC", command="dbmirror ssh repin demo")
    assert "started last at 2026-11-20 09:00 UTC" in full.message
    assert "'dbmirror ssh repin demo'" in full.remedy


def test_the_present_key_can_be_read_without_a_login_and_pinned_anew(
    start_sshd: Callable[..., Sshd], target: SshTarget, known_hosts: KnownHosts
) -> None:
    connect(target, known_hosts=known_hosts, confirm=lambda _: True).close()
    moved = replace(target, port=start_sshd().port)
    known_hosts.repin(ALIAS, read_host_key(replace(moved, identity_files=())))
    connect(moved, known_hosts=known_hosts, confirm=None).close()


def test_a_server_with_several_keys_is_asked_for_the_kind_that_is_pinned(
    start_sshd: Callable[..., Sshd], login_key: Path, known_hosts: KnownHosts, tmp_path: Path
) -> None:
    rsa = make_key(tmp_path / "rsa", kind="rsa", bits="2048")
    server = start_sshd(f"HostKey {rsa}")
    known_hosts.path.parent.mkdir()
    known_hosts.path.write_text(f"{ALIAS} {rsa.with_suffix('.pub').read_text()}")
    connect(target_of(server, login_key), known_hosts=known_hosts, confirm=None).close()


# Keys


def test_a_refused_key_is_named_with_its_fingerprint(
    target: SshTarget, known_hosts: KnownHosts, tmp_path: Path
) -> None:
    key = make_key(tmp_path / "id_other")
    with pytest.raises(errors.KeyRefused, match=f"refused the login as '{USER}'") as caught:
        connect(replace(target, identity_files=(key,)), known_hosts=known_hosts, confirm=lambda _: True)
    assert caught.value.tried == (f"{key} {shown_by_ssh_keygen(key)}",)
    assert "dbmirror ssh setup" in caught.value.remedy


def test_no_key_at_all_is_said_so(target: SshTarget, known_hosts: KnownHosts) -> None:
    with pytest.raises(errors.KeyRefused, match="no key was found to offer"):
        connect(replace(target, identity_files=()), known_hosts=known_hosts, confirm=lambda _: True)


def test_a_server_that_takes_no_keys_says_what_it_takes(
    start_sshd: Callable[..., Sshd], login_key: Path, known_hosts: KnownHosts
) -> None:
    server = start_sshd("PubkeyAuthentication no", "PasswordAuthentication yes", "KbdInteractiveAuthentication no")
    with pytest.raises(errors.KeyRefused, match="it takes password"):
        connect(target_of(server, login_key), known_hosts=known_hosts, confirm=lambda _: True)


def test_a_key_file_that_is_missing_is_named(target: SshTarget, known_hosts: KnownHosts) -> None:
    with pytest.raises(errors.KeyMissing, match="/no/such/key"):
        connect(
            replace(target, identity_files=(Path("/no/such/key"),)), known_hosts=known_hosts, confirm=lambda _: True
        )


@pytest.mark.parametrize("form", ["RFC4716", "PEM"])
def test_a_key_with_a_passphrase_needs_the_agent(
    target: SshTarget, known_hosts: KnownHosts, tmp_path: Path, form: str
) -> None:
    key = tmp_path / "id_secret"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", form, "-N", "secret", "-f", str(key)], check=True
    )
    with pytest.raises(errors.KeyProtected) as caught:
        connect(replace(target, identity_files=(key,)), known_hosts=known_hosts, confirm=lambda _: True)
    assert caught.value.remedy == f"Add it to the agent with 'ssh-add {key}'."


@pytest.mark.usefixtures("agent")
def test_a_key_with_a_passphrase_that_the_agent_holds_is_used(
    start_sshd: Callable[..., Sshd], known_hosts: KnownHosts, tmp_path: Path
) -> None:
    plain = make_key(tmp_path / "plain")
    subprocess.run(["ssh-add", "-q", str(plain)], check=True)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(plain)], check=True, stdout=subprocess.DEVNULL)
    server = start_sshd(authorized=plain.with_suffix(".pub").read_text())
    connect(target_of(server, plain), known_hosts=known_hosts, confirm=lambda _: True).close()
    connect(target_of(server, plain.with_suffix(".pub")), known_hosts=known_hosts, confirm=None).close()


@pytest.mark.usefixtures("agent")
def test_where_nothing_names_a_key_the_agents_are_offered(
    target: SshTarget, known_hosts: KnownHosts, login_key: Path
) -> None:
    subprocess.run(["ssh-add", "-q", str(login_key)], check=True)
    connect(replace(target, identity_files=()), known_hosts=known_hosts, confirm=lambda _: True).close()


@pytest.mark.usefixtures("agent")
def test_a_named_key_is_the_only_one_offered_so_that_a_full_agent_does_no_harm(
    target: SshTarget, known_hosts: KnownHosts, tmp_path: Path
) -> None:
    for number in range(8):
        subprocess.run(["ssh-add", "-q", str(make_key(tmp_path / f"id_{number}"))], check=True)
    connect(target, known_hosts=known_hosts, confirm=lambda _: True).close()
    with pytest.raises(errors.KeyRefused) as caught:
        connect(replace(target, identity_files=()), known_hosts=known_hosts, confirm=None)
    assert len(caught.value.tried) == 5


def test_a_key_that_others_can_read_is_not_used(target: SshTarget, known_hosts: KnownHosts, tmp_path: Path) -> None:
    key = make_key(tmp_path / "id_open")
    key.chmod(0o644)
    with pytest.raises(errors.KeyTooOpen) as caught:
        connect(replace(target, identity_files=(key,)), known_hosts=known_hosts, confirm=lambda _: True)
    assert caught.value.remedy == f"Close it with 'chmod 600 {key}'."


def test_a_file_that_is_no_key_is_said_so(target: SshTarget, known_hosts: KnownHosts, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("not a key")
    path.chmod(0o600)
    with pytest.raises(errors.KeyUnreadable, match="no private key of a known kind"):
        connect(replace(target, identity_files=(path,)), known_hosts=known_hosts, confirm=lambda _: True)


@pytest.mark.parametrize(("kind", "bits"), [("rsa", "2048"), ("ecdsa", "256"), ("ed25519", None)])
def test_every_common_kind_of_key_logs_in(
    start_sshd: Callable[..., Sshd], known_hosts: KnownHosts, tmp_path: Path, kind: str, bits: str | None
) -> None:
    key = make_key(tmp_path / "key", kind=kind, bits=bits)
    server = start_sshd(authorized=key.with_suffix(".pub").read_text())
    connect(target_of(server, key), known_hosts=known_hosts, confirm=lambda _: True).close()


def test_the_profiles_own_key_is_used_where_nothing_else_is_said(
    target: SshTarget, known_hosts: KnownHosts, home: Path, login_key: Path
) -> None:
    (home / ".ssh" / "id_demo").write_bytes(login_key.read_bytes())
    (home / ".ssh" / "id_demo").chmod(0o600)
    connect(replace(target, identity_files=(), profile="demo"), known_hosts=known_hosts, confirm=lambda _: True).close()


# The network


def test_a_closed_port_is_refused_and_points_at_the_official_tunnel(target: SshTarget, known_hosts: KnownHosts) -> None:
    with pytest.raises(errors.ConnectionRefused, match="connection refused") as caught:
        connect(replace(target, port=free_port()), known_hosts=known_hosts, confirm=None)
    assert "databricks ssh setup" in caught.value.remedy


def test_a_name_without_an_address_is_said_so(target: SshTarget, known_hosts: KnownHosts) -> None:
    with pytest.raises(errors.NameNotResolved, match=r"'no-such-host\.invalid' cannot be resolved"):
        connect(replace(target, host="no-such-host.invalid"), known_hosts=known_hosts, confirm=None)


def test_a_server_that_never_answers_fails_at_the_deadline(target: SshTarget, known_hosts: KnownHosts) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(errors.DeadlinePassed, match=r"no answer within 0\.7 s"):
            connect(replace(target, port=silent.getsockname()[1]), known_hosts=known_hosts, confirm=None, deadline=0.7)
        assert time.monotonic() - began < 3


def test_a_port_that_takes_no_more_connections_fails_at_the_deadline(
    target: SshTarget, known_hosts: KnownHosts
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first, socket.socket() as second:
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        with pytest.raises(errors.DeadlinePassed, match="no connection"):
            connect(replace(target, port=full.getsockname()[1]), known_hosts=known_hosts, confirm=None, deadline=0.5)


@pytest.mark.parametrize("greeting", [b"HTTP/1.0 400 Bad Request\r\n\r\n", b""])
def test_a_server_that_speaks_something_else_is_said_so(
    target: SshTarget, known_hosts: KnownHosts, greeting: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                connection.sendall(greeting)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1000)
                connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(errors.NotAnSshServer):
            connect(replace(target, port=server.getsockname()[1]), known_hosts=known_hosts, confirm=None, deadline=5)
        thread.join()


class Recorder(Observer):
    def __init__(self) -> None:
        self.warned: list[str] = []

    def warn(self, text: str) -> None:
        self.warned.append(text)


@contextmanager
def a_line_to(port: int, *, ends: list[int]) -> Iterator[int]:
    """A port that leads to `port`, whose first connections end after so many bytes of the server's."""
    with socket.create_server(("127.0.0.1", 0)) as line:
        thread = threading.Thread(target=lambda: [_pass_on(line, port, end) for end in ends])
        thread.start()
        try:
            yield int(line.getsockname()[1])
        finally:
            # A connection that was not made is made now, for the thread to end.
            for _ in ends:
                if not thread.is_alive():
                    break
                with suppress(OSError):
                    socket.create_connection(line.getsockname()).close()
                thread.join(0.2)
            thread.join()


def _pass_on(line: socket.socket, port: int, end: int) -> None:
    connection, _ = line.accept()
    if end == 0:
        connection.close()
        return
    with connection, socket.create_connection(("127.0.0.1", port)) as server:
        ends = {connection: server, server: connection}
        left = end
        while True:
            for source in select.select(list(ends), [], [])[0]:
                with suppress(ConnectionError):
                    data = source.recv(1 << 16)
                    if source is server:
                        data = data[:left]
                        left -= len(data)
                    if data:
                        ends[source].sendall(data)
                        if left:
                            continue
                return


WHOLE = 1 << 60


def test_a_connection_that_is_closed_before_the_greeting_is_made_once_more(
    target: SshTarget, known_hosts: KnownHosts
) -> None:
    """So closes an sshd that has too many connections (MaxStartups)."""
    recorder = Recorder()
    with a_line_to(target.port or 22, ends=[0, WHOLE]) as port:
        busy = replace(target, port=port)
        with connect(busy, known_hosts=known_hosts, confirm=lambda _: True, observer=recorder) as host:
            assert host.run(["echo", "here"]).stdout == b"here\n"
    assert len(recorder.warned) == 1
    assert "Connecting once more" in recorder.warned[0]


def test_40_connections_that_break_somewhere_are_made_once_more_or_named(
    target: SshTarget, known_hosts: KnownHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the greeting to the end of a command's output: some 6,000 bytes of the server."""
    monkeypatch.setattr("dbmirror.hosts.ssh._PAUSE", 0.0)
    connect(target, known_hosts=known_hosts, confirm=lambda _: True).close()
    outcomes = set()
    for end in range(1, 6000, 150):
        recorder = Recorder()
        with (
            a_line_to(target.port or 22, ends=[end, WHOLE]) as port,
            connect(replace(target, port=port), known_hosts=known_hosts, confirm=None, observer=recorder) as host,
        ):
            assert host.run(["seq", "600"]).stdout == b"".join(b"%d\n" % n for n in range(1, 601))
        outcomes.add("once more" if recorder.warned else "whole")
    assert "once more" in outcomes


def test_a_login_that_is_cut_again_and_again_is_no_refused_key(
    target: SshTarget, known_hosts: KnownHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbmirror.hosts.ssh._PAUSE", 0.0)
    connect(target, known_hosts=known_hosts, confirm=lambda _: True).close()
    outcomes, said = [], []
    for end in range(1500, 3000, 100):
        recorder = Recorder()
        with a_line_to(target.port or 22, ends=[end, end]) as port, suppress(errors.ConnectionLost):
            outcomes.append("cut")
            connect(replace(target, port=port), known_hosts=known_hosts, confirm=None, observer=recorder).close()
            outcomes[-1] = "whole"
        if outcomes[-1] == "cut":
            assert len(recorder.warned) == 1
            said.append(recorder.warned[0])
    assert any(f"during the login as '{USER}', with" in line for line in said)
    assert outcomes[-1] == "whole"


def test_a_server_that_ends_the_session_itself_refused_the_keys(
    start_sshd: Callable[..., Sshd], known_hosts: KnownHosts, tmp_path: Path
) -> None:
    server = start_sshd("MaxAuthTries 1")
    recorder = Recorder()
    keys = tuple(make_key(tmp_path / f"id_{number}") for number in range(3))
    with pytest.raises(errors.KeyRefused, match="it ended the session: Too many authentication failures"):
        connect(
            replace(target_of(server, keys[0]), identity_files=keys),
            known_hosts=known_hosts,
            confirm=lambda _: True,
            observer=recorder,
        )
    assert recorder.warned == []


@pytest.mark.parametrize("name", [n for n in dir(errors) if isinstance(getattr(errors, n), type) and n != "HostError"])
def test_every_error_is_an_error_of_hosts(name: str) -> None:
    kind = getattr(errors, name)
    assert not issubclass(kind, Exception) or issubclass(kind, HostError)


def test_nothing_is_printed_by_the_library_underneath() -> None:
    script = (
        "import sys; from pathlib import Path; from dbmirror.hosts.ssh import *; "
        "from dbmirror.hosts.known_hosts import KnownHosts\n"
        "import socket; s = socket.create_server(('127.0.0.1', 0))\n"
        "try: connect(SshTarget(host='127.0.0.1', port=s.getsockname()[1]), known_hosts=KnownHosts(Path('/nowhere')), "
        "confirm=None, deadline=0.3)\n"
        "except Exception as error: print(type(error).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("DeadlinePassed\n", "")


def test_messages_are_one_line(target: SshTarget, known_hosts: KnownHosts) -> None:
    with pytest.raises(HostError) as caught:
        connect(replace(target, port=free_port()), known_hosts=known_hosts, confirm=None)
    assert not re.search(r"[\n\r]", str(caught.value))
