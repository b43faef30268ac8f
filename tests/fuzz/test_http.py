"""Whatever bytes a server sends, and whatever stands in the files of uv and pip, ends in a value or a named refusal."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmirror.config import IndexConfig
from dbmirror.errors import DbmirrorError
from dbmirror.http_client.client import Client
from dbmirror.http_client.logins import Feed, Logins
from dbmirror.http_client.refused import Refused
from dbmirror.lock.python.index_settings import find_indexes
from tests.fuzz.cases import NOISE, cases, damaged, limited

PACKED = gzip.compress(b"x" * 5000, mtime=0)
ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\npage",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\npage\r\n0\r\nA: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED) + PACKED,
    b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 300_000,
]
FILES = [
    b"index-url = 'https://a.example/simple'\nno-index = false\n[[index]]\nname = 'p'\nurl = 'https://u:p@b.example/s'\n"
    b"default = true\nexplicit = false\nignore-error-codes = [403]\n[pip]\nextra-index-url = ['https://c.example']\n",
    b"[tool.uv]\nindex-strategy = 'unsafe-best-match'\n[[tool.uv.index]]\nurl = '../folder'\n",
    b"[global]\nindex-url = https://a.example/simple\nextra-index-url =\n  https://b.example\n  file:///srv\n[install]\n"
    b"no-index = no\nkeyring-provider = subprocess\n",
]


class Server:
    """Sends the same bytes on each connection, and closes it."""

    def __init__(self) -> None:
        self.says = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with suppress(OSError), connection:
                    connection.recv(65536)
                    connection.sendall(self.says)
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(1)
                    while connection.recv(65536):
                        pass

    def end(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.end()


@given(answer=st.sampled_from(ANSWERS), noise=NOISE)
@cases(0.02)
def test_bytes_of_a_server(server: Server, answer: bytes, noise: Any, place: Path) -> None:
    server.says = damaged(answer, noise)
    with limited(place), Client(Logins([Feed(url=server.url)]), pause=0.0, idle=2) as client, suppress(Refused):
        content = client.get(server.url, lambda answer: answer.content, limit=100_000, seconds=5)
        assert len(content) <= 100_000


@given(
    contents=st.tuples(*(st.sampled_from(FILES) for _ in range(4))),
    noise=st.tuples(*(st.none() | NOISE for _ in range(4))),
    variables=st.dictionaries(
        st.sampled_from(["UV_INDEX", "UV_DEFAULT_INDEX", "UV_CONFIG_FILE", "PIP_INDEX_URL", "PIP_CONFIG_FILE"]),
        st.sampled_from(["https://d.example", "p=https://e.example/s", "", "/nowhere", "https://[x", "a\tb", "~x/y"]),
    ),
)
@cases(0.02)
def test_files_of_uv_and_pip(
    contents: tuple[bytes, ...],
    noise: tuple[Any, ...],
    variables: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("home")
    names = ("uv.toml", "pyproject.toml", ".config/uv/uv.toml", ".config/pip/pip.conf")
    for name, content, change in zip(names, contents, noise, strict=True):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(content if change is None else damaged(content, change))
    environment = {"XDG_CONFIG_DIRS": str(home / "none"), **variables}
    with suppress(DbmirrorError):
        settings = find_indexes(IndexConfig(), environment=environment, home=home, folder=home)
        assert settings.indexes
        settings.logins()
