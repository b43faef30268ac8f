"""CRAN-like repositories as they are, and as they should not be."""

import gzip
import hashlib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dbmirror.fetch.store import Store
from dbmirror.files import sha256_hex
from dbmirror.http_client.refused import Refused
from dbmirror.lock.model import Missing
from dbmirror.lock.r.errors import RepositoryUnreachable
from dbmirror.lock.r.model import CranFile
from dbmirror.lock.r.packages_file import parse_packages
from dbmirror.lock.r.sources import RFound, RTarget, from_repositories
from dbmirror.sandbox.r_repository import make_repository, serve, source_archive
from tests.r_sources import make_package

from .conftest import ask

TARGET = RTarget(r_version="4.4.2", architecture="x86_64", os_id="ubuntu", os_version="24.04")
A_1 = source_archive(make_package("a", "1"))
Answers = dict[str, tuple[int, bytes]]


def md5_of(content: bytes) -> bytes:
    """What PACKAGES states of a file."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest().encode()


@contextmanager
def answering(answers: Answers | Callable[[str, str], tuple[int, bytes]]) -> Iterator[str]:
    """A server that says just this: path to status and content, or what a function of path and user agent gives."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            agent = self.headers["User-Agent"]
            found = answers(self.path, agent) if callable(answers) else answers.get(self.path, (404, b""))
            self.send_response(found[0])
            self.send_header("Content-Length", str(len(found[1])))
            self.end_headers()
            self.wfile.write(found[1])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def find(
    url: str, name: str, version: str, folder: Path, *, binary: str | None = None, store: Store | None = None
) -> RFound | Missing:
    with ask(url, binary=binary, store=store) as repositories:
        return from_repositories(name, version, repositories=repositories, target=TARGET, folder=folder)


def test_of_several_versions_the_newest_is_known_and_each_can_be_had() -> None:
    packages = parse_packages(
        b"Package: a\nVersion: 1.10\nMD5sum: "
        + b"0" * 32
        + b"\nImports: b (>= 1),\n c\n\n\nPackage: a\nVersion: 1.9-2\n"
    )
    assert packages.newest["a"].version == "1.10"
    assert set(packages.listed) == {("a", "1.10"), ("a", "1.9-2")}
    assert packages.newest["a"].depends == ("b", "c")


def test_hostile_paragraphs_are_passed_over() -> None:
    packages = parse_packages(
        b"Package: ok\nVersion: 1\n\nPackage: a;b\nVersion: 1\n\nPackage: c\nVersion: $(id)\n\n"
        b"Package: d\nVersion: 1\nPath: ../../etc\n\nPackage: e\nVersion: 1\nMD5sum: zz\n"
    )
    assert set(packages.listed) == {("ok", "1"), ("e", "1")}
    assert packages.listed["e", "1"].md5 is None


@pytest.mark.parametrize("content", [b"<html>Log in</html>", gzip.compress(b"hello", mtime=0), b"\x1f\x8bxx"])
def test_what_is_no_list_of_packages_is_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        parse_packages(content)


def test_an_empty_repository_is_one() -> None:
    assert not parse_packages(b"").listed


def test_a_login_page_in_place_of_the_list_is_one_clear_error(tmp_path: Path) -> None:
    page = {"/src/contrib/PACKAGES.gz": (200, b"<html>Log in</html>")}
    with answering(page) as url, pytest.raises(RepositoryUnreachable, match="no list of packages"):
        find(url, "a", "1", tmp_path)


def test_an_address_without_a_repository_is_one_clear_error(tmp_path: Path) -> None:
    with answering({}) as url, pytest.raises(RepositoryUnreachable, match="no PACKAGES file"):
        find(url, "a", "1", tmp_path)
    with pytest.raises(RepositoryUnreachable, match="no folder with src/contrib"):
        find((tmp_path / "missing").as_uri(), "a", "1", tmp_path)


def test_a_repository_that_wants_credentials_says_so(tmp_path: Path) -> None:
    with answering(lambda _path, _agent: (401, b"")) as url, pytest.raises(RepositoryUnreachable, match="netrc"):
        find(url, "a", "1", tmp_path)


def test_the_plain_list_serves_where_there_is_no_compressed_one(tmp_path: Path) -> None:
    listing = b"Package: a\nVersion: 1\nMD5sum: " + md5_of(A_1) + b"\n"
    with answering({"/src/contrib/PACKAGES": (200, listing), "/src/contrib/a_1.tar.gz": (200, A_1)}) as url:
        found = find(url, "a", "1", tmp_path)
    assert isinstance(found, RFound)


def test_a_file_that_is_not_the_one_that_the_repository_lists_is_not_taken(tmp_path: Path) -> None:
    listing = b"Package: a\nVersion: 1\nMD5sum: " + b"1" * 32 + b"\n"
    with answering({"/src/contrib/PACKAGES": (200, listing), "/src/contrib/a_1.tar.gz": (200, A_1)}) as url:
        found = find(url, "a", "1", tmp_path)
    assert found == Missing(reason="the file that the repository at 127.0.0.1 has is not the one that it lists")


def test_what_is_locked_is_kept_for_the_build_under_its_sha256(tmp_path: Path) -> None:
    listing = b"Package: a\nVersion: 1\nMD5sum: " + md5_of(A_1) + b"\n"
    files = {"/src/contrib/PACKAGES": (200, listing), "/src/contrib/a_1.tar.gz": (200, A_1)}
    with answering(files) as url, Store(tmp_path / "store") as store:
        found = find(url, "a", "1", tmp_path, store=store)
        assert isinstance(found, RFound)
        assert isinstance(found.source, CranFile)
        assert (found.source.sha256, found.source.size) == (sha256_hex(A_1), len(A_1))
        kept = store.path(found.source.sha256)
        assert kept is not None
        assert kept.read_bytes() == A_1


def test_a_file_below_a_folder_of_its_own_has_that_in_its_address(tmp_path: Path) -> None:
    listing = b"Package: a\nVersion: 1\nPath: 4.4.0/Recommended\nMD5sum: " + md5_of(A_1) + b"\n"
    files = {"/src/contrib/PACKAGES.gz": (200, listing), "/src/contrib/4.4.0/Recommended/a_1.tar.gz": (200, A_1)}
    with answering(files) as url:
        found = find(url, "a", "1", tmp_path)
    assert isinstance(found, RFound)
    assert found.source.url == f"{url}/src/contrib/4.4.0/Recommended/a_1.tar.gz"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>Log in</html>", "no package archive"),
        (source_archive(make_package("b", "1")), "without a DESCRIPTION of that package"),
        (source_archive(make_package("a", "2")), "a 2 under that name"),
        (source_archive(make_package("a", "1"))[:60], "no package archive"),
    ],
)
def test_an_archived_file_that_is_not_that_package_is_not_taken(content: bytes, words: str, tmp_path: Path) -> None:
    answers = {"/src/contrib/PACKAGES.gz": (200, b""), "/src/contrib/Archive/a/a_1.tar.gz": (200, content)}
    with answering(answers) as url, pytest.raises(RepositoryUnreachable, match=words):
        find(url, "a", "1", tmp_path)


def test_a_repository_that_fails_at_one_package_is_one_clear_error(tmp_path: Path) -> None:
    answers = {"/src/contrib/PACKAGES.gz": (200, b""), "/src/contrib/Archive/a/a_1.tar.gz": (403, b"")}
    words = "answered 403 Forbidden when it was asked for Archive/a/a_1"
    with answering(answers) as url, pytest.raises(RepositoryUnreachable, match=words):
        find(url, "a", "1", tmp_path)


def built(text: str) -> bytes:
    return source_archive(make_package("a", "1", {"Built": text}))


def both_forms(text: str) -> Callable[[str, str], tuple[int, bytes]]:
    """A server that gives R the built package and everyone else its source, under one address."""

    def answer(path: str, agent: str) -> tuple[int, bytes]:
        if path.endswith("PACKAGES.gz"):
            return 200, b"Package: a\nVersion: 1\n"
        return 200, built(text) if agent.startswith("R/4.4.2 R (4.4.2 x86_64") else source_archive(
            make_package("a", "1")
        )

    return answer


def test_a_built_package_is_taken_where_it_fits(tmp_path: Path) -> None:
    with answering(both_forms("R 4.4.1; x86_64-pc-linux-gnu; 2025-03-01 10:00:00 UTC; unix")) as url:
        found = find(url, "a", "1", tmp_path, binary=url)
    assert isinstance(found, RFound)
    assert found.source.binary  # type: ignore[union-attr]
    assert "binary" in found.reason


@pytest.mark.parametrize(
    "text",
    ["R 4.3.3; ; 2025-03-01; unix", "R 4.4.2; aarch64-unknown-linux-gnu; 2025; unix", "R 4.4.2; ; 2025; windows"],
)
def test_a_built_package_that_does_not_fit_is_left_for_the_source(text: str, tmp_path: Path) -> None:
    make_repository(tmp_path / "cran", current=[make_package("a", "1")], archived=[])
    with answering(both_forms(text)) as url, serve(tmp_path / "cran") as sources:
        found = find(sources, "a", "1", tmp_path, binary=url)
    assert isinstance(found, RFound)
    assert found.source.repository == sources  # type: ignore[union-attr]


def test_a_built_package_in_a_repository_of_sources_is_not_taken(tmp_path: Path) -> None:
    answers = {
        "/src/contrib/PACKAGES.gz": (200, b"Package: a\nVersion: 1\n"),
        "/src/contrib/a_1.tar.gz": (200, built("R 4.4.2; ; 2025; unix")),
    }
    with answering(answers) as url:
        found = find(url, "a", "1", tmp_path)
    assert isinstance(found, Missing)
    assert "not named as one" in found.reason


def test_a_certificate_that_is_not_trusted_names_the_option(tmp_path: Path, self_signed: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        with pytest.raises(RepositoryUnreachable, match="--ca-bundle"):
            find(f"https://127.0.0.1:{server.server_port}", "a", "1", tmp_path)
    finally:
        server.shutdown()
        server.server_close()
