from __future__ import annotations

import base64
from urllib.parse import urlencode

import jwt
import pytest

from dbmirror.sandbox.registry.accounts import Account
from dbmirror.sandbox.registry.signing import Signer
from dbmirror.sandbox.registry.tokens import NULL_USER, Kind, Reply, TokenService

MIA = Account("mia", "pass:word")
SCOPE = "repository:team/demo:pull,push"


def service(kind: Kind) -> TokenService:
    return TokenService(
        kind=kind,
        service="127.0.0.1:5000",
        signer=Signer(),
        accounts=[MIA, Account("reader", "p", frozenset({"pull"}))],
    )


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def access_of(reply: Reply) -> list[dict[str, object]]:
    claims = jwt.decode(reply.body["access_token"], options={"verify_signature": False})
    return list(claims["access"])


def ask(tokens: TokenService, username: str, password: str, scope: str = SCOPE) -> Reply:
    return tokens.answer("GET", f"{tokens.realm_path}?{urlencode({'scope': scope})}", basic(username, password), b"")


def post(tokens: TokenService, path: str, **form: str) -> Reply:
    return tokens.answer("POST", path, "", urlencode(form).encode())


@pytest.mark.parametrize("kind", ["dockerhub", "acr"])
def test_a_user_gets_what_was_asked_for(kind: Kind) -> None:
    reply = ask(service(kind), "mia", "pass:word")
    assert reply.status == 200
    assert access_of(reply) == [{"type": "repository", "name": "team/demo", "actions": ["pull", "push"]}]


@pytest.mark.parametrize("kind", ["dockerhub", "acr"])
def test_a_reader_gets_no_push(kind: Kind) -> None:
    assert access_of(ask(service(kind), "reader", "p"))[0]["actions"] == ["pull"]


@pytest.mark.parametrize("kind", ["dockerhub", "acr"])
@pytest.mark.parametrize(("username", "password"), [("mia", "wrong"), ("nobody", "pass:word"), (NULL_USER, "x")])
def test_a_stranger_is_refused(kind: Kind, username: str, password: str) -> None:
    assert ask(service(kind), username, password).status == 401


def test_docker_hub_gives_a_token_for_nothing_to_those_who_do_not_log_in() -> None:
    reply = service("dockerhub").answer("GET", f"/token?{urlencode({'scope': SCOPE})}", "", b"")
    assert (reply.status, access_of(reply)) == (200, [])


def test_acr_gives_nothing_to_those_who_do_not_log_in() -> None:
    assert service("acr").answer("GET", "/oauth2/token", "", b"").status == 401


def test_acr_exchanges_an_entra_token_for_a_refresh_token_of_the_null_user() -> None:
    tokens = service("acr")
    exchanged = post(
        tokens,
        "/oauth2/exchange",
        grant_type="access_token",
        service=tokens.service,
        access_token=tokens.entra_token("mia"),
    )
    refresh = exchanged.body["refresh_token"]
    assert access_of(ask(tokens, NULL_USER, refresh))[0]["actions"] == ["pull", "push"]
    granted = post(tokens, "/oauth2/token", grant_type="refresh_token", scope=SCOPE, refresh_token=refresh)
    assert access_of(granted)[0]["actions"] == ["pull", "push"]


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": "access_token", "service": "127.0.0.1:5000", "access_token": "x"},
        {"grant_type": "access_token", "service": "other", "access_token": "GOOD"},
        {"grant_type": "password", "service": "127.0.0.1:5000", "access_token": "GOOD"},
        {},
    ],
)
def test_acr_exchanges_nothing_else(form: dict[str, str]) -> None:
    tokens = service("acr")
    form = {name: value.replace("GOOD", tokens.entra_token("mia")) for name, value in form.items()}
    assert post(tokens, "/oauth2/exchange", **form).status == 401


def test_a_refresh_token_ends() -> None:
    tokens = service("acr")
    assert ask(tokens, NULL_USER, tokens.refresh_token("mia", lifetime=-1)).status == 401


def test_an_access_token_is_no_refresh_token() -> None:
    tokens = service("acr")
    access = ask(tokens, "mia", "pass:word").body["access_token"]
    assert ask(tokens, NULL_USER, access).status == 401
    assert ask(tokens, NULL_USER, tokens.entra_token("mia")).status == 401


def test_acr_takes_a_password_as_a_form_too() -> None:
    tokens = service("acr")
    good = post(tokens, "/oauth2/token", grant_type="password", username="mia", password="pass:word", scope=SCOPE)
    bad = post(tokens, "/oauth2/token", grant_type="password", username="mia", password="x", scope=SCOPE)
    assert (good.status, bad.status) == (200, 401)


def test_an_account_does_not_show_its_password() -> None:
    assert "pass:word" not in repr(MIA)
