"""Servers on the loopback interface that say, byte by byte, what a test wants."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from dbmirror.http_client.client import Client
from dbmirror.http_client.logins import Feed, Logins

Script = Callable[[socket.socket, str, dict[str, str]], None]
"""Answers one request on the connection: its path and its header."""


@dataclass
class Server:
    """What it was asked, and how it answers."""

    address: str
    script: Script
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    greeting: bytes = b""
    """What it says before it is asked."""

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


def plain(body: bytes = b"", status: str = "200 OK", **header: str) -> bytes:
    """An answer as it goes over the line."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in header.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""]).encode() + body


def saying(*answers: bytes) -> Script:
    """Gives each answer once, in order, and the last one for ever."""
    left = list(answers)

    def script(connection: socket.socket, _path: str, _header: dict[str, str]) -> None:
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return script


@pytest.fixture
def serve() -> Iterator[Callable[[Script], Server]]:
    """Starts a server each time that it is called; all of them end with the test."""
    over = threading.Event()
    listeners: list[socket.socket] = []

    def start(script: Script) -> Server:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        server = Server(address=f"http://127.0.0.1:{listener.getsockname()[1]}", script=script)

        def connection(sock: socket.socket) -> None:
            with suppress(OSError), sock:
                sock.sendall(server.greeting)
                stream = sock.makefile("rb")
                while not over.is_set() and (first := stream.readline()):
                    header = {}
                    while (line := stream.readline().decode("latin-1").strip()) != "":
                        name, _, value = line.partition(":")
                        header[name.lower()] = value.strip()
                    path = [*first.decode("latin-1").split(), "", ""][1]
                    server.asked.append((path, header))
                    server.script(sock, path, header)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    if server.tls is not None:
                        sock = server.tls.wrap_socket(sock, server_side=True)
                    threading.Thread(target=connection, args=(sock,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return server

    yield start
    over.set()
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def client_of() -> Iterator[Callable[..., Client]]:
    """Makes a client whose user named these servers, and which does not wait between retries."""
    clients: list[Client] = []

    def make(*feeds: Server | Feed, pause: float = 0.0, idle: float = 5.0) -> Client:
        logins = Logins([each if isinstance(each, Feed) else Feed(url=each.address + "/") for each in feeds])
        clients.append(Client(logins, pause=pause, idle=idle))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
