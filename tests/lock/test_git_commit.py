"""A commit of a git repository becomes an archive; nothing else that an address says is done."""

import io
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from dbmirror.files import sha256_hex
from dbmirror.http_client.client import Client
from dbmirror.http_client.logins import Feed, Logins
from dbmirror.http_client.refused import Refused
from dbmirror.inventory.model import DirectUrl
from dbmirror.lock.git_commit import archive_commit, safe_url
from dbmirror.lock.git_program import last_words

ELSEWHERE = "http://192.0.3.7"
"""An address of the internet; a proxy of the user's, on this machine, answers for it."""


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, under its own address and as a proxy under any other."""

    asked: ClassVar[list[tuple[str, str | None]]] = []
    """Path and Authorization of each request."""
    redirects: ClassVar[dict[str, str]] = {}
    """Where addresses that start so lead to."""
    later: ClassVar[dict[str, str]] = {}
    """The same for what is asked for a second time."""
    private: ClassVar[list[str]] = []
    """How addresses start that want credentials."""

    def do_GET(self) -> None:
        authorization = self.headers.get("Authorization")
        again = self.path in {path for path, _ in self.asked}
        self.asked.append((self.path, authorization))
        redirects = self.redirects | (self.later if again else {})
        moved = next((start for start in redirects if self.path.startswith(start)), None)
        if moved is not None:
            self._say(302, "Location", redirects[moved] + self.path.removeprefix(moved))
        elif authorization is None and self.path.startswith(tuple(self.private)):
            self._say(401, "WWW-Authenticate", 'Basic realm="x"')
        else:
            super().do_GET()

    def _say(self, status: int, name: str, value: str) -> None:
        self.send_response(status)
        self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix(ELSEWHERE))

    def copyfile(self, source: Any, outputfile: Any) -> None:
        with suppress(OSError):
            super().copyfile(source, outputfile)

    def log_message(self, *_arguments: object) -> None:
        pass


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t.example", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """Address and commits of a repository that a plain web server hands out."""
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "--quiet", "-b", "main")
    commits = []
    for number in (1, 2):
        (work / "setup.py").write_text(f"# {number}\n")
        (work / "run.sh").write_text("#!/bin/sh\n")
        (work / "run.sh").chmod(0o755)
        (work / "pkg").mkdir(exist_ok=True)
        (work / "pkg" / "link").unlink(missing_ok=True)
        (work / "pkg" / "link").symlink_to("../setup.py")
        git(work, "add", "--all")
        git(work, "commit", "--quiet", "-m", str(number))
        commits.append(git(work, "rev-parse", "HEAD"))
    served = tmp_path / "served" / "repo.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(work), str(served))
    git(served, "update-server-info")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "served")))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    for record in (Handler.asked, Handler.redirects, Handler.later, Handler.private):
        record.clear()
    yield f"http://127.0.0.1:{server.server_port}/repo.git", commits
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(repository: tuple[str, list[str]]) -> Iterator[Client]:
    """A client that trusts the web server of the repository, as an index of the user's own."""
    with Client(Logins([Feed(url=repository[0])]), pause=0.0) as client:
        yield client


@pytest.fixture
def stranger() -> Iterator[Client]:
    """A client that trusts no place."""
    with Client(pause=0.0) as client:
        yield client


@pytest.fixture
def behind_a_proxy(repository: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The repository where a proxy of the user's finds it, who has credentials for that place; its address."""
    for name in ("no_proxy", "NO_PROXY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", repository[0].removesuffix("/repo.git"))
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text("machine 192.0.3.7 login jane password word\n")
    (home / ".netrc").chmod(0o600)
    helper = "!f() { echo username=jane; echo password=word; }; f"
    (home / ".gitconfig").write_text(f'[credential]\n\thelper = "{helper}"\n[http]\n\textraHeader = "X-Key: word"\n')
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return f"{ELSEWHERE}/repo.git"


def test_exactly_the_commit_is_archived_even_if_it_is_not_the_newest(
    repository: tuple[str, list[str]], client: Client, tmp_path: Path
) -> None:
    url, (first, _) = repository
    origin = DirectUrl(url=url, vcs="git", commit=first)
    source = archive_commit(origin, name="acme", version="1.5", folder=tmp_path, client=client)
    assert (source.url, source.commit, source.path) == (url, first, f"sources/acme-{first}.tar.gz")
    content = (tmp_path / source.path).read_bytes()
    assert source.sha256 == sha256_hex(content)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = {member.name: member for member in archive}
        root = f"acme-{first}"
        assert list(members) == [f"{root}/{name}" for name in ("PKG-INFO", "pkg/link", "run.sh", "setup.py")]
        assert {(m.mtime, m.uid, m.gid, m.uname) for m in members.values()} == {(0, 0, 0, "")}
        assert members[f"{root}/run.sh"].mode == 0o755
        assert members[f"{root}/pkg/link"].linkname == "../setup.py"
        for name, text in {
            "setup.py": b"# 1\n",
            "PKG-INFO": b"Metadata-Version: 2.1\nName: acme\nVersion: 1.5\n",
        }.items():
            stream = archive.extractfile(f"{root}/{name}")
            assert stream is not None
            assert stream.read() == text


def test_the_same_commit_gives_the_same_bytes(
    repository: tuple[str, list[str]], client: Client, tmp_path: Path
) -> None:
    url, (_, second) = repository
    origin = DirectUrl(url=f"git+{url}", vcs="git", commit=second, subdirectory="pkg")
    one = archive_commit(origin, name="acme", version="1", folder=tmp_path / "a", client=client)
    other = archive_commit(origin, name="acme", version="1", folder=tmp_path / "b", client=client)
    assert one == other
    assert one.subdirectory == "pkg"


def test_a_file_of_the_commit_starts_no_program_that_git_is_configured_for(
    repository: tuple[str, list[str]], client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As git-lfs, which many users have set up for all their repositories."""
    url, _ = repository
    work, ran = tmp_path / "work", tmp_path / "ran"
    (work / ".gitattributes").write_text("*.py filter=lfs ident\n*.txt working-tree-encoding=UTF-16\n")
    (work / "setup.py").write_text("# $Id$ as it is\n")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "-m", "attributes")
    git(work, "push", "--quiet", str(tmp_path / "served" / "repo.git"), "main")
    git(tmp_path / "served" / "repo.git", "update-server-info")
    commit = git(work, "rev-parse", "HEAD")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".gitconfig").write_text(
        f'[filter "lfs"]\n\tsmudge = "touch {ran}; tr a-z A-Z"\n\trequired = true\n[core]\n\tautocrlf = true\n'
    )
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    source = archive_commit(
        DirectUrl(url=url, commit=commit), name="acme", version="1.0", folder=tmp_path / "mirror", client=client
    )
    assert not ran.exists()
    with tarfile.open(tmp_path / "mirror" / source.path) as archive:
        member = archive.extractfile(f"acme-{commit}/setup.py")
        assert member is not None
        assert member.read().endswith(b"as it is\n")


def test_a_commit_that_is_gone_is_told(repository: tuple[str, list[str]], client: Client, tmp_path: Path) -> None:
    origin = DirectUrl(url=repository[0], vcs="git", commit="ab" * 20)
    with pytest.raises(Refused, match="no longer has the commit abababababab"):
        archive_commit(origin, name="acme", version="1", folder=tmp_path, client=client)
    assert not (tmp_path / "sources").exists()


@pytest.mark.parametrize(
    "url",
    [
        "--upload-pack=touch /tmp/x",
        "ext::sh -c touch% /tmp/x",
        "ext://sh",
        "file:///etc",
        "/srv/repo",
        "git://host.example/x",
        "ssh://-oProxyCommand=x/repo",
        "https://-x/repo",
        "https://host.example/a b",
        "https://host.example/a?b=c",
        "https://host.example/a#b",
        "https://[host/a",
        "git@host.example:a/b.git",
        "https:///a",
    ],
)
def test_an_address_that_could_make_git_do_something_else_is_refused(
    url: str, stranger: Client, tmp_path: Path
) -> None:
    origin = DirectUrl(url=url, vcs="git", commit="0" * 40)
    with pytest.raises(Refused, match=r"^its repository (is not at an http|has no usable address)"):
        archive_commit(origin, name="a", version="1", folder=tmp_path, client=stranger)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://jane:secret@host.example/a.git", "https://host.example/a.git"),
        ("git+ssh://git:secret@host.example:22/a.git", "ssh://git@host.example:22/a.git"),
        ("ssh://-x@host.example/a.git", "ssh://host.example/a.git"),
    ],
)
def test_credentials_are_taken_out_of_the_address(url: str, safe: str) -> None:
    assert safe_url(url) == safe


def test_what_git_says_is_told_without_credentials_and_control_characters() -> None:
    said = b"hint\nfatal: https://jane:sec@ret@host.example/a.git \x1b[31mnot found\n"
    assert last_words(said) == "fatal: https://***@host.example/a.git [31mnot found"


@pytest.mark.parametrize("commit", [None, "abcdef1"])
def test_without_the_full_commit_nothing_is_fetched(commit: str | None, stranger: Client, tmp_path: Path) -> None:
    origin = DirectUrl(url="https://h.example/x", vcs="git", commit=commit)
    with pytest.raises(Refused, match="full commit"):
        archive_commit(origin, name="a", version="1", folder=tmp_path, client=stranger)


@pytest.mark.parametrize("subdirectory", ["../x", "/x", "a/../../b"])
def test_a_folder_outside_of_the_repository_is_refused(subdirectory: str, stranger: Client, tmp_path: Path) -> None:
    origin = DirectUrl(url="https://h.example/x", vcs="git", commit="0" * 40, subdirectory=subdirectory)
    with pytest.raises(Refused, match="outside"):
        archive_commit(origin, name="a", version="1", folder=tmp_path, client=stranger)


def test_a_repository_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)  # accepts and never handles: nothing serves it
    url = f"http://127.0.0.1:{server.server_port}/x.git"
    origin = DirectUrl(url=url, vcs="git", commit="0" * 40)
    with (
        Client(Logins([Feed(url=url)]), pause=0.0) as client,
        pytest.raises(Refused, match=r"no whole answer within 0\.2 s"),
    ):
        archive_commit(origin, name="a", version="1", folder=tmp_path, client=client, seconds=0.2)
    server.server_close()


def test_a_stranger_gets_no_credentials_of_this_machine(
    repository: tuple[str, list[str]], behind_a_proxy: str, stranger: Client, tmp_path: Path
) -> None:
    origin = DirectUrl(url=behind_a_proxy, vcs="git", commit=repository[1][0])
    source = archive_commit(origin, name="acme", version="1", folder=tmp_path, client=stranger)
    assert source.url == behind_a_proxy
    assert {authorization for _, authorization in Handler.asked} == {None}
    Handler.private.append(ELSEWHERE)
    with pytest.raises(Refused, match="git failed"):
        archive_commit(origin, name="acme", version="1", folder=tmp_path, client=stranger)
    assert {authorization for _, authorization in Handler.asked} == {None}


def test_the_host_of_an_index_of_the_users_own_gets_what_git_is_configured_for(
    repository: tuple[str, list[str]], behind_a_proxy: str, tmp_path: Path
) -> None:
    Handler.private.append(ELSEWHERE)
    origin = DirectUrl(url=behind_a_proxy, vcs="git", commit=repository[1][0])
    index = Feed(url=f"{ELSEWHERE}/simple/")
    with Client(Logins([index]), pause=0.0) as client:
        assert archive_commit(origin, name="acme", version="1", folder=tmp_path, client=client).url == behind_a_proxy
    assert any(authorization for _, authorization in Handler.asked)


def test_a_repository_that_moved_is_found(
    repository: tuple[str, list[str]], behind_a_proxy: str, stranger: Client, tmp_path: Path
) -> None:
    Handler.redirects[f"{ELSEWHERE}/moved/"] = f"{behind_a_proxy}/"
    url = f"{ELSEWHERE}/moved"
    origin = DirectUrl(url=url, vcs="git", commit=repository[1][0])
    assert archive_commit(origin, name="acme", version="1", folder=tmp_path, client=stranger).url == url


@pytest.mark.usefixtures("behind_a_proxy")
def test_a_repository_on_this_machine_is_not_asked_for_a_cluster(
    repository: tuple[str, list[str]], stranger: Client, tmp_path: Path
) -> None:
    Handler.redirects[f"{ELSEWHERE}/inside/"] = f"{repository[0]}/"
    for url in (repository[0], f"{ELSEWHERE}/inside"):
        origin = DirectUrl(url=url, vcs="git", commit=repository[1][0])
        with pytest.raises(Refused, match=r"its repository leads to 127\.0\.0\.1"):
            archive_commit(origin, name="acme", version="1", folder=tmp_path, client=stranger)
    assert not [path for path, _ in Handler.asked if not path.startswith(ELSEWHERE)]


def test_a_redirect_that_comes_after_dbmirror_looked_is_not_followed(
    repository: tuple[str, list[str]], behind_a_proxy: str, stranger: Client, tmp_path: Path
) -> None:
    Handler.later[f"{behind_a_proxy}/info/"] = f"{ELSEWHERE}/inside/info/"
    origin = DirectUrl(url=behind_a_proxy, vcs="git", commit=repository[1][0])
    with pytest.raises(Refused, match="git failed"):
        archive_commit(origin, name="acme", version="1", folder=tmp_path, client=stranger)
    assert not [path for path, _ in Handler.asked if path.startswith(f"{ELSEWHERE}/inside/")]


def test_ssh_would_take_this_machines_keys_along(stranger: Client, tmp_path: Path) -> None:
    origin = DirectUrl(url="git+ssh://git@code.example/a.git", vcs="git", commit="0" * 40)
    with pytest.raises(Refused, match="this machine's keys"):
        archive_commit(origin, name="acme", version="1", folder=tmp_path, client=stranger)


def test_ssh_is_used_with_the_host_of_an_index_of_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$@" > "{tmp_path}/said"\nexit 1\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    origin = DirectUrl(url="git+ssh://git@code.example/a.git", vcs="git", commit="0" * 40)
    index = Feed(url="https://code.example/api/simple/")
    with Client(Logins([index]), pause=0.0) as client, pytest.raises(Refused, match="git failed"):
        archive_commit(origin, name="acme", version="1", folder=tmp_path, client=client)
    assert "git@code.example" in (tmp_path / "said").read_text()


def make_tree(served: Path, listing: str) -> str:
    command = ["git", "-C", str(served), "mktree"]
    return subprocess.run(command, input=listing, capture_output=True, text=True, check=True).stdout.strip()


def add_commit(served: Path, tree: str) -> str:
    """A branch of the bare repository that has this tree; its commit."""
    commit = git(served, "commit-tree", "-m", "x", tree)
    git(served, "update-ref", "refs/heads/other", commit)
    git(served, "update-server-info")
    return commit


def test_a_repository_larger_than_allowed_is_left_while_it_comes_in(
    repository: tuple[str, list[str]], client: Client, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    large.write_bytes(os.urandom(8 << 20))
    served = tmp_path / "served" / "repo.git"
    blob = git(served, "hash-object", "-w", str(large))
    tree = make_tree(served, f"100644 blob {blob}\tlarge\n")
    origin = DirectUrl(url=repository[0], vcs="git", commit=add_commit(served, tree))
    with pytest.raises(Refused, match="its repository is too large"):
        archive_commit(origin, name="acme", version="1", folder=tmp_path, client=client, limit=1_000_000)
    assert not (tmp_path / "sources").exists()


def test_a_tree_without_end_is_left(repository: tuple[str, list[str]], client: Client, tmp_path: Path) -> None:
    """Ten folders, each the same one with ten folders, and so on: 10^9 files out of a few objects."""
    served = tmp_path / "served" / "repo.git"
    entry = "100644 blob " + git(served, "hash-object", "-w", str(tmp_path / "work" / "setup.py"))
    for _ in range(9):
        listing = "".join(f"{entry}\t{number}\n" for number in range(10))
        entry = f"040000 tree {make_tree(served, listing)}"
    origin = DirectUrl(url=repository[0], vcs="git", commit=add_commit(served, entry.split()[-1]))
    with pytest.raises(Refused, match="its repository is too large"):
        archive_commit(origin, name="acme", version="1", folder=tmp_path, client=client)


def test_a_repository_that_borrows_from_another_server_leads_nobody_there(
    repository: tuple[str, list[str]], behind_a_proxy: str, stranger: Client, tmp_path: Path
) -> None:
    served = tmp_path / "served" / "repo.git"
    (served / "objects" / "info" / "http-alternates").write_text(f"{ELSEWHERE}/inside/objects\n")
    for place in served.joinpath("objects").glob("??"):
        for path in place.iterdir():
            path.unlink()
    for path in served.glob("objects/pack/*"):
        path.unlink()
    origin = DirectUrl(url=behind_a_proxy, vcs="git", commit=repository[1][0])
    with pytest.raises(Refused, match=r"git failed|no longer has"):
        archive_commit(origin, name="acme", version="1", folder=tmp_path, client=stranger)
    assert not [path for path, _ in Handler.asked if path.startswith(f"{ELSEWHERE}/inside/")]


def test_a_name_that_git_alone_could_look_up_is_not_handed_to_it(
    repository: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that gives dbmirror no second answer could give git another one."""
    place = f"{repository[0]}/info/refs?service=git-upload-pack"
    with Client(pause=0.0) as client:
        monkeypatch.setattr(client, "final_address", lambda *_arguments, **_named: place)
        monkeypatch.setattr(client, "allowed_addresses", lambda *_arguments, **_named: ())
        origin = DirectUrl(url=repository[0], vcs="git", commit=repository[1][0])
        with pytest.raises(Refused, match="its host name is unknown"):
            archive_commit(origin, name="acme", version="1", folder=tmp_path, client=client)
    assert not Handler.asked
