"""Each feed's own login: several on one host, a user alone, netrc, the keyring."""

from pathlib import Path

import pytest

from dbmirror.http_client.logins import Feed, Logins

HOST = "https://pkgs.example"


@pytest.fixture(autouse=True)
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The netrc file of this machine; empty at first."""
    path = tmp_path / "netrc"
    path.touch(mode=0o600)
    monkeypatch.setenv("NETRC", str(path))
    return path


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A keyring program that knows one password for the host, and where it notes what it was asked."""
    program, said = tmp_path / "bin" / "keyring", tmp_path / "said"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {said}\n[ "$2" = pkgs.example ] && echo from-keyring || exit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/bin:/usr/bin")
    return said


def test_each_feed_of_a_host_has_its_own_login_for_pages_and_files() -> None:
    logins = Logins(
        [
            Feed(url=f"{HOST}/org/_packaging/one/pypi/simple/", user="one", password="1"),
            Feed(url=f"{HOST}/org/_packaging/two/pypi/simple/", user="two", password="2"),
        ]
    )
    assert logins.of(f"{HOST}/org/_packaging/two/pypi/simple/six/") == ("two", "2")
    assert logins.of(f"{HOST}/org/_packaging/two/pypi/download/six/1/six-1.whl") == ("two", "2")
    assert logins.of(f"{HOST}/org/_packaging/one/pypi/download/six/1/six-1.whl") == ("one", "1")
    assert logins.of(f"{HOST}/files/x.whl", feed=f"{HOST}/org/_packaging/two/pypi/simple/") == ("two", "2")


@pytest.mark.parametrize(
    "url", ["https://pkgs.example:8443/", "http://pkgs.example/", "https://pkgs.example.evil.example/", "https://evil/"]
)
def test_no_other_origin_gets_it(url: str) -> None:
    feed = Feed(url=f"{HOST}/simple/", user="one", password="1")
    assert Logins([feed]).of(url, feed=feed.url) is None
    assert not Logins([feed]).trusts(url)


def test_the_port_of_the_scheme_is_that_origin() -> None:
    assert Logins([Feed(url=f"{HOST}/", user="one", password="1")]).of("https://PKGS.example:443/x") == ("one", "1")


def test_netrc_has_what_the_address_does_not_say(netrc: Path) -> None:
    netrc.write_text("machine pkgs.example login jane password word\n")
    assert Logins([Feed(url=f"{HOST}/")]).of(f"{HOST}/x") == ("jane", "word")
    assert Logins([Feed(url=f"{HOST}/", user="jane")]).of(f"{HOST}/x") == ("jane", "word")
    assert Logins([Feed(url=f"{HOST}/", user="jane", password="own")]).of(f"{HOST}/x") == ("jane", "own")
    assert Logins([Feed(url=f"{HOST}/", user="token")]).of(f"{HOST}/x") == ("token", "")


def test_netrcs_default_is_for_no_feed_that_only_a_clone_names(netrc: Path) -> None:
    netrc.write_text("machine pkgs.example login jane password word\ndefault login joe password any\n")
    for url, login in {"https://evil.example/": None, f"{HOST}/": ("jane", "word")}.items():
        assert Logins([Feed(url=url, cloned=True)]).of(url) == login
    assert Logins([Feed(url="https://mine.example/")]).of("https://mine.example/") == ("joe", "any")


@pytest.mark.parametrize("written", ["", "machine", "default", "machine a login"])
def test_a_netrc_file_that_is_none_has_no_login(netrc: Path, written: str) -> None:
    netrc.write_text(written)
    assert Logins([Feed(url="https://evil.example/", cloned=True)]).of("https://evil.example/") is None


def test_the_keyring_is_asked_only_where_the_user_said_so_and_once(keyring: Path) -> None:
    assert Logins([Feed(url=f"{HOST}/simple/", user="jane")]).of(f"{HOST}/x") == ("jane", "")
    assert not keyring.exists()
    logins = Logins([Feed(url=f"{HOST}/simple/", user="jane", keyring=True)])
    assert [logins.of(f"{HOST}/x") for _ in range(3)] == [("jane", "from-keyring")] * 3
    assert keyring.read_text() == f"get {HOST}/simple/ jane\nget pkgs.example jane\n"


def test_a_keyring_that_is_missing_or_knows_nothing_is_no_error(keyring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed(url="https://other.example/", user="jane", keyring=True)
    assert Logins([feed]).of("https://other.example/x") == ("jane", "")
    monkeypatch.setenv("PATH", str(keyring.parent / "nowhere"))
    assert Logins([feed]).of("https://other.example/x") == ("jane", "")


def test_a_password_is_in_no_text_of_a_feed() -> None:
    assert "word" not in repr(Feed(url=f"{HOST}/", user="jane", password="word"))
