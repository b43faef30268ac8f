"""The client: both forms of a page, retries, credentials, and what makes an index unusable."""

import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dbmirror.http_client.refused import Refused
from dbmirror.lock.errors import IndexUnreachable
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_location import IndexLocation
from tests.builders import index_settings

Clients = Callable[..., Index]


def names(client: Index, project: str) -> list[str] | None:
    found = client.project(client.settings.indexes[0], project)
    return None if found is None else [file.filename for file in found]


@pytest.mark.parametrize("form", ["json", "html"])
def test_a_project_page_is_read_in_either_form(server: Any, index_of: Clients, form: str) -> None:
    server.form = form
    sha256 = server.add("six", "six-1.0-py3-none-any.whl", **{"requires-python": ">=3.8", "yanked": True})
    client = index_of(server.url)
    (file,) = client.project(client.settings.indexes[0], "six") or ()
    assert (file.filename, file.requires_python, file.is_yanked) == ("six-1.0-py3-none-any.whl", ">=3.8", True)
    assert file.url == f"{server.address}/files/six-1.0-py3-none-any.whl"
    assert file.digests == {"sha256": sha256}


def test_a_project_that_the_index_has_not_is_none(server: Any, index_of: Clients) -> None:
    assert names(index_of(server.url), "nonesuch") is None


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_passing_failure_is_tried_again(server: Any, index_of: Clients, status: int) -> None:
    server.add("six", "six-1.0.tar.gz")
    sound = server.answer
    answers = iter([status, status])

    def flaky(path: str, authorization: str | None) -> Any:
        code = next(answers, None)
        answer = sound(path, authorization)
        if code is not None:
            answer.status = code
        return answer

    server.answer = flaky
    assert names(index_of(server.url), "six") == ["six-1.0.tar.gz"]
    assert server.asked("six") == 3


def test_credentials_go_to_the_index_and_its_files(server: Any, index_of: Clients) -> None:
    server.credentials = "Basic amFuZTpzZWNyZXQ="
    server.add("six", "six-1.0.tar.gz")
    client = index_of(server.url, credentials=("jane", "secret"))
    assert names(client, "six") == ["six-1.0.tar.gz"]
    client.download(f"{server.address}/files/six-1.0.tar.gz", location=client.settings.indexes[0])
    assert {authorization for _, authorization in server.requests} == {server.credentials}


def test_a_file_that_an_index_lists_on_this_machine_is_not_asked_for(
    server: Any, loopback: Callable[[], Any], index_of: Clients
) -> None:
    inside = loopback()
    inside.add("six", "six-1.0.tar.gz", b"secret")
    client = index_of(server.url, credentials=("jane", "secret"))
    with pytest.raises(Refused, match="for this machine alone"):
        client.download(f"{inside.address}/files/six-1.0.tar.gz", location=client.settings.indexes[0])
    assert not inside.requests


def test_missing_credentials_end_the_run_and_the_message_says_where_they_go(server: Any, index_of: Clients) -> None:
    server.credentials = "Basic amFuZTpzZWNyZXQ="
    with pytest.raises(IndexUnreachable, match="401") as caught:
        names(index_of(server.url, credentials=("jane", "wrong")), "six")
    assert "netrc" in caught.value.remedy
    assert "wrong" not in str(caught.value)
    assert caught.value.exit_code == 3


def test_an_index_that_is_down_ends_the_run(index_of: Clients) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/simple/"
        with pytest.raises(IndexUnreachable, match="connection refused"):
            names(index_of(url), "six")


def test_an_index_that_does_not_answer_in_time_ends_the_run(server: Any, index_of: Clients) -> None:
    server.say("/simple/six/", delay=1.0)
    with pytest.raises(IndexUnreachable, match=r"no whole answer within 0\.2 s"):
        names(index_of(server.url, seconds=0.2), "six")


@pytest.mark.parametrize(
    "body",
    [
        b"<html><form action=/login><input name=user></form></html>",
        b"<html><a href=/imprint>Imprint</a><a href=/help>Help</a></html>",
        b"<html><script>location = '/login'</script></html>",
        b'<html><meta http-equiv="Refresh" content="0; url=/login"></html>',
        b"<html><iframe src=/login></iframe></html>",
    ],
)
def test_a_web_page_is_not_taken_for_an_empty_project(server: Any, index_of: Clients, body: bytes) -> None:
    server.say("/simple/six/", content=body)
    with pytest.raises(IndexUnreachable, match="login"):
        names(index_of(server.url), "six")


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html><body></body></html>",
        b"<html><meta name='pypi:repository-version' content='1.0'><script src=/theme.js></script></html>",
    ],
)
def test_an_empty_html_page_is_a_project_without_files(server: Any, index_of: Clients, body: bytes) -> None:
    server.say("/simple/six/", content=body)
    assert names(index_of(server.url), "six") == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/vnd.pypi.simple.v1+json", b'{"meta": {"api-version": "1.0"}, "name": "six", "files": [{"filena'),
        ("application/vnd.pypi.simple.v1+json", b'["six"]'),
        ("application/vnd.pypi.simple.v1+json", b'{"meta": {"api-version": "9.0"}, "name": "six", "files": []}'),
        ("text/html; charset=nonesuch", b"<html></html>"),
        ("application/octet-stream", b"\x00\x01"),
        ("text/html", b""),
        ("text/html", b" \n"),
    ],
)
def test_nonsense_is_refused(server: Any, index_of: Clients, kind: str, body: bytes) -> None:
    server.say("/simple/six/", content=body, kind=kind)
    with pytest.raises(IndexUnreachable, match="when it was asked for six"):
        names(index_of(server.url), "six")


def test_an_answer_that_breaks_off_is_refused(server: Any, index_of: Clients) -> None:
    server.say("/simple/six/", content=b"<html>", cut=True)
    with pytest.raises(IndexUnreachable, match="broke off"):
        names(index_of(server.url), "six")


@pytest.mark.parametrize(
    ("status", "words", "remedy"),
    [
        (403, "answered 403 Forbidden when it was asked for six", "netrc"),
        (429, "answered 429 Too Many Requests when it was asked for six", "later"),
        (500, "answered 500 Internal Server Error when it was asked for six", "later"),
        (204, "answered 204 No Content when it was asked for six", "simple API"),
        (206, "answered 206 Partial Content when it was asked for six", "simple API"),
    ],
)
def test_any_other_answer_than_not_here_ends_the_run(
    server: Any, index_of: Clients, status: int, words: str, remedy: str
) -> None:
    server.add("other", "other-1.0.tar.gz")
    client = index_of(server.url)
    assert names(client, "other") == ["other-1.0.tar.gz"]
    server.say("/simple/six/", status=status)
    with pytest.raises(IndexUnreachable) as caught:
        names(client, "six")
    assert caught.value.message == f"The package index {server.url} (the test) {words}."
    assert remedy in caught.value.remedy


def test_a_status_that_the_user_says_means_not_here_does(server: Any) -> None:
    server.say("/simple/six/", status=403)
    location = IndexLocation(url=server.url, origin="the test", ignored_statuses=frozenset({403}))
    with Index(index_settings([location]), pause=0.0) as client:
        assert client.project(location, "six") is None


def test_a_file_larger_than_allowed_is_not_read_to_its_end(server: Any, index_of: Clients) -> None:
    server.add("six", "six-1.0.tar.gz", b"x" * 5000)
    with pytest.raises(Refused, match="larger"):
        index_of(server.url).download(f"{server.address}/files/six-1.0.tar.gz", limit=100)


def test_a_download_that_fails_never_ends_the_run(index_of: Clients) -> None:
    with pytest.raises(Refused):
        index_of("http://127.0.0.1:9/simple/").download("http://127.0.0.1:9/x.whl")


@pytest.fixture
def secure_server(tls: tuple[ssl.SSLContext, Path]) -> Iterator[tuple[str, Path]]:
    """An https server whose certificate no one trusts, and that certificate."""

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, *_arguments: object) -> None:
            pass

    server = Quiet(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = tls[0].wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}/simple/", tls[1]
    server.shutdown()
    server.server_close()


def test_a_certificate_that_is_not_trusted_ends_the_run_and_names_the_option(
    secure_server: tuple[str, Path], index_of: Clients
) -> None:
    with pytest.raises(IndexUnreachable, match="certificate verify failed") as caught:
        names(index_of(secure_server[0]), "six")
    assert "--ca-bundle" in caught.value.remedy


def test_the_given_ca_bundle_is_trusted_whatever_the_environment_says(
    secure_server: tuple[str, Path], index_of: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent.pem")
    with pytest.raises(IndexUnreachable, match="501"):  # the bare server knows no GET: TLS was passed
        names(index_of(secure_server[0], ca_bundle=secure_server[1]), "six")
