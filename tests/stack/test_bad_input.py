"""What can go wrong on the way: each ends with one clear message, its exit code, and nothing lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dbmirror.sandbox.workspace import process
from tests.stack.conftest import User, interrupt, tree

pytestmark = pytest.mark.stack


@pytest.fixture
def user(sandbox_user: User, tmp_path: Path) -> User:
    """The user of the sandbox, in an empty folder."""
    return sandbox_user.in_folder(tmp_path / "work")


@pytest.fixture(scope="module")
def made(sandbox_user: User) -> User:
    """The user of the sandbox, in a folder that holds a locked and rendered mirror."""
    user = sandbox_user.in_folder(sandbox_user.folder.parent / "made")
    user.run("snapshot", "demo")
    user.run("lock", "demo")
    user.run("render", "demo")
    return user


def ask(user: User, order: str, **body: Any) -> None:
    """Tell the stand-in workspace what to do next."""
    url = user.run("sandbox", "status", "--json").document["sandbox"]["workspace_url"]
    token = process.read_token(user.home / "state" / "sandbox")
    process.ask(int(url.rpartition(":")[2]), token, order, body)


def test_an_unknown_profile_is_named_with_the_known_ones(user: User) -> None:
    done = user.run("build", "nowhere", code=2)
    assert "There is no profile 'nowhere'" in done.stderr
    assert "real" in done.stderr


def test_a_name_that_no_mirror_can_have_is_refused(user: User) -> None:
    assert "cannot be a mirror's name" in user.run("build", "../up", code=2).stderr


def test_an_expired_token_says_how_to_renew_it(user: User) -> None:
    ask(user, "token", expired=True)
    try:
        done = user.run("snapshot", "demo", code=3)
    finally:
        ask(user, "token", expired=False)
    assert "token" in done.stderr.lower()
    assert "databricks" in done.stderr
    assert list(user.folder.iterdir()) == []


def test_a_workspace_that_does_not_answer_is_given_up_in_time(user: User) -> None:
    (user.home / ".databrickscfg").write_text(
        (user.home / ".databrickscfg").read_text() + "\n[gone]\nhost = http://127.0.0.1:9\ntoken = x\n"
    )
    try:
        began = time.monotonic()
        done = user.run("snapshot", "gone", code=3)
    finally:
        own = (user.home / ".databrickscfg").read_text().split("\n[gone]")[0]
        (user.home / ".databrickscfg").write_text(own)
    assert "cannot be reached" in done.stderr
    assert time.monotonic() - began < 60


def configured(user: User, **ssh: Any) -> None:
    """A dbmirror.toml that says how the sandbox's driver is reached."""
    settings = (user.home / "state" / "sandbox" / "dbmirror.toml").read_text()
    head, _, rest = settings.partition("[mirrors.demo.ssh]\n")
    identity, _, waivers = rest.partition("\n")
    lines = {"identity_file": identity.partition(" = ")[2], **{name: json.dumps(value) for name, value in ssh.items()}}
    text = "".join(f"{name} = {value}\n" for name, value in lines.items())
    (user.folder / "dbmirror.toml").write_text(f"{head}[mirrors.demo.ssh]\n{text}{waivers}")


def test_a_port_that_nobody_listens_on_says_what_that_means(user: User) -> None:
    configured(user, host="127.0.0.1", port=9)
    done = user.run("snapshot", "demo", "--via", "ssh", code=3)
    assert "refused" in done.stderr


def test_a_driver_that_says_nothing_is_given_up_at_the_deadline(user: User) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        configured(user, host="127.0.0.1", port=silent.getsockname()[1])
        began = time.monotonic()
        done = user.run("snapshot", "demo", "--via", "ssh", code=3)
    assert time.monotonic() - began < 60
    assert "s" in done.stderr
    assert not (user.folder / "mirrors").exists()


@pytest.fixture
def other_key(user: User) -> Iterator[Path]:
    """A key of the user's that no driver knows; afterwards ~/.ssh is as it was."""
    key = user.home / ".ssh" / "other_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=60)
    yield key
    key.unlink()
    key.with_suffix(".pub").unlink()


def test_a_key_that_the_driver_does_not_know_is_refused_in_words(user: User, other_key: Path) -> None:
    configured(user, identity_file=str(other_key))
    done = user.run("snapshot", "demo", "--via", "ssh", code=3)
    assert "other_key" in done.stderr
    assert "dbmirror ssh setup" in done.stderr


def test_a_terminated_cluster_is_started_only_on_request_and_the_workspace_vouches_for_its_new_key(made: User) -> None:
    before = tree(made.folder)
    ask(made, "terminate")
    try:
        stopped = made.run("snapshot", "demo", code=3)
        assert "is terminat" in stopped.stderr
        assert "--start" in stopped.stderr
    finally:
        started = made.run("snapshot", "demo", "--start", "--via", "ssh")
    assert "which was started anew since" in started.stderr
    assert "The workspace vouches for it" in started.stderr
    assert tree(made.folder) == before


def test_a_host_key_that_changes_without_a_restart_is_not_trusted(made: User, other_key: Path) -> None:
    pins = made.home / "state" / "known_hosts"
    real = pins.read_text()
    cluster = real.split()[0]
    pins.write_text(f"{cluster} {' '.join(other_key.with_suffix('.pub').read_text().split()[:2])}\n")
    before = tree(made.folder)
    try:
        changed = made.run("snapshot", "demo", code=3)
        assert "host key" in changed.stderr
        assert "has changed" in changed.stderr
        assert "started last at" in changed.stderr
        assert "dbmirror ssh repin demo" in changed.stderr
        assert tree(made.folder) == before
        refused = made.run("ssh", "repin", "demo", code=2)
        assert "The pinned key stays" in refused.stderr
        made.run("ssh", "repin", "demo", "--accept-host-key")
        made.run("snapshot", "demo")
    finally:
        pins.write_text(real)
    assert tree(made.folder) == before


class Garbage(BaseHTTPRequestHandler):
    """An index that answers every question with a login page."""

    def do_GET(self) -> None:
        body = b"<html><body><form>Please log in</form></body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def garbage() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Garbage)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/simple/"
    server.shutdown()
    server.server_close()


def test_an_index_that_is_down_ends_the_lock_and_keeps_the_old_one(made: User) -> None:
    before = tree(made.folder)
    done = made.run("lock", "demo", "--refresh", code=3, PIP_INDEX_URL="http://127.0.0.1:9/simple/")
    assert "127.0.0.1" in done.stderr
    assert tree(made.folder) == before


def test_an_index_that_answers_nonsense_ends_the_lock_and_keeps_the_old_one(made: User, garbage: str) -> None:
    before = tree(made.folder)
    made.run("lock", "demo", "--refresh", code=3, PIP_INDEX_URL=garbage)
    assert tree(made.folder) == before


def test_credentials_in_an_index_address_are_in_no_file_and_no_message(made: User) -> None:
    before = tree(made.folder)
    done = made.run(
        "lock", "demo", "--refresh", code=3, PIP_INDEX_URL="http://somebody:s3cr3t-canary@127.0.0.1:9/simple/"
    )
    assert "s3cr3t-canary" not in done.stdout + done.stderr
    assert tree(made.folder) == before


def test_without_docker_the_build_says_so_before_it_does_anything(user: User) -> None:
    done = user.run("build", "demo", code=4, DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert "Docker" in done.stderr
    assert list(user.folder.iterdir()) == []


def test_a_base_that_cannot_be_had_names_the_way_out(made: User) -> None:
    before = tree(made.folder)
    done = made.run("lock", "demo", "--base", "localhost:9/nowhere:1", code=4)
    assert "--base" in done.stderr
    assert tree(made.folder) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_keeps_what_was_there(made: User, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(small)], check=True, timeout=60)
    try:
        user = made.in_folder(small / "work")
        done = user.run("snapshot", "demo", code=2)
        assert "cannot be written" in done.stderr
        assert "space" in done.stderr.lower()
        assert tree(user.folder) == {}
    finally:
        subprocess.run(["umount", str(small)], check=True, timeout=60)


@pytest.mark.parametrize("stage", ["snapshot", "lock", "build"])
def test_ctrl_c_leaves_no_half_file_and_no_child(made: User, stage: str) -> None:
    before = tree(made.folder)
    arguments = {"snapshot": ["snapshot", "demo"], "lock": ["lock", "demo", "--refresh"], "build": ["build", "demo"]}
    process = made.start(*arguments[stage])
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(f"{stage}: started"):
            break
    time.sleep(0.3)
    done = interrupt(process)
    # 0: it was done before the key was pressed; the signal's own number: while the interpreter was ending. A shell
    # says 130 of that, too.
    assert done.code in {130, 0, -signal.SIGINT}
    assert "Traceback" not in done.stderr
    for name, content in tree(made.folder).items():
        assert Path(name).name in {".dockerignore", ".gitignore"} or not Path(name).name.startswith("."), name
        if name in before and not name.endswith(("build.json", "verification.json")):
            assert content == before[name]
    group = subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, text=True, timeout=60, check=False)
    assert group.stdout == ""


def test_a_damaged_snapshot_is_refused_with_the_remedy(made: User, tmp_path: Path) -> None:
    user = made.in_folder(tmp_path / "damaged")
    folder = user.folder / "mirrors" / "demo"
    folder.mkdir(parents=True)
    content = (made.folder / "mirrors" / "demo" / "snapshot.json").read_text()
    (folder / "snapshot.json").write_text(content.replace('"numpy"', '"numpy\\nRUN id"', 1))
    done = user.run("lock", "demo", code=2)
    assert "not a valid snapshot" in done.stderr
    assert "Take it again" in done.stderr


def test_the_private_key_is_the_user_s_alone(sandbox_user: User) -> None:
    key = sandbox_user.home / "state" / "sandbox" / "id_demo"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
