"""What each call of the lab's Spark session carries, and what it says of a refused one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
from dbmirror_shim import login
from dbmirror_shim.channel import authorize, tell_refusals
from dbmirror_shim.errors import Unavailable


class RpcError(Exception):
    """An error of gRPC, as far as it is looked at."""

    def __init__(self, status: str, details: str) -> None:
        super().__init__(details)
        self.status = status

    def code(self) -> SimpleNamespace:
        return SimpleNamespace(name=self.status)


def carried() -> tuple[tuple[str, str], ...]:
    """What a call is given to carry."""
    given: list[tuple[tuple[str, str], ...]] = []
    authorize(None, lambda metadata, error: given.append(metadata))
    (metadata,) = given
    return metadata


def test_each_call_carries_the_token_of_the_file_as_it_is_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "TOKEN", tmp_path / "token")
    for token in ("dapi-one", "dapi-two"):
        (tmp_path / "token").write_text(f"{token}\n")
        assert carried() == (("authorization", f"Bearer {token}"),)


def test_without_a_token_a_call_goes_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "TOKEN", tmp_path / "none")
    assert carried() == ()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RpcError("UNAUTHENTICATED", "Credentials were not sent."), True),
        (RpcError("PERMISSION_DENIED", "Invalid access token."), True),
        (RpcError("PERMISSION_DENIED", "User has no USE SCHEMA."), False),
        (RpcError("INTERNAL", "Cannot parse: invalid token at line 1"), False),
        (ValueError("invalid token"), False),
    ],
)
def test_only_a_refusal_by_the_workspace_is_told_as_one(error: Exception, told: bool) -> None:
    def handle(error: Exception) -> NoReturn:
        raise LookupError("the client's own") from error

    client = SimpleNamespace(_handle_error=handle)
    tell_refusals(SimpleNamespace(client=client), "refused")
    with pytest.raises(Unavailable if told else LookupError):
        client._handle_error(error)


def test_a_client_of_another_make_is_left_as_it_is() -> None:
    client = SimpleNamespace()
    tell_refusals(SimpleNamespace(client=client), "refused")
    assert vars(client) == {}
