from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from dbmirror.publish.registries.credential import ANONYMOUS, Credential
from dbmirror.sandbox.registry.signing import Signer

SECRET = "s3cret/with+odd=letters"


def test_nothing_that_prints_a_credential_shows_its_secret() -> None:
    credential = Credential(username="mia", secret=SECRET, source="a test")
    assert SECRET not in f"{credential} {credential!r} {[credential]}"
    assert "mia" in repr(credential)


@pytest.mark.parametrize(
    "echo",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"mia:{SECRET}".encode()).decode(),
    ],
)
def test_a_secret_that_a_server_echoes_is_taken_out(echo: str) -> None:
    credential = Credential(username="mia", secret=SECRET, source="a test")
    assert credential.redact(f"refused: {echo}!") == "refused: [secret]!"


def test_words_without_the_secret_stay_as_they_are() -> None:
    assert ANONYMOUS.redact("refused: nobody") == "refused: nobody"


def test_a_refresh_token_says_itself_when_its_time_is_over() -> None:
    signer = Signer()
    old, new = (signer.sign(audience="a", subject="mia", lifetime=seconds) for seconds in (-5, 60))
    assert Credential(username="mia", secret=old, source="a test").expired()
    assert not Credential(username="mia", secret=new, source="a test").expired()
    assert not Credential(username="mia", secret="just.a.password", source="a test").expired()


def test_the_engine_is_told_an_identity_token_as_such() -> None:
    token = Credential(username="<token>", secret="t", source="a test", identity_token=True)
    assert token.docker_auth_config() == {"identitytoken": "t"}
    assert Credential(username="mia", secret="p", source="a test").docker_auth_config() == {
        "username": "mia",
        "password": "p",
    }
    assert ANONYMOUS.docker_auth_config() == {}
