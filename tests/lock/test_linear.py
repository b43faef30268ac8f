"""What a server or a cluster says is read in a time that grows with its length, whatever it is."""

import json
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from dbmirror.http_client.refused import Refused
from dbmirror.lock.git_program import last_words
from dbmirror.lock.python import project_page
from dbmirror.lock.python.cluster_indexes import cluster_indexes
from dbmirror.lock.python.project_page import parse_project_page
from dbmirror.lock.r import packages_file
from dbmirror.lock.r.packages_file import parse_packages
from dbmirror.snapshot import ClusterLibrary
from tests.builders import index_settings
from tests.linear import assert_linear


def or_refused(read: Callable[[str], object]) -> Callable[[str], object]:
    """`read`, for which to refuse is an answer, too."""

    def answered(text: str) -> None:
        with suppress(Refused):
            read(text)

    return answered


def html(page: str) -> object:
    return parse_project_page("acme", "text/html", page.encode(), "https://index.example/simple/acme/")


def repeated(piece: str, *, first: str = "", last: str = "") -> Callable[[int], str]:
    return lambda size: first + piece * (size // len(piece)) + last


PAGES = {
    "comments": repeated("<!--"),
    "ends of comments": repeated("<!-- --"),
    "declarations": repeated("<!"),
    "marked sections": repeated("<![CDATA["),
    "instructions": repeated("<?"),
    "brackets": repeated("<"),
    "tags": repeated("<a "),
    "ends of tags": repeated("</a"),
    "open links": repeated("<a href=x>"),
    "open quotes": repeated('<a href="'),
    "two kinds of quotes": repeated("\"'", first="<a href=", last=">"),
    "attributes": repeated("b ", first="<a ", last=">"),
    "signs of equality": repeated("=", first="<a b", last=">"),
    "white space": repeated(" ", first="<a b", last=">"),
    "scripts": repeated("<script>"),
    "ends of scripts": repeated("</script", first="<script>"),
    "bases": repeated("<base href=../x>"),
    "references": repeated("&#x"),
    "names": repeated("&lt", first="<a href=x>", last="</a>"),
    "a long address": repeated("../", first="<a href=", last=">acme-1.0.tar.gz</a>"),
    "a long name": repeated("-1.0", first="<a href=x>acme", last="-py3-none-any.whl</a>"),
    "a long digest": repeated("=", first="<a href=x#sha256", last=">acme-1.0.tar.gz</a>"),
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_of_an_index(page: Callable[[int], str]) -> None:
    assert_linear(or_refused(html), page)


@pytest.mark.parametrize("charset", ["punycode", "idna", "utf-7", "zlib", "utf-16", '"PUNYCODE"'])
def test_a_page_in_a_character_set_of_no_index(charset: str) -> None:
    page = b"a" * 60_000 + b"-" + b"b" * 60_000
    started = time.process_time()
    with pytest.raises(Refused, match="character set"):
        parse_project_page("acme", f"text/html; charset={charset}", page, "https://index.example/simple/acme/")
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", '; charset="UTF-8"', "; charset=ISO-8859-1"])
def test_a_page_in_the_character_set_of_an_index(charset: str) -> None:
    page = b'<a href="acme-1.0.tar.gz">acme-1.0.tar.gz</a>'
    (file,) = parse_project_page("acme", f"text/html{charset}", page, "https://index.example/simple/acme/")
    assert file.url == "https://index.example/simple/acme/acme-1.0.tar.gz"


def test_a_page_of_more_files_than_a_project_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_page, "MOST_FILES", 1000)
    file = {"filename": "acme-1.0.tar.gz", "url": "x", "hashes": {}}
    answers = {
        "text/html": b"<a href=x>acme-1.0.tar.gz</a>" * 1001,
        "application/vnd.pypi.simple.v1+json": json.dumps(
            {"meta": {"api-version": "1.0"}, "name": "acme", "files": [file] * 1001}
        ).encode(),
    }
    for kind, page in answers.items():
        with pytest.raises(Refused, match="more than 1000 files"):
            parse_project_page("acme", kind, page, "https://index.example/simple/acme/")


def test_a_page_whose_many_links_start_from_a_long_address() -> None:
    long = "https://index.example/" + "x" * 60_000 + "/"
    link = b"<a href=acme-1.0.tar.gz>acme-1.0.tar.gz</a>" * 100
    for page, address in ((link, long), (f"<base href={long}>".encode() + link, "https://index.example/simple/acme/")):
        with pytest.raises(Refused, match="no project page"):
            parse_project_page("acme", "text/html", page, address)


FILES: dict[str, Callable[[int], object]] = {
    "name": lambda size: {"filename": "a-" * (size // 2) + "1.whl", "url": "x", "hashes": {}},
    "address": lambda size: {"filename": "a-1.tar.gz", "url": "../" * (size // 3), "hashes": {}},
    "nested": lambda size: {"filename": "a-1.tar.gz", "url": "x", "hashes": {}, "more": "[" * size},
}


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_a_page_of_an_index_in_json(file: Callable[[int], object]) -> None:
    def read(text: str) -> object:
        return parse_project_page(
            "a", "application/vnd.pypi.simple.v1+json", text.encode(), "https://index.example/simple/a/"
        )

    assert_linear(
        or_refused(read), lambda size: json.dumps({"meta": {"api-version": "1.0"}, "name": "a", "files": [file(size)]})
    )
    assert_linear(or_refused(read), repeated("["))


@pytest.mark.parametrize(
    "text",
    [
        repeated("\n \t\r"),
        repeated("\n"),
        repeated("A:\n "),
        repeated("Package: a,"),
        repeated("Imports: ((", first="Package: a\n"),
    ],
)
def test_a_list_of_r_packages(text: Callable[[int], str]) -> None:
    assert_linear(or_refused(lambda text: parse_packages(text.encode())), text)


def test_a_list_of_more_packages_than_a_repository_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages_file, "MOST_PARAGRAPHS", 1000)
    with pytest.raises(Refused, match="too many packages"):
        parse_packages(b"a\n\n" * 1001)


@pytest.mark.parametrize("text", [repeated("//"), repeated("//a"), repeated("@"), repeated("a", first="//")])
def test_what_git_says(text: Callable[[int], str]) -> None:
    assert_linear(lambda text: last_words(text.encode()), text)


@pytest.mark.parametrize("text", [repeated("a"), repeated("a "), repeated(" --index-url "), repeated("[", first="a")])
def test_a_library_of_a_cluster(text: Callable[[int], str]) -> None:
    def read(text: str) -> object:
        library = ClusterLibrary(kind="pypi", specification=text, status="INSTALLED")
        return cluster_indexes([library], index_settings(()))

    assert_linear(or_refused(read), text)
