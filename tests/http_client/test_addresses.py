"""What a stranger names is asked with care: not at this machine itself, and with none of its credentials."""

import base64
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from dbmirror.http_client import connections
from dbmirror.http_client.addresses import require_allowed
from dbmirror.http_client.client import Client
from dbmirror.http_client.limits import REDIRECTS
from dbmirror.http_client.logins import Feed, Logins
from dbmirror.http_client.refused import Cause, Refused

from .conftest import Script, Server, plain, saying

Serve = Callable[[Script], Server]
ELSEWHERE = "http://192.0.3.7"
"""An address of the internet; a proxy of the user's answers for it."""


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def client() -> Iterator[Client]:
    """A client whose user named no place."""
    with Client(pause=0.0) as client:
        yield client


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has credentials for the hosts of these tests."""
    path = tmp_path / "netrc"
    path.write_text("".join(f"machine {host} login jane password word\n" for host in ("192.0.3.7", "127.0.0.1")))
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))


@pytest.fixture
def proxy(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The user's own proxy, on this machine, which answers for all the world; what it says at which address."""
    answers: dict[str, bytes] = {}
    server = serve(lambda connection, path, _header: connection.sendall(answers.get(path, plain(status="404 x"))))
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    answers["asked"] = server.asked  # type: ignore[assignment]
    return answers


def read(client: Client, url: str) -> bytes:
    return client.get(url, lambda answer: answer.content, seconds=5)


THIS_MACHINE = [
    "127.0.0.1",
    "127.200.0.9",
    "127.1",
    "2130706433",
    "0x7f000001",
    "localhost",
    "0",
    "0.0.0.0",  # noqa: S104 - asked, not bound to
    "255.255.255.255",
    "169.254.169.254",
    "168.63.129.16",
    "192.80.8.124",
    "192.0.0.192",
    "100.100.100.200",
    "224.0.0.1",
    "240.0.0.1",
    "198.18.0.1",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[ff0e::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[::127.0.0.1]",
    "[::8.8.8.8]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[64:ff9b:1::808:808]",
    "[2002:7f00:1::1]",
    "[2002:808:808::1]",
    "[2001:0:7f00:1::1]",
    "[fd00:ec2::254]",
    "[fd00:ec2::23]",
    "[fd20:ce::254]",
    "[fec0::1]",
    "192.88.99.1",
    "192.0.2.9",
    "[3fff::1]",
    "[5f00::1]",
    "[2001:db8::1]",
    "[2001:20::1]",
    "[100::1]",
    "[4000::1]",
    "[::ffff:0:127.0.0.1]",
]


@pytest.mark.parametrize("host", THIS_MACHINE)
@pytest.mark.parametrize("internal", [False, True])
def test_this_machine_and_its_surroundings_are_not_asked(host: str, internal: bool) -> None:
    hosts = frozenset({host.strip("[]").lower()}) if internal else frozenset[str]()
    for scheme in ("http", "https"):
        with (
            Client(internal_hosts=hosts) as client,
            pytest.raises(Refused, match=r"for this machine alone|whole group") as caught,
        ):
            read(client, f"{scheme}://{host}:9/x")
        assert caught.value.cause is Cause.ADDRESS


PRIVATE = ["10.0.0.4", "192.168.77.1", "172.31.9.9", "100.64.0.1", "fd00::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_companys_own_network_is_asked_only_where_the_user_named_the_host(client: Client, address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Refused, match="inside a private network"):
        client.allowed_addresses(f"http://{host}:8080/x")
    with Client(internal_hosts=frozenset({address})) as inside:
        assert inside.allowed_addresses(f"http://{host}:8080/x") == (address,)


@pytest.mark.parametrize("address", ["192.0.3.7", "9.9.9.9", "2620:fe::fe", "64:ff9b::909:909", "::ffff:9.9.9.9"])
def test_the_internet_is_asked(address: str) -> None:
    require_allowed(address)


def test_no_interface_of_this_machine_is_asked_whatever_its_address(client: Client) -> None:
    """Docker's gateways are among them: containers of other people's listen there."""
    own = {
        entry.address.partition("%")[0]
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family in {socket.AF_INET, socket.AF_INET6}
    }
    assert own
    for address in own:
        with pytest.raises(Refused, match="for this machine alone"):
            require_allowed(address, internal=True)


def test_an_own_public_address_is_this_machines_too(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = SimpleNamespace(address="192.0.3.7", broadcast="192.0.3.255")
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: {"eth0": [entry]})
    for address in ("192.0.3.7", "192.0.3.255", "::ffff:192.0.3.7"):
        with pytest.raises(Refused, match="for this machine alone"):
            require_allowed(address)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://host.example/x",
        "gopher://127.0.0.1/x",
        "http:///x",
        "http://a..b/x",
        "http://host.example:99999/x",
        "http://[fe80::1%25eth0]/x",
        "http://host.example\\@127.0.0.1/x",
        "http://[::1/x",
        f"http://{'a' * 64}.example/x",
    ],
)
def test_an_address_of_another_form_is_refused(client: Client, url: str) -> None:
    with pytest.raises(Refused, match=r"no usable form|this machine alone"):
        read(client, url)


def test_a_redirect_to_this_machine_is_not_followed(client: Client, proxy: dict[str, bytes], serve: Serve) -> None:
    inside = serve(saying(plain(b"secret")))
    proxy[f"{ELSEWHERE}/a"] = plain(status="302 x", Location=f"{ELSEWHERE}/b")
    proxy[f"{ELSEWHERE}/b"] = plain(status="302 x", Location=f"{inside.address}/secret")
    with pytest.raises(Refused, match=r"leads to 127\.0\.0\.1"):
        read(client, f"{ELSEWHERE}/a")
    assert not inside.asked
    assert [path for path, _ in proxy["asked"]] == [f"{ELSEWHERE}/a", f"{ELSEWHERE}/b"]


def test_redirects_in_circles_end(client: Client, proxy: dict[str, bytes]) -> None:
    proxy[f"{ELSEWHERE}/a"] = plain(status="302 x", Location="/a")
    with pytest.raises(Refused, match="circles"):
        read(client, f"{ELSEWHERE}/a")
    assert len(proxy["asked"]) == REDIRECTS


def test_a_name_that_leads_here_a_moment_later_gets_no_connection(
    client: Client, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address that is checked is the one that is connected to: nobody looks the name up in between."""
    server = serve(saying(plain(b"secret")))
    answers = iter([("9.9.9.9",), ("127.0.0.1",)])
    seen = []

    def rebinding(_host: str, _port: int, *, seconds: float) -> tuple[str, ...]:
        seen.append(next(answers))
        return seen[-1]

    monkeypatch.setattr(connections, "lookup", rebinding)
    connected = []

    def connect(self: socket.socket, address: tuple[str, int]) -> None:
        connected.append(address[0])
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(socket.socket, "connect", connect)
    port = server.address.rpartition(":")[2]
    with pytest.raises(Refused, match=r"leads to 127\.0\.0\.1"):
        read(client, f"http://rebinding.example:{port}/x")
    assert connected == ["9.9.9.9"]
    assert not server.asked


@pytest.mark.usefixtures("netrc")
def test_this_machines_credentials_stay_here(client: Client, proxy: dict[str, bytes]) -> None:
    there = f"{ELSEWHERE.replace('//', '//jane:word@')}/b"
    proxy[f"{ELSEWHERE}/a"] = plain(status="302 x", Location=there)
    proxy[f"{ELSEWHERE}/b"] = plain(b"here")
    assert read(client, f"{ELSEWHERE.replace('//', '//jane:word@')}/a") == b"here"
    assert [header.get("authorization") for _, header in proxy["asked"]] == [None, None]


@pytest.mark.usefixtures("netrc")
def test_a_place_of_the_users_own_may_be_here_and_gets_its_credentials(serve: Serve) -> None:
    server = serve(saying(plain(b"here")))
    own = Feed(url=f"{server.address}/simple/", user="its", password="own")
    for feed, login in ((Feed(url=f"{server.address}/simple/"), ("jane", "word")), (own, ("its", "own"))):
        with Client(Logins([feed])) as client:
            assert read(client, f"{server.address}/files/a") == b"here"
        assert server.asked[-1][1]["authorization"] == basic(*login)


@pytest.mark.usefixtures("netrc")
def test_another_port_of_that_place_is_another_place(serve: Serve) -> None:
    other = serve(saying(plain(b"secret")))
    server = serve(saying(plain(status="307 x", Location=f"{other.address}/secret")))
    with Client(Logins([Feed(url=server.address)])) as client:
        with pytest.raises(Refused, match="for this machine alone"):
            read(client, f"{server.address}/a")
        assert not client.logins.trusts(f"{other.address}/a")
        assert not client.logins.trusts(server.address.replace("http:", "https:"))
    assert not other.asked
