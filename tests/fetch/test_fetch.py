"""Files come in whole and as they were locked, or not at all."""

import hashlib
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror.fetch import fetch as fetching
from dbmirror.fetch.errors import FetchError
from dbmirror.fetch.fetch import Fetched, NotFetched, Wanted, fetch, fetch_all
from dbmirror.fetch.store import Store
from dbmirror.http_client.client import Client
from tests.fetch.conftest import FileServer


def outcome(wanted: Wanted, store: Store, client: Client) -> Fetched | NotFetched:
    return fetch([wanted], store=store, client=client)[wanted]


def kept(store: Store) -> list[Path]:
    return [path for path in store.folder.rglob("*") if path.is_file() and path.name != "lock"]


def test_many_files_come_in_and_are_not_asked_for_again(files: FileServer, store: Store, client: Client) -> None:
    wanted = [files.add(f"/{number}.whl", bytes([number]) * 100_000) for number in range(40)]
    arrived: list[Wanted] = []

    first = fetch_all(wanted, store=store, client=client, arrived=arrived.append)
    again = fetch_all(wanted, store=store, client=client)

    assert [first[each].path.read_bytes() for each in wanted] == [
        files.contents[f"/{number}.whl"] for number in range(40)
    ]
    assert sorted(arrived, key=str) == sorted(wanted, key=str)
    assert again == first
    assert set(files.asked.values()) == {1}


def test_a_file_that_the_server_moved_comes_from_its_next_place(
    files: FileServer, store: Store, client: Client
) -> None:
    moved = files.add("/Archive/a/a_1.tar.gz", b"source")
    gone = replace(moved, url=moved.url.replace("/Archive/a/", "/"), elsewhere=moved.url)

    found = outcome(gone, store, client)
    assert isinstance(found, Fetched)
    assert found.path.read_bytes() == b"source"
    nowhere = replace(gone, digest="sha256:" + "0" * 64, elsewhere=moved.url + ".old")
    assert outcome(nowhere, store, client) == NotFetched(reason="answered 404 Not Found")


def test_another_file_than_the_locked_one_is_not_kept(files: FileServer, store: Store, client: Client) -> None:
    wanted = files.add("/a.whl", b"the locked file", size=False)
    files.contents["/a.whl"] = b"another file"

    found = outcome(wanted, store, client)

    assert isinstance(found, NotFetched)
    assert hashlib.sha256(b"another file").hexdigest() in found.reason
    assert wanted.digest.partition(":")[2] in found.reason
    assert kept(store) == []
    with pytest.raises(FetchError, match=r"/a\.whl has the sha256"):
        fetch_all([wanted], store=store, client=client)


@pytest.mark.parametrize("fault", ["cut", 503, 429])
def test_what_passes_is_tried_again(files: FileServer, store: Store, client: Client, fault: int | str) -> None:
    wanted = files.add("/a.whl", b"content" * 10_000)
    files.faults["/a.whl"] = [fault, fault]

    found = outcome(wanted, store, client)

    assert isinstance(found, Fetched)
    assert found.path.read_bytes() == b"content" * 10_000
    assert files.asked["/a.whl"] == 3


def test_what_stays_is_asked_once(files: FileServer, store: Store, client: Client) -> None:
    wanted = Wanted(url=f"{files.address}/missing", digest="sha256:" + "0" * 64)

    assert outcome(wanted, store, client) == NotFetched(reason="answered 404 Not Found")
    assert files.asked["/missing"] == 1


def test_a_file_that_goes_on_is_left_at_its_size(files: FileServer, store: Store, client: Client) -> None:
    small = files.add("/a.whl", b"x" * 1000)
    files.contents["/a.whl"] = b"x" * 50_000_000

    found = outcome(small, store, client)

    assert found == NotFetched(reason="is larger than 1000 bytes")
    assert kept(store) == []


def test_a_server_that_sends_a_byte_at_a_time_is_left(
    files: FileServer, store: Store, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "GRACE", 0.5)
    wanted = files.add("/a.whl", b"x" * 10_000)
    files.faults["/a.whl"] = ["drip"]
    began = time.monotonic()

    found = outcome(wanted, store, client)

    assert isinstance(found, NotFetched)
    assert found.reason.startswith("gave no whole answer within")
    assert time.monotonic() - began < 10


def test_a_file_pinned_by_md5_is_fetched_each_time_and_its_sha256_learned(
    files: FileServer, store: Store, client: Client
) -> None:
    wanted = files.add("/a.tar.gz", b"source", digest="md5")

    first, second = outcome(wanted, store, client), outcome(wanted, store, client)

    assert first == second
    assert isinstance(first, Fetched)
    assert first.sha256 == hashlib.sha256(b"source").hexdigest()
    assert files.asked["/a.tar.gz"] == 2


def test_an_address_of_this_machine_that_no_user_named_is_not_asked(files: FileServer, store: Store) -> None:
    wanted = files.add("/a.whl", b"content")
    with Client() as stranger:
        found = fetch([wanted], store=store, client=stranger)[wanted]

    assert isinstance(found, NotFetched)
    assert "for this machine alone" in found.reason
    assert files.asked.total() == 0


def test_the_error_names_a_few_of_many_and_the_remedy(files: FileServer, store: Store, client: Client) -> None:
    wanted = [Wanted(url=f"{files.address}/{number}", digest="sha256:" + "0" * 64) for number in range(5)]

    with pytest.raises(FetchError) as caught:
        fetch_all(wanted, store=store, client=client, remedy="Make the lock again with 'dbmirror lock demo --refresh'.")

    assert caught.value.message.endswith("answered 404 Not Found. So do 2 more.")
    assert "dbmirror lock demo" in caught.value.remedy


def test_a_file_that_is_for_others_is_asked_for_in_their_name(files: FileServer, store: Store, client: Client) -> None:
    binary = replace(files.add("/a_1.tar.gz", b"built"), user_agent="R/4.2.2 R (4.2.2 x86_64-pc-linux-gnu)")
    wheel = files.add("/a.whl", b"wheel")
    fetch_all([binary, wheel], store=store, client=client)
    assert files.agents["/a_1.tar.gz"] == binary.user_agent
    assert str(files.agents["/a.whl"]).startswith("dbmirror/")
