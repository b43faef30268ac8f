"""The command line as a user who is not root runs it, and what a neighbour on the same machine sees of that."""

from __future__ import annotations

import configparser
import grp
import http.client
import json
import os
import pwd
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.stack.conftest import LIGHT, Done
from tests.stack.lab.stack import docker

pytestmark = pytest.mark.stack

CHECKOUT = Path(__file__).parents[2]
SOCKET = Path("/var/run/docker.sock")
SETTINGS = (".config/pip/pip.conf", ".pip/pip.conf", ".config/uv/uv.toml")
"""Where this machine's index may be named; an account of its own has none of them."""
LOOK = (Path(__file__).parent / "neighbours_look.py").read_text()
OF_MACHINE = ("DOCKER_HOST", "LANG", "PIP_", "UV_INDEX", "UV_DEFAULT_INDEX")
OF_NETWORK = ("_PROXY", "_CA_BUNDLE", "CERT_FILE", "_CERT")
"""How variables begin and end that say how this machine reaches others."""
TEMPORARY = [f"{place}/dbmirror-*" for place in ("/tmp", "/var/tmp", "/dev/shm")]
FILE = {"type": "file", "format": "text", "content": "mine"}
CONNECT = """
import socket, sys
with socket.socket(socket.AF_UNIX) as probe:
    try:
        probe.connect(sys.argv[1])
        print("connected")
    except OSError as error:
        print(type(error).__name__)
"""


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user of this machine, with a home that others may enter, as many systems make it."""

    name: str
    home: Path
    uid: int
    groups: tuple[int, ...] = ()
    environment: dict[str, str] = field(default_factory=dict, repr=False)

    def start(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            argv,
            cwd=self.home,
            env=self.environment,
            user=self.uid,
            group=self.uid,
            extra_groups=list(self.groups),
            umask=0o022,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *argv: str, code: int = 0, stdin: str = "", timeout: float = 600) -> Done:
        process = self.start(*argv)
        try:
            stdout, stderr = process.communicate(stdin, timeout)
        finally:
            process.kill()
        return Done(process.returncode, stdout, stderr).expect(code)


@contextmanager
def account(*, in_group: int | None = None) -> Iterator[Account]:
    """An account that is removed with its processes and its files; `in_group` is a group that it is a member of."""
    name = f"dbmirror-{secrets.token_hex(4)}"
    groups = () if in_group is None else ("--groups", grp.getgrgid(in_group).gr_name)
    subprocess.run(["useradd", "--create-home", "--user-group", "--shell", "/bin/sh", *groups, name], check=True)
    try:
        known = pwd.getpwnam(name)
        home = Path(known.pw_dir)
        home.chmod(0o755)
        assert known.pw_gid == known.pw_uid
        environment = {"HOME": str(home), "USER": name, "LOGNAME": name, "SHELL": "/bin/sh", "PATH": os.environ["PATH"]}
        yield Account(
            name=name,
            home=home,
            uid=known.pw_uid,
            groups=() if in_group is None else (in_group,),
            environment=environment,
        )
    finally:
        end_processes(pwd.getpwnam(name).pw_uid)
        subprocess.run(["userdel", "--remove", name], check=True, capture_output=True)


def end_processes(uid: int) -> None:
    """End what runs as `uid` on this machine."""
    until = time.monotonic() + 20
    while pids := [int(path.name) for path in Path("/proc").glob("[0-9]*") if uid_of(path) == uid]:
        assert time.monotonic() < until, f"processes of {uid} do not end"
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def uid_of(path: Path) -> int | None:
    with suppress(OSError):
        return path.stat().st_uid
    return None


@dataclass(kw_only=True)
class Sight:
    """What somebody saw who looked for secrets."""

    found: list[tuple[str, str]] = field(default_factory=list)
    """The secret's name, and the place."""
    looks: int = 0


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The account whose sandbox and lab are up, and what it has that nobody else may read."""

    account: Account
    folder: Path
    program: Path
    secrets: dict[str, str] = field(repr=False)
    """Name of a secret to its text."""
    asked: list[str | None]
    """The logins that the private index was asked with."""
    looked_on: Sight
    """What the neighbour saw while it all was made."""
    built: dict[str, Any] = field(default_factory=dict)
    lab: dict[str, Any] = field(default_factory=dict)

    def run(self, *arguments: str) -> Done:
        return self.account.run("/bin/sh", "-c", 'cd work && exec "$0" "$@"', str(self.program), *arguments)

    @property
    def state(self) -> Path:
        return self.account.home / ".local" / "state" / "dbmirror"

    @property
    def lab_port(self) -> int:
        return urlsplit(self.lab["lab"]["url"]).port or 0

    @property
    def workspace_port(self) -> int:
        status = self.run("sandbox", "status", "--json").document["sandbox"]
        return urlsplit(status["workspace_url"]).port or 0

    @property
    def to_look_at(self) -> dict[str, Any]:
        """The secrets, and all places where they may be."""
        return {"secrets": self.secrets, "folders": [*TEMPORARY, str(self.account.home)], "pids": self.pids}

    @property
    def pids(self) -> list[int]:
        """The lab's processes."""
        names = docker("ps", "--filter", f"label=com.docker.compose.project.working_dir={self.mirror}", "--quiet")
        return [int(pid) for name in names.split() for pid in docker("top", name, "-eo", "pid").split()[1:]]

    @property
    def mirror(self) -> Path:
        return self.folder / "mirrors" / "demo"


@pytest.fixture(scope="module")
def neighbour() -> Iterator[Account]:
    """Another account of the machine, in no group but its own."""
    with account() as made:
        yield made


@contextmanager
def private_index(password: str) -> Iterator[tuple[str, list[str | None]]]:
    """The address of an index that asks for a login and has no package, and the logins that came."""
    asked: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Authorization"))
            self.send_response(404 if asked[-1] else 401)
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}/simple/", asked
    finally:
        server.shutdown()
        server.server_close()


def install(user: Account) -> Path:
    """The program of this checkout, installed where `user` reaches it, with an interpreter that it can read."""
    candidates = [sys.executable, *(f"/usr/bin/python3{minor}" for minor in ("", ".14", ".13", ".12", ".11"))]
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    for candidate in map(os.path.realpath, candidates):
        with suppress(OSError, AssertionError):
            user.run(candidate, "-c", check)
            break
    else:
        pytest.fail("no Python from 3.11 on that another account can run: install python3 of the system")
    uv, venv = str(Path(sys.executable).parent / "uv"), user.home / "venv"
    environment = {**os.environ, "UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
    pip = [uv, "pip", "install", "--quiet", "--python", str(venv / "bin" / "python")]
    for argv in (
        [uv, "venv", "--quiet", "--python", candidate, str(venv)],
        [*pip, "--constraint", str(CHECKOUT / "tools" / "development.txt"), str(CHECKOUT)],
    ):
        subprocess.run(argv, env=environment, check=True, capture_output=True, timeout=300)
    return venv / "bin" / "dbmirror"


def sees(program: Path, user: Account, about: dict[str, Any]) -> list[tuple[str, str]]:
    """The secrets that `user` sees by one look, each with its place."""
    sight = Sight()
    with looking(program, user, about, sight):
        pass
    return sight.found


@contextmanager
def looking(program: Path, user: Account, about: dict[str, Any], sight: Sight) -> Iterator[None]:
    """Let `user` look until the block ends; `sight` is then what it saw."""
    process = user.start(str(program.with_name("python")), "-I", "-c", LOOK)
    assert process.stdin is not None
    process.stdin.write(json.dumps(about) + "\n")
    process.stdin.flush()
    try:
        yield
    finally:
        stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    said = json.loads(stdout)
    sight.found, sight.looks = [(name, place) for name, place in said["found"]], said["looks"]


@pytest.fixture(scope="module")
def owner(neighbour: Account) -> Iterator[Owner]:
    """An account in the group docker with sandbox, image and lab, made while the neighbour looked on."""
    password = f"password-{secrets.token_hex(12)}"
    with account(in_group=SOCKET.stat().st_gid) as user, private_index(password) as (index, asked):
        user.environment.update(
            {
                name: value
                for name, value in os.environ.items()
                if name.startswith(OF_MACHINE) or name.upper().endswith(OF_NETWORK)
            }
        )
        program, folder = install(user), user.home / "work"
        give(user, folder)
        for name in SETTINGS:
            if (Path.home() / name).is_file():
                give(user, user.home / name, (Path.home() / name).read_bytes())
        give(user, user.home / ".netrc", f"machine localhost login me password {password}\n".encode())
        give(user, folder / "dbmirror.toml", f'{LIGHT}\n[index]\nextra_urls = ["{index}"]\n'.encode(), mode=0o644)
        secret, sight = {"index": password}, Sight()
        made = Owner(account=user, folder=folder, program=program, secrets=secret, asked=asked, looked_on=sight)
        try:
            with looking(program, neighbour, {"secrets": dict(secret), "folders": TEMPORARY}, sight):
                made.run("sandbox", "up")
                made.built.update(made.run("build", "demo", "--json").document)
                made.lab.update(made.run("lab", "up", "demo", "--json").document)
            state = made.state
            profiles = configparser.ConfigParser(interpolation=None)
            profiles.read(state / "sandbox" / "databrickscfg")
            (token,) = (state / "lab").glob("*/token")
            made.secrets.update(
                workspace=profiles["demo"]["token"],
                key=(state / "sandbox" / "id_demo").read_text().splitlines()[2],
                jupyter=token.read_text().strip(),
            )
            yield made
        finally:
            ending = user.start("/bin/sh", "-c", 'cd work; "$0" lab down demo; "$0" sandbox down', str(program))
            ending.communicate(timeout=300)
            remove_images(user, made.built)


def give(user: Account, path: Path, content: bytes | None = None, *, mode: int = 0o600) -> None:
    """Make `path` in the home of `user`, a folder where it has no content."""
    for folder in reversed(path.relative_to(user.home).parents[:-1]):
        give(user, user.home / folder) if not (user.home / folder).is_dir() else None
    if content is None:
        path.mkdir(mode=0o755)
    else:
        path.write_bytes(content)
        path.chmod(mode)
    os.chown(path, user.uid, user.uid)


def remove_images(user: Account, built: dict[str, Any]) -> None:
    """Remove the tags that belong to this account alone, and its mirror's."""
    listed = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    own = [tag for tag in listed if tag.endswith(f"-u{user.uid}")]
    own += [built["image"]["tag"]] if built else []
    if own:
        docker("rmi", *own)


def test_a_user_who_is_not_root_has_a_verified_image_and_a_lab_that_works(owner: Owner) -> None:
    assert owner.built["verification"]["passed"] is True
    status = owner.run("lab", "status", "demo", "--json").document["lab"]
    assert status["running"] is True
    assert status["tunnel"]["state"] == "connected"
    assert {each["health"] for each in status["services"]} == {"healthy"}


def test_all_that_was_made_is_the_users_own(owner: Owner) -> None:
    answer, _ = asks(owner.lab_port, "PUT", "/api/contents/mine.txt", token=owner.secrets["jupyter"], body=FILE)
    assert answer == 201
    assert (owner.mirror / "notebooks" / "mine.txt").is_file()
    own = owner.account.uid
    made = [path for top in (owner.folder, owner.state) for path in (top, *top.rglob("*"))]
    assert len(made) > 50
    assert [path for path in made if path.lstat().st_uid != own] == []


def test_the_owner_reads_the_secrets_where_they_are(owner: Owner) -> None:
    seen = sees(owner.program, owner.account, owner.to_look_at)
    assert {name for name, _ in seen} == {"index", "workspace", "key", "jupyter"}
    assert {name for name, place in seen if place.startswith("/proc/")} >= {"workspace", "key", "jupyter"}


def test_a_neighbour_reads_none_of_them(owner: Owner, neighbour: Account) -> None:
    assert sees(owner.program, neighbour, owner.to_look_at) == []


def test_a_neighbour_who_looked_on_saw_no_login_on_its_way(owner: Owner) -> None:
    assert any(owner.asked), "the index was asked with its login"
    assert owner.looked_on.looks > 10
    assert owner.looked_on.found == []


def test_a_neighbour_gets_no_answer_without_a_token(owner: Owner) -> None:
    for path in ("/api/contents", "/api/kernels", "/api/sessions", "/api/terminals", "/files/mine.txt"):
        status, content = asks(owner.lab_port, "GET", path)
        assert status in {302, 403}, path
        assert owner.secrets["jupyter"] not in content
    port = owner.workspace_port
    for method, path in (
        *(("GET", f"/api/2.1/clusters/{verb}") for verb in ("list", "get")),
        *(("GET", "/sandbox/state"), ("POST", "/sandbox/open"), ("POST", "/sandbox/terminate")),
    ):
        status, _ = asks(port, method, path, body={"image": "anybodys:1"})
        assert status == 401, path


@pytest.mark.parametrize("path", ["root/run/dbmirror/tunnel/control", "root/run/dbmirror/tunnel/probe"])
def test_a_neighbour_reaches_no_socket_of_the_lab(owner: Owner, neighbour: Account, path: str) -> None:
    # Some processes of the lab have ended since they were counted, such as those that ask for its health.
    places = {f"/proc/{pid}/{path}": Path(f"/proc/{pid}") for pid in owner.pids}
    assert "connected" in {connects(owner, owner.account, place) for place in places}
    ends = {place: connects(owner, neighbour, place) for place in places}
    assert {end for place, end in ends.items() if places[place].exists()} == {"PermissionError"}


def test_a_neighbour_does_not_reach_the_engine(owner: Owner, neighbour: Account) -> None:
    assert connects(owner, owner.account, str(SOCKET)) == "connected"
    assert connects(owner, neighbour, str(SOCKET)) == "PermissionError"


def connects(owner: Owner, user: Account, path: str) -> str:
    """How a connection of `user` to the Unix socket `path` ends."""
    return user.run(str(owner.program.with_name("python")), "-I", "-c", CONNECT, path).stdout.strip()


def asks(
    port: int, method: str, path: str, *, token: str | None = None, body: dict[str, Any] | None = None
) -> tuple[int, str]:
    """Status and content of what answers on `port` of this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {} if token is None else {"Authorization": f"token {token}"}
        connection.request(method, path, json.dumps(body or {}) if method != "GET" else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()
