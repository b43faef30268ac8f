"""A lock that comes with a repository cannot make this machine ask its surroundings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from dbmirror.http_client.refused import Refused
from dbmirror.lock.python.file_hosts import ListedFile, client_of_files
from dbmirror.lock.python.index import Index

NAME = "acme-1.0-py3-none-any.whl"
CONTENT = b"the wheel"


@pytest.fixture
def elsewhere(server: Any, loopback: Callable[[], Any]) -> Any:
    """Another server of the company's network, where the index keeps its files."""
    other = loopback()
    other.say(f"/files/{NAME}", content=CONTENT, kind="application/octet-stream")
    server.add("acme", NAME, CONTENT)
    server.projects["acme"][0]["url"] = f"{other.address}/files/{NAME}"
    return other


def listed(url: str, index: str) -> ListedFile:
    return ListedFile(filename=NAME, url=url, sha256=hashlib.sha256(CONTENT).hexdigest(), index=index)


def test_where_the_users_index_says_now_that_its_file_is(
    server: Any, elsewhere: Any, index_of: Callable[..., Index]
) -> None:
    file = listed(f"{elsewhere.address}/files/{NAME}", server.url)
    with client_of_files([file], index=index_of(server.url)) as client:
        assert client.download(file.url).sha256 == file.sha256


def test_its_login_does_not_go_there(server: Any, elsewhere: Any, index_of: Callable[..., Index]) -> None:
    file = listed(f"{elsewhere.address}/files/{NAME}", server.url)
    with client_of_files([file], index=index_of(server.url, credentials=("me", "pw"))) as client:
        client.download(file.url)
    assert [authorization for _, authorization in elsewhere.requests] == [None]


@pytest.mark.parametrize("change", ["another server", "another file", "another index", "no file of an index"])
def test_what_the_index_does_not_say_is_not_asked(
    server: Any, elsewhere: Any, loopback: Callable[[], Any], index_of: Callable[..., Index], change: str
) -> None:
    bystander = loopback()
    url, index = f"{elsewhere.address}/files/{NAME}", server.url
    if change == "another server":
        url = f"{bystander.address}/files/{NAME}"
    elif change == "another file":
        server.projects["acme"][0]["hashes"] = {"sha256": "0" * 64}
    elif change == "another index":
        index = bystander.url
    file = listed(url, index)
    files = [] if change == "no file of an index" else [file]
    client = client_of_files(files, index=index_of(server.url))
    with client, pytest.raises(Refused, match="for this machine alone"):
        client.download(url)
    assert bystander.requests == []
    assert elsewhere.requests == []
