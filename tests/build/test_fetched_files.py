"""The files of a build: what an archive dropped or replaced is named, with the command that chooses anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dbmirror.build.fetched_files import build_contexts
from dbmirror.fetch.errors import FetchError
from dbmirror.files import sha256_hex
from dbmirror.http_client.logins import Feed, Logins
from dbmirror.render.file_groups import BuildFile
from tests.builders import index_settings
from tests.lock.conftest import Answer, Loopback, loopback, server

__all__ = ["loopback", "server"]
CONTENT = b"the package"


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))


def deb(server: Loopback, content: bytes | None = CONTENT) -> BuildFile:
    """A Debian package whose archive answers with `content` now."""
    if content is not None:
        server.answers["/pool/sudo_1_amd64.deb"] = Answer(content=content)
    return BuildFile(
        name="sudo_1_amd64.deb",
        url=f"{server.address}/pool/sudo_1_amd64.deb",
        sha256=sha256_hex(CONTENT),
        size=len(CONTENT),
    )


def contexts(server: Loopback, file: BuildFile) -> Any:
    logins = Logins([Feed(url=server.address, anonymous=True)])
    groups = {"demo": {"debian-system": [file]}}
    return build_contexts(groups, indexes=index_settings(()), logins=logins, ca_bundle=None)


def test_a_step_is_handed_a_folder_of_its_files(server: Loopback) -> None:
    with contexts(server, deb(server)) as folders:
        assert (folders["demo"]["files-debian-system"] / "files" / "sudo_1_amd64.deb").read_bytes() == CONTENT
    server.answers.clear()
    with contexts(server, deb(server, None)):
        assert len([path for path, _ in server.requests if path.endswith(".deb")]) == 1, "a warm store asks nothing"


@pytest.mark.parametrize(
    ("content", "reason"), [(b"a trojan...", "another file than the one that was locked"), (None, "404")]
)
def test_an_archive_that_has_it_otherwise_or_no_longer_is_named_with_the_command_that_helps(
    server: Loopback, content: bytes | None, reason: str
) -> None:
    with pytest.raises(FetchError, match=reason) as caught, contexts(server, deb(server, content)):
        pytest.fail("nothing is built")
    assert "sudo_1_amd64.deb" in caught.value.message
    assert "'dbmirror lock demo --refresh'" in caught.value.remedy
