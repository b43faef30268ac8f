"""What a cluster names is asked with care: not at this machine itself, and with none of its credentials."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from dbmirror.lock.python.index_settings import IndexLocation
from dbmirror.lock.python.project_page import Refused
from dbmirror.lock.untrusted import REDIRECTS, ForeignClient, _CarefulAdapter

SOON = (5.0, 5.0)
ELSEWHERE = "http://192.0.2.7"
"""An address that no machine has; a proxy of the user's answers for it."""


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def client() -> Iterator[ForeignClient]:
    """A client that trusts no place."""
    with ForeignClient() as client:
        yield client


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has credentials for the hosts of these tests."""
    path = tmp_path / "netrc"
    path.write_text("".join(f"machine {host} login jane password word\n" for host in ("192.0.2.7", "127.0.0.1")))
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))


@pytest.fixture
def proxy(server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The user's own proxy, on this machine, which answers for all the world: it is asked for whole addresses."""
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    return server


def read(client: ForeignClient, url: str) -> bytes:
    with client.open(url, timeout=SOON) as response:
        return response.content


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.200.0.9",
        "127.1",
        "2130706433",
        "0x7f000001",
        "localhost",
        "0",
        "0.0.0.0",  # noqa: S104 - asked, not bound to
        "169.254.169.254",
        "168.63.129.16",
        "224.0.0.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[fd00:ec2::254]",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_this_machine_and_its_surroundings_are_not_asked(client: ForeignClient, scheme: str, host: str) -> None:
    with pytest.raises(Refused, match="for this machine alone"):
        client.open(f"{scheme}://{host}:9/x", timeout=SOON)


@pytest.mark.parametrize("address", ["172.17.0.1", "10.0.0.4", "192.168.1.1", "100.64.0.1", "192.0.2.7", "fd00::1"])
def test_private_addresses_stay_open(client: ForeignClient, address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert client.addresses(f"http://{host}:8080/x") == (address,)


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
        f"http://{'a' * 64}.example/x",
    ],
)
def test_an_address_of_another_form_is_refused(client: ForeignClient, url: str) -> None:
    with pytest.raises(Refused, match=r"no usable form|this machine alone"):
        client.open(url, timeout=SOON)


def test_a_redirect_to_this_machine_is_not_followed(
    client: ForeignClient, proxy: Any, loopback: Callable[[], Any]
) -> None:
    inside = loopback()
    inside.say("/secret", content=b"secret")
    for start, target in {"/a": f"{ELSEWHERE}/b", "/b": f"{inside.address}/secret"}.items():
        proxy.say(ELSEWHERE + start, status=302, location=target)
    with pytest.raises(Refused, match=r"leads to 127\.0\.0\.1"):
        client.open(f"{ELSEWHERE}/a", timeout=SOON)
    assert inside.requests == []
    assert [path for path, _ in proxy.requests] == [f"{ELSEWHERE}/a", f"{ELSEWHERE}/b"]


def test_a_redirect_to_a_file_is_not_followed(client: ForeignClient, proxy: Any) -> None:
    proxy.say(f"{ELSEWHERE}/a", status=302, location="file:///etc/passwd")
    with pytest.raises(Refused, match="no usable form"):
        client.open(f"{ELSEWHERE}/a", timeout=SOON)


def test_redirects_in_circles_end(client: ForeignClient, proxy: Any) -> None:
    proxy.say(f"{ELSEWHERE}/a", status=302, location="/a")
    with pytest.raises(requests.TooManyRedirects):
        client.open(f"{ELSEWHERE}/a", timeout=SOON)
    assert len(proxy.requests) == REDIRECTS


def test_a_name_that_leads_here_a_moment_later_gets_no_request(server: Any) -> None:
    """What the address was when it was looked at does not count: the connection itself is looked at."""
    with requests.Session() as session:
        session.mount("http://", _CarefulAdapter())
        with pytest.raises(Refused, match=r"leads to 127\.0\.0\.1"):
            session.get(f"{server.address}/x", timeout=SOON)
    assert server.requests == []


@pytest.mark.usefixtures("netrc")
def test_this_machines_credentials_stay_here(client: ForeignClient, proxy: Any) -> None:
    proxy.say(f"{ELSEWHERE}/a", status=302, location=f"{ELSEWHERE.replace('//', '//jane:word@')}/b")
    proxy.say(f"{ELSEWHERE}/b", content=b"here")
    assert read(client, f"{ELSEWHERE.replace('//', '//jane:word@')}/a") == b"here"
    assert proxy.requests == [(f"{ELSEWHERE}/a", None), (f"{ELSEWHERE}/b", None)]


@pytest.mark.usefixtures("netrc")
def test_an_index_of_the_users_own_may_be_here_and_gets_its_credentials(server: Any) -> None:
    server.say("/files/a", content=b"here")
    with ForeignClient([IndexLocation(url=server.url, origin="the test")]) as client:
        assert read(client, f"{server.address}/files/a") == b"here"
    own = IndexLocation(url=server.url, origin="the test", credentials=("its", "own"))
    with ForeignClient([own]) as client:
        assert read(client, f"{server.address}/files/a") == b"here"
    assert [authorization for _, authorization in server.requests] == [basic("jane", "word"), basic("its", "own")]


@pytest.mark.usefixtures("netrc")
def test_another_port_of_that_index_is_another_place(server: Any, loopback: Callable[[], Any]) -> None:
    other = loopback()
    server.say("/a", status=307, location=f"{other.address}/secret")
    with ForeignClient([IndexLocation(url=server.url, origin="the test")]) as client:
        with pytest.raises(Refused, match="for this machine alone"):
            client.open(f"{server.address}/a", timeout=SOON)
        assert not client.trusts(f"{other.address}/a")
        assert not client.trusts(server.address.replace("http:", "https:"))
    assert other.requests == []


@pytest.mark.usefixtures("netrc")
def test_credentials_of_the_index_do_not_go_along_with_a_redirect(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.say("/a", status=302, location=f"{ELSEWHERE}/b")
    server.say(f"{ELSEWHERE}/b", content=b"there")
    with ForeignClient([IndexLocation(url=server.url, origin="the test")]) as client:
        assert read(client, f"{server.address}/a") == b"there"
    assert server.requests == [("/a", basic("jane", "word")), (f"{ELSEWHERE}/b", None)]
