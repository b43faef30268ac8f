"""Debian packages are chosen without a network: what apt asks for is fetched for it, what it answers is checked."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dbmirror.fetch.store import Store
from dbmirror.http_client.client import Client
from dbmirror.http_client.logins import Feed, Logins
from dbmirror.lock.debs.archives import MOST_SOURCES, client_of_archives, read_archives
from dbmirror.lock.debs.lab import LAB, TUNNEL, LabDebs, serve, sums
from dbmirror.lock.debs.model import DebFile
from dbmirror.lock.debs.offline import parse_policy, read_files
from dbmirror.lock.debs.own_sources import archives_of_this_machine
from dbmirror.lock.errors import AptUnavailable
from tests.builders import a_lab_lock
from tests.lock.conftest import Answer

PACKAGES = gzip.compress(b"Package: acme\n", mtime=0)
SHA256 = hashlib.sha256(PACKAGES).hexdigest()
LINE = (
    "'copy:/tmp/dbmirror-apt/archive/http/deb.example/pool/a/acme_1%2b2_amd64.deb' acme_1%3a1+2_amd64.deb 12 "
    f"SHA256:{SHA256}"
)


class Archive:
    """A Debian archive on loopback."""

    def __init__(self, server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.base = f"{server.address}/debian/dists/stable/"
        self.wanted = [f"{self.base}InRelease", f"{self.base}main/binary-amd64/Packages.xz"]

    def put(self, path: str, content: bytes) -> None:
        self.server.answers[f"/debian/dists/stable/{path}"] = Answer(content=content)

    def release(self, *entries: str, more: str = "") -> bytes:
        lines = ["Origin: Test", *more.splitlines(), "SHA256:", *(f" {entry}" for entry in entries)]
        content = "".join(f"{line}\n" for line in lines).encode()
        self.put("InRelease", content)
        return content

    def read(self, wanted: list[str] | None = None) -> dict[str, bytes]:
        logins = Logins([Feed(url=f"{self.server.address}/", anonymous=True)])
        with Store(self.folder / "files") as store, Client(logins, pause=0.01) as client:
            return dict(read_archives(self.wanted if wanted is None else wanted, client=client, store=store))


@pytest.fixture
def archive(server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return Archive(server, tmp_path)


def test_a_list_comes_in_the_compression_that_the_release_has_and_by_its_hash(archive: Archive) -> None:
    release = archive.release(f"{SHA256} {len(PACKAGES)} main/binary-amd64/Packages.gz")
    archive.put("main/binary-amd64/Packages.gz", PACKAGES)

    assert archive.read() == {
        f"{archive.base}InRelease": release,
        f"{archive.base}main/binary-amd64/Packages.gz": PACKAGES,
    }


def test_an_archive_that_keeps_lists_by_hash_is_asked_for_them_so(archive: Archive) -> None:
    archive.release(
        f"{SHA256} {len(PACKAGES)} main/binary-amd64/Packages.gz",
        more="Acquire-By-Hash: yes\n",
    )
    archive.put("main/binary-amd64/Packages.gz", b"the next one")
    archive.put(f"main/binary-amd64/by-hash/SHA256/{SHA256}", PACKAGES)

    assert archive.read()[f"{archive.base}main/binary-amd64/Packages.gz"] == PACKAGES


def test_a_list_that_is_another_than_the_release_says_is_refused(archive: Archive) -> None:
    archive.release(f"{SHA256} {len(PACKAGES)} main/binary-amd64/Packages.gz", more="Acquire-By-Hash: yes\n")
    archive.put("main/binary-amd64/Packages.gz", b"x" * len(PACKAGES))

    with pytest.raises(AptUnavailable, match="another file than the one that was locked"):
        archive.read()


def test_what_a_release_does_not_list_is_not_asked_for(archive: Archive) -> None:
    for header in ("Architectures: amd64 i386\n", "Architectures: all\nNo-Support-for-Architecture-all: Packages\n"):
        archive.release(f"{SHA256} 9 main/binary-all/Packages.xz", more=header)
        wanted = [f"{archive.base}InRelease", f"{archive.base}main/binary-all/Packages.xz", *archive.wanted[1:]]
        assert archive.read(wanted).keys() == {f"{archive.base}InRelease"}


def test_a_release_that_cannot_be_had_is_an_error_that_names_it(archive: Archive) -> None:
    with pytest.raises(AptUnavailable, match=r"debian/dists/stable/InRelease answered 404"):
        archive.read()


def test_an_image_cannot_make_this_machine_ask_without_end_or_in_its_own_network(archive: Archive) -> None:
    with pytest.raises(AptUnavailable, match=f"{MOST_SOURCES} are the most"):
        archive.read([f"{archive.base}{number}/InRelease" for number in range(MOST_SOURCES + 1)])
    archive.release(f"{SHA256} {1 << 39} main/binary-amd64/Packages.xz")
    with pytest.raises(AptUnavailable, match="list more than"):
        archive.read()
    with (
        Store(archive.folder / "files") as store,
        client_of_archives(frozenset(), ca_bundle=None) as client,
        pytest.raises(AptUnavailable, match="for this machine alone"),
    ):
        read_archives(archive.wanted, client=client, store=store)


def test_the_archives_of_this_machines_own_apt_may_be_asked_and_nobody_logs_in_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = tmp_path / "apt"
    (apt / "sources.list.d").mkdir(parents=True)
    (apt / "sources.list").write_text(
        "deb [signed-by=/k.gpg] http://one.example/debian stable main\n# deb http://comment.example/ x y\n"
    )
    (apt / "sources.list.d" / "two.sources").write_text("Types: deb\nURIs: https://two.example:8443/debian\n")
    (tmp_path / "netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    own = archives_of_this_machine(apt)

    url = "http://one.example/debian/pool/a.deb"
    assert own.trusts(url)
    assert own.trusts("https://two.example:8443/debian/")
    for other in ("https://one.example/", "http://comment.example/", "http://two.example/"):
        assert not own.trusts(other)
    assert Logins([Feed(url=url)]).of(url) == ("me", "secret")
    assert own.of(url) is None
    assert not archives_of_this_machine(tmp_path / "another system").feeds


def test_what_apt_names_is_a_file_with_its_hash(archive: Archive) -> None:
    (file,) = read_files(f"Reading package lists...\n{LINE}\n")

    assert file.filename == "acme_1%3a1+2_amd64.deb"
    assert file.url == "http://deb.example/pool/a/acme_1%2b2_amd64.deb"
    assert (file.sha256, file.size) == (SHA256, 12)
    assert sums([file]) == f"{SHA256}  acme_1%3a1+2_amd64.deb\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace("SHA256:", "MD5Sum:"),
        lambda line: line.replace(SHA256, "0" * 63),
        lambda line: line.replace(" acme_", " ../acme_"),
        lambda line: line.replace(" acme_", " -acme_"),
        lambda line: line.replace(" acme_1%3a1+2_", " acme_"),
        lambda line: line.replace("archive/http/", "archive/file/"),
        lambda line: line.replace("deb.example", "deb.example/\x1b[2J"),
        lambda line: "'file:/etc/shadow' acme_1_all.deb 1 SHA256:" + SHA256,
    ],
)
def test_a_hostile_answer_of_apt_is_refused(change: Callable[[str], str]) -> None:
    with pytest.raises(AptUnavailable, match="cannot be fetched by hash"):
        read_files(change(LINE))


def test_a_file_says_which_package_it_is() -> None:
    (file,) = read_files(LINE)
    assert file.package == "acme:amd64=1:1+2"
    assert DebFile(filename="a_1~b-2_all.deb", url="http://deb.example/a", sha256=SHA256, size=1).package == "a=1~b-2"


POLICY = """\
python3-dbus:
  Installed: (none)
  Candidate: 1.3.2-4+b1
  Version table:
     1.3.2-4+b1 500
        500 http://archive.example bookworm/main amd64 Packages
python3-gone:
  Installed: (none)
  Candidate: (none)
  Version table:
libc6:amd64:
  Candidate: 2.36-9
"""


def test_candidates_are_read_and_packages_without_one_left_out() -> None:
    assert parse_policy(POLICY) == {"python3-dbus": "1.3.2-4+b1", "libc6": "2.36-9"}


def test_files_serve_the_images_and_the_names_that_they_were_chosen_for() -> None:
    debs = a_lab_lock().debs
    assert isinstance(debs, LabDebs)
    same = {"image": debs.image, "base": debs.base}
    assert serve(debs, debs.wanted, **same)
    assert not serve(debs, debs.wanted, image="another:1", base=debs.base)
    assert not serve(debs, debs.wanted, image=debs.image, base="another:1")
    assert not serve(debs, {**debs.wanted, LAB: ("evil",)}, **same)
    assert not serve(debs, {TUNNEL: debs.wanted[TUNNEL]}, **same)
