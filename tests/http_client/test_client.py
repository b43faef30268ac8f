"""A hostile or broken server costs a bounded time and size, and gets no login that is not its own."""

import errno
import gzip
import io
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from dbmirror.http_client.client import Answer, Client
from dbmirror.http_client.limits import ATTEMPTS, LARGEST_HEADER, REDIRECTS
from dbmirror.http_client.logins import Feed, Logins
from dbmirror.http_client.refused import Cause, Refused

from .conftest import Script, Server, plain, saying

Serve = Callable[[Script], Server]
Clients = Callable[..., Client]


def read(client: Client, url: str, **limits: float) -> bytes:
    return client.get(url, lambda answer: answer.content, **limits)  # type: ignore[arg-type]


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def then_closing(answer: bytes) -> Script:
    def script(connection: socket.socket, _path: str, _header: dict[str, str]) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)

    return script


def test_an_answer_is_handed_on_with_its_type_and_address(serve: Serve, client_of: Clients) -> None:
    server = serve(saying(plain(b"here", Content_Type="text/plain")))
    answer = client_of(server).get(f"{server.address}/a#b", lambda answer: answer)
    assert (answer.content, answer.kind, answer.url) == (b"here", "text/plain", f"{server.address}/a")


def dripping(first: bytes, drop: bytes) -> Script:
    def script(connection: socket.socket, _path: str, _header: dict[str, str]) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(drop)
            time.sleep(0.05)

    return script


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"X"),
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 9999999\r\nLocation: /\r\n\r\n", b"x"),
    ],
)
def test_what_drips_ends_when_the_time_is_over(serve: Serve, client_of: Clients, first: bytes, drop: bytes) -> None:
    server = serve(dripping(first, drop))
    started = time.monotonic()
    with pytest.raises(Refused) as caught:
        read(client_of(server), server.address, seconds=0.5)
    assert caught.value.cause in {Cause.TIMEOUT, Cause.GARBAGE, Cause.REDIRECT}
    assert time.monotonic() - started < 3


def test_a_server_that_falls_silent_has_gone(serve: Serve, client_of: Clients) -> None:
    server = serve(saying(plain(b"x" * 9)[:-5]))  # and then it waits for the next request
    with pytest.raises(Refused, match=r"sent nothing for 0\.05 s") as caught:
        read(client_of(server, idle=0.05), server.address, seconds=30)
    assert caught.value.cause is Cause.TIMEOUT
    assert len(server.asked) == ATTEMPTS


def test_a_body_slower_than_any_line_is_given_up(serve: Serve, client_of: Clients) -> None:
    server = serve(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", b"x"))
    with pytest.raises(Refused, match="bytes a second"):
        client_of(server, idle=0.15).download(server.address, seconds=60)


@pytest.mark.parametrize("bomb", [packed(bytes(4 << 20)), zlib.compress(bytes(4 << 20)), packed(b"x") * 5000])
def test_a_bomb_is_not_unpacked_beyond_the_limit(serve: Serve, client_of: Clients, bomb: bytes) -> None:
    server = serve(saying(plain(bomb, Content_Encoding="deflate" if bomb[:1] == b"x" else "gzip")))
    with pytest.raises(Refused, match="larger than 4096 bytes") as caught:
        read(client_of(server), server.address, limit=4096)
    assert caught.value.cause is Cause.TOO_LARGE
    assert len(server.asked) == 1


def test_what_was_packed_for_the_way_is_unpacked_and_a_file_is_not(serve: Serve, client_of: Clients) -> None:
    text = bytes(range(256)) * 3000
    body = packed(text[:1000]) + packed(text[1000:])
    server = serve(saying(plain(body, Content_Encoding="gzip")))
    client = client_of(server)
    assert read(client, server.address) == text
    file = io.BytesIO(b"left over from before, and longer than what comes now" * 500)
    assert client.download(server.address, file).size == len(body)
    assert file.getvalue() == body


@pytest.mark.parametrize(
    ("encoding", "body", "cause"),
    [
        ("br", b"x", Cause.GARBAGE),
        ("gzip, gzip", b"x", Cause.GARBAGE),
        ("gzip", b"no gzip", Cause.GARBAGE),
        ("gzip", packed(b"x" * 99)[:-9], Cause.CUT),
        ("gzip", b"", Cause.CUT),
    ],
)
def test_a_damaged_packing_is_named(serve: Serve, client_of: Clients, encoding: str, body: bytes, cause: Cause) -> None:
    server = serve(saying(plain(body, Content_Encoding=encoding)))
    with pytest.raises(Refused) as caught:
        read(client_of(server), server.address)
    assert caught.value.cause is cause


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"A%d: b\r\n" % number for number in range(5000)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * (1 << 20) + b"\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * (1 << 20) + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * (LARGEST_HEADER // 10),
        b"<html>no HTTP at all</html>\n" * 100,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * (1 << 20),
    ],
)
def test_an_endless_or_malformed_header_is_refused(serve: Serve, client_of: Clients, answer: bytes) -> None:
    server = serve(then_closing(answer))
    with pytest.raises(Refused) as caught:
        read(client_of(server), server.address, seconds=10)
    assert caught.value.cause in {Cause.GARBAGE, Cause.TOO_LARGE, Cause.CUT, Cause.CONNECTION}


@pytest.mark.parametrize("body", [b"x" * 5000, None])
def test_a_body_larger_than_allowed_is_not_read_to_its_end(
    serve: Serve, client_of: Clients, body: bytes | None
) -> None:
    def endless(connection: socket.socket, _path: str, _header: dict[str, str]) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    server = serve(endless if body is None else saying(plain(body)))
    with pytest.raises(Refused, match="larger than 100 bytes"):
        client_of(server).download(server.address, limit=100)


def test_a_body_that_breaks_off_is_asked_for_again_into_an_empty_file(serve: Serve, client_of: Clients) -> None:
    whole = plain(b"whole")

    def script(connection: socket.socket, _path: str, _header: dict[str, str]) -> None:
        connection.sendall(whole if len(server.asked) > 1 else whole[:-2])
        connection.shutdown(socket.SHUT_RDWR)

    server = serve(script)
    file = io.BytesIO()
    client_of(server).download(server.address, file)
    assert file.getvalue() == b"whole"
    assert len(server.asked) == 2


class FullDisk(io.BytesIO):
    def write(self, _content: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_not_the_servers_fault(serve: Serve, client_of: Clients) -> None:
    server = serve(saying(plain(b"x" * 9)))
    with pytest.raises(OSError, match="No space left"):
        client_of(server).download(server.address, FullDisk())
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        ("404 Not Found", Cause.NOT_FOUND),
        ("410 Gone", Cause.NOT_FOUND),
        ("401 Unauthorized", Cause.UNAUTHORISED),
        ("403 Forbidden", Cause.FORBIDDEN),
        ("418 \x1b[31mTeapot", Cause.STATUS),
        ("300 Choices", Cause.STATUS),
    ],
)
def test_a_status_has_its_cause_and_is_not_asked_twice(
    serve: Serve, client_of: Clients, status: str, cause: Cause
) -> None:
    server = serve(saying(plain(status=status)))
    with pytest.raises(Refused, match=f"answered {status[:3]}") as caught:
        read(client_of(server), server.address)
    assert (caught.value.cause, caught.value.status) == (cause, int(status[:3]))
    assert "\x1b" not in str(caught.value)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", ["429 Too Many Requests", "500 x", "502 x", "503 x", "504 x"])
def test_what_passes_is_asked_again(serve: Serve, client_of: Clients, status: str) -> None:
    server = serve(saying(plain(status=status), plain(status=status), plain(b"now")))
    assert read(client_of(server), server.address) == b"now"
    assert len(server.asked) == 3


def test_what_does_not_pass_ends_after_the_last_attempt(serve: Serve, client_of: Clients) -> None:
    server = serve(saying(plain(status="503 x")))
    with pytest.raises(Refused) as caught:
        read(client_of(server), server.address)
    assert caught.value.cause is Cause.BROKEN
    assert len(server.asked) == ATTEMPTS


def test_the_servers_own_wait_is_kept(serve: Serve, client_of: Clients) -> None:
    server = serve(saying(plain(status="429 x", Retry_After="1"), plain(b"now")))
    started = time.monotonic()
    assert read(client_of(server), server.address) == b"now"
    assert 1.0 <= time.monotonic() - started < 3.0


@pytest.mark.parametrize("wait", ["3600", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_wait_beyond_the_limit_ends_the_request_at_once(serve: Serve, client_of: Clients, wait: str) -> None:
    server = serve(saying(plain(status="429 x", Retry_After=wait)))
    started = time.monotonic()
    with pytest.raises(Refused) as caught:
        read(client_of(server), server.address, seconds=30)
    assert caught.value.cause is Cause.THROTTLED
    assert time.monotonic() - started < 5


def test_garbage_is_asked_for_again(serve: Serve, client_of: Clients) -> None:
    def parse(answer: Answer) -> bytes:
        if answer.content != b"page":
            raise Refused("is no page", cause=Cause.GARBAGE)
        return answer.content

    server = serve(saying(plain(b"<login>"), plain(b"page")))
    assert client_of(server).get(server.address, parse) == b"page"


def test_nobody_there_is_said_in_a_few_words(client_of: Clients) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{reserved.getsockname()[1]}/"
        with pytest.raises(Refused, match=r"^cannot be reached: connection refused$") as caught:
            read(client_of(Feed(url=address, user="jane", password="word")), address)
    assert caught.value.cause is Cause.CONNECTION


def test_a_plain_server_where_tls_was_meant_is_named(serve: Serve, client_of: Clients) -> None:
    server = serve(saying(plain()))
    server.greeting = plain(status="400 Bad Request")
    address = server.address.replace("http:", "https:")
    with pytest.raises(Refused, match="cannot be trusted") as caught:
        read(client_of(Feed(url=address)), address)
    assert caught.value.cause is Cause.TLS


def test_redirects_are_followed_and_in_circles_they_end(serve: Serve, client_of: Clients) -> None:
    server = serve(saying(plain(status="302 x", Location="b"), plain(b"there")))
    client = client_of(server)
    answer = client.get(f"{server.address}/a/a", lambda answer: answer)
    assert (answer.content, answer.url) == (b"there", f"{server.address}/a/b")
    circle = serve(saying(plain(status="307 x", Location="/")))
    with pytest.raises(Refused, match="circles"):
        read(client_of(circle), circle.address)
    assert len(circle.asked) == REDIRECTS


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://host.example/", "//[", "http://a b/", "ssh://host.example/"]
)
def test_a_redirect_out_of_http_is_not_followed(serve: Serve, client_of: Clients, target: str) -> None:
    server = serve(saying(plain(status="302 x", Location=target)))
    with pytest.raises(Refused, match="usable form"):
        read(client_of(server), server.address)
    assert len(server.asked) == 1


def test_a_redirect_to_this_machine_is_not_followed(serve: Serve, client_of: Clients) -> None:
    inside = serve(saying(plain(b"secret")))
    server = serve(saying(plain(status="302 x", Location=f"{inside.address}/secret")))
    with pytest.raises(Refused, match=r"leads to 127\.0\.0\.1") as caught:
        read(client_of(server), server.address)
    assert caught.value.cause is Cause.ADDRESS
    assert not inside.asked


def test_a_login_goes_to_its_own_origin_and_not_along_with_a_redirect(serve: Serve, client_of: Clients) -> None:
    other = serve(saying(plain(b"there")))
    server = serve(saying(plain(status="302 x", Location=f"{other.address}/b")))
    own = Feed(url=f"{server.address}/", user="jane", password="word")
    assert read(client_of(own, other), f"{server.address.replace('//', '//mallory:x@')}/a") == b"there"
    assert server.asked[0][1]["authorization"] == "Basic amFuZTp3b3Jk"
    assert "authorization" not in other.asked[0][1]


def test_tls_is_not_left_by_a_redirect(serve: Serve, tls: tuple[ssl.SSLContext, Path]) -> None:
    context, authority = tls
    clear = serve(saying(plain(b"in the clear")))

    def script(connection: socket.socket, _path: str, _header: dict[str, str]) -> None:
        connection.sendall(plain(status="302 x", Location=f"{clear.address}/"))

    server = serve(script)
    server.tls = context
    address = server.address.replace("http:", "https:")
    both = Logins([Feed(url=address), Feed(url=clear.address)])
    with Client(both, ca_bundle=authority) as client, pytest.raises(Refused, match="from https to http"):
        read(client, address)
    assert not clear.asked


def test_an_open_connection_is_used_again(serve: Serve, client_of: Clients) -> None:
    ports = set()

    def script(connection: socket.socket, _path: str, _header: dict[str, str]) -> None:
        ports.add(connection.getpeername()[1])
        connection.sendall(plain(b"x"))

    server = serve(script)
    client = client_of(server)
    for _ in range(3):
        read(client, server.address)
    assert len(ports) == 1


def test_closing_ends_what_waits_for_a_retry(serve: Serve, client_of: Clients) -> None:
    server = serve(saying(plain(status="503 x", Retry_After="20")))
    client = client_of(server)
    threading.Timer(0.2, client.close).start()
    started = time.monotonic()
    with pytest.raises(Refused):
        read(client, server.address)
    assert time.monotonic() - started < 5
