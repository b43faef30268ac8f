"""What was installed from an address of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dbmirror.http_client.refused import Refused
from dbmirror.inventory.model import DirectUrl, Distribution
from dbmirror.lock.model import UrlFile
from dbmirror.lock.python.direct_urls import archive_name, direct_source
from dbmirror.lock.python.index import Index

Installed = Callable[..., Distribution]


@pytest.fixture
def resolve(
    server: Any, index_of: Callable[..., Index], installed: Installed, tmp_path: Path
) -> Callable[[DirectUrl], Any]:
    """Asks for the source of acme 1.0, installed from an address."""

    def ask(origin: DirectUrl) -> Any:
        found = installed("acme", "1.0", direct_url=origin)
        return direct_source(found, origin, index=index_of(server.url), folder=tmp_path)

    return ask


def test_an_archive_is_fetched_and_hashed_and_its_address_written_without_credentials(
    server: Any, resolve: Callable[[DirectUrl], Any]
) -> None:
    sha256 = server.add("acme", "acme-1.0-py3-none-any.whl")
    url = f"{server.address}/files/acme-1.0-py3-none-any.whl"
    with_credentials = url.replace("//", "//jane:secret@") + "?token=secret#egg=acme"
    assert resolve(DirectUrl(url=with_credentials, sha256=sha256)) == UrlFile(
        filename="acme-1.0-py3-none-any.whl", url=url, sha256=sha256
    )


def test_an_address_that_leads_to_this_machine_is_refused_with_the_reason(
    server: Any, loopback: Callable[[], Any], resolve: Callable[[DirectUrl], Any]
) -> None:
    other = loopback()
    sha256 = other.add("acme", "acme-1.0.tar.gz")
    server.say("/elsewhere/acme-1.0.tar.gz", status=302, location=f"{other.address}/files/acme-1.0.tar.gz")
    for url in (f"{other.address}/files/acme-1.0.tar.gz", f"{server.address}/elsewhere/acme-1.0.tar.gz"):
        with pytest.raises(Refused, match=r"the address that it was installed from leads to 127\.0\.0\.1, which is"):
            resolve(DirectUrl(url=url, sha256=sha256))
    assert other.requests == []


def test_an_archive_that_changed_since_is_refused(server: Any, resolve: Callable[[DirectUrl], Any]) -> None:
    server.add("acme", "acme-1.0.tar.gz")
    with pytest.raises(Refused, match="another file now"):
        resolve(DirectUrl(url=f"{server.address}/files/acme-1.0.tar.gz", sha256="0" * 64))


def test_an_archive_that_is_gone_is_refused_with_what_the_server_said(
    server: Any, resolve: Callable[[DirectUrl], Any]
) -> None:
    with pytest.raises(Refused, match="answered 404"):
        resolve(DirectUrl(url=f"{server.address}/files/acme-1.0.tar.gz"))


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        (DirectUrl(url="file:///dbfs/wheels/acme-1.0-py3-none-any.whl"), "only the cluster can read"),
        (DirectUrl(url="dbfs:/wheels/acme-1.0-py3-none-any.whl"), "only the cluster can read"),
        (DirectUrl(url="file:///home/jane/acme", editable=True), "editable"),
        (DirectUrl(url="https://hg.example/acme", vcs="hg", commit="ab" * 20), "hg"),
        (DirectUrl(url="https://files.example/download"), "not that of a wheel"),
        (DirectUrl(url="https://files.example/other-1.0-py3-none-any.whl"), "this name and version"),
        (DirectUrl(url="https://files.example/acme-2.0-py3-none-any.whl"), "this name and version"),
    ],
)
def test_what_only_the_cluster_has_or_no_installer_takes_is_refused_with_the_reason(
    resolve: Callable[[DirectUrl], Any], origin: DirectUrl, reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        resolve(origin)


@pytest.mark.parametrize(
    "url",
    ["https://x.example/-a.whl", "https://x.example/a%0Ab.whl", "https://x.example/a%2Fb.whl", "https://x.example"],
)
def test_a_file_name_that_is_not_safe_is_none(url: str) -> None:
    assert archive_name(url) is None
