"""A commit of a git repository becomes an archive; nothing else that an address says is done."""

import io
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dbmirror.files import sha256_hex
from dbmirror.inventory.model import DirectUrl
from dbmirror.lock.git import _last_line, archive_commit, safe_url
from dbmirror.lock.project_page import Refused


class QuietHandler(SimpleHTTPRequestHandler):
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
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(tmp_path / "served")))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/repo.git", commits
    server.shutdown()
    server.server_close()


def test_exactly_the_commit_is_archived_even_if_it_is_not_the_newest(
    repository: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, (first, _) = repository
    source = archive_commit(DirectUrl(url=url, vcs="git", commit=first), name="acme", version="1.5", folder=tmp_path)
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


def test_the_same_commit_gives_the_same_bytes(repository: tuple[str, list[str]], tmp_path: Path) -> None:
    url, (_, second) = repository
    origin = DirectUrl(url=f"git+{url}", vcs="git", commit=second, subdirectory="pkg")
    one = archive_commit(origin, name="acme", version="1", folder=tmp_path / "a")
    other = archive_commit(origin, name="acme", version="1", folder=tmp_path / "b")
    assert one == other
    assert one.subdirectory == "pkg"


def test_a_commit_that_is_gone_is_told(repository: tuple[str, list[str]], tmp_path: Path) -> None:
    origin = DirectUrl(url=repository[0], vcs="git", commit="ab" * 20)
    with pytest.raises(Refused, match="no longer has the commit abababababab"):
        archive_commit(origin, name="acme", version="1", folder=tmp_path)
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
def test_an_address_that_could_make_git_do_something_else_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="address"):
        archive_commit(DirectUrl(url=url, vcs="git", commit="0" * 40), name="a", version="1", folder=tmp_path)


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
    assert _last_line(said) == "fatal: https://host.example/a.git ?[31mnot found"


@pytest.mark.parametrize("commit", [None, "abcdef1"])
def test_without_the_full_commit_nothing_is_fetched(commit: str | None, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="full commit"):
        archive_commit(
            DirectUrl(url="https://h.example/x", vcs="git", commit=commit), name="a", version="1", folder=tmp_path
        )


@pytest.mark.parametrize("subdirectory", ["../x", "/x", "a/../../b"])
def test_a_folder_outside_of_the_repository_is_refused(subdirectory: str, tmp_path: Path) -> None:
    origin = DirectUrl(url="https://h.example/x", vcs="git", commit="0" * 40, subdirectory=subdirectory)
    with pytest.raises(Refused, match="outside"):
        archive_commit(origin, name="a", version="1", folder=tmp_path)


def test_a_repository_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), QuietHandler)  # accepts and never handles: nothing serves it
    origin = DirectUrl(url=f"http://127.0.0.1:{server.server_port}/x.git", vcs="git", commit="0" * 40)
    with pytest.raises(Refused, match=r"no answer within 0\.5 s"):
        archive_commit(origin, name="a", version="1", folder=tmp_path, deadline=0.5)
    server.server_close()
