"""The client: both forms of a page, retries, credentials, and what makes an index unusable."""

import datetime
import http.server
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dbmirror.lock.errors import IndexUnreachable
from dbmirror.lock.python.index import USELESS_AFTER, Index
from dbmirror.lock.python.project_page import Refused

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


def test_credentials_go_to_the_index_and_not_to_another_host(
    server: Any, loopback: Callable[[], Any], index_of: Clients
) -> None:
    server.credentials = "Basic amFuZTpzZWNyZXQ="
    server.add("six", "six-1.0.tar.gz")
    elsewhere = loopback()
    elsewhere.add("six", "six-1.0.tar.gz", b"content")
    client = index_of(server.url, credentials=("jane", "secret"))
    assert names(client, "six") == ["six-1.0.tar.gz"]
    other_host = elsewhere.address.replace("127.0.0.1", "localhost")
    client.download(f"{other_host}/files/six-1.0.tar.gz", location=client.settings.indexes[0])
    assert elsewhere.requests == [("/files/six-1.0.tar.gz", None)]


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
    with pytest.raises(IndexUnreachable, match="no answer in time"):
        names(index_of(server.url, deadline=0.2), "six")


@pytest.mark.parametrize(
    "body",
    [
        b"<html><form action=/login><input name=user></form></html>",
        b"<html><a href=/imprint>Imprint</a><a href=/help>Help</a></html>",
    ],
)
def test_a_web_page_is_not_taken_for_an_empty_project(server: Any, index_of: Clients, body: bytes) -> None:
    server.say("/simple/six/", content=body)
    with pytest.raises(Refused, match="login"):
        names(index_of(server.url), "six")


def test_an_empty_html_page_is_a_project_without_files(server: Any, index_of: Clients) -> None:
    server.say("/simple/six/", content=b"<!DOCTYPE html><html><body></body></html>")
    assert names(index_of(server.url), "six") == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/vnd.pypi.simple.v1+json", b'{"meta": {"api-version": "1.0"}, "name": "six", "files": [{"filena'),
        ("application/vnd.pypi.simple.v1+json", b'["six"]'),
        ("application/vnd.pypi.simple.v1+json", b'{"meta": {"api-version": "9.0"}, "name": "six", "files": []}'),
        ("text/html; charset=nonesuch", b"<html></html>"),
        ("application/octet-stream", b"\x00\x01"),
    ],
)
def test_nonsense_is_refused(server: Any, index_of: Clients, kind: str, body: bytes) -> None:
    server.say("/simple/six/", content=body, kind=kind)
    with pytest.raises(Refused):
        names(index_of(server.url), "six")


def test_an_answer_that_breaks_off_is_refused(server: Any, index_of: Clients) -> None:
    server.say("/simple/six/", content=b"<html>", cut=True)
    with pytest.raises(Refused, match="broke off"):
        names(index_of(server.url), "six")


@pytest.mark.parametrize(("status", "remedy"), [(403, "netrc"), (500, "simple API")])
def test_an_index_that_refuses_everything_ends_the_run_after_a_few(
    server: Any, index_of: Clients, status: int, remedy: str
) -> None:
    client = index_of(server.url)
    for number in range(USELESS_AFTER):
        server.say(f"/simple/p{number}/", status=status)
    for number in range(USELESS_AFTER - 1):
        with pytest.raises(Refused, match=str(status)):
            names(client, f"p{number}")
    with pytest.raises(IndexUnreachable, match=str(status)) as caught:
        names(client, f"p{USELESS_AFTER - 1}")
    assert remedy in caught.value.remedy


def test_an_index_that_answered_once_may_refuse_as_many_as_it_likes(server: Any, index_of: Clients) -> None:
    client = index_of(server.url)
    assert names(client, "nonesuch") is None
    for number in range(USELESS_AFTER + 2):
        server.say(f"/simple/p{number}/", status=403)
        with pytest.raises(Refused):
            names(client, f"p{number}")
    client.check_answered()


def test_an_index_that_only_ever_failed_is_found_out_at_the_end(server: Any, index_of: Clients) -> None:
    client = index_of(server.url)
    server.say("/simple/six/", status=403)
    with pytest.raises(Refused):
        names(client, "six")
    with pytest.raises(IndexUnreachable, match="403"):
        client.check_answered()


def test_a_file_larger_than_allowed_is_not_read_to_its_end(server: Any, index_of: Clients) -> None:
    server.add("six", "six-1.0.tar.gz", b"x" * 5000)
    with pytest.raises(Refused, match="larger"):
        index_of(server.url).download(f"{server.address}/files/six-1.0.tar.gz", limit=100)


def test_a_download_that_fails_never_ends_the_run(index_of: Clients) -> None:
    with pytest.raises(Refused):
        index_of("http://127.0.0.1:9/simple/").download("http://127.0.0.1:9/x.whl")


@pytest.fixture
def secure_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An https server whose certificate no one trusts, and that certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = tmp_path / "ca.pem", tmp_path / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, *_arguments: object) -> None:
            pass

    server = Quiet(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}/simple/", pem
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
    with pytest.raises(Refused, match="501"):  # the bare server knows no GET: TLS was passed
        names(index_of(secure_server[0], ca_bundle=secure_server[1]), "six")
