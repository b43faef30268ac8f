"""The hashes of a release, as the user's index states them."""

from __future__ import annotations

from typing import Any

import pytest

from dbmirror.config import IndexConfig
from dbmirror.errors import UsageError
from dbmirror.lock.python.release_hashes import published_hashes


@pytest.fixture
def config(server: Any, monkeypatch: pytest.MonkeyPatch) -> IndexConfig:
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return IndexConfig(url=server.url)


def test_each_file_of_the_release_counts_and_no_other(server: Any, config: IndexConfig) -> None:
    wanted = {
        server.add("dbmirror", "dbmirror-0.1.0-py3-none-any.whl"),
        server.add("dbmirror", "dbmirror-0.1.0.tar.gz"),
    }
    server.add("dbmirror", "dbmirror-0.2.0-py3-none-any.whl")
    assert set(published_hashes("dbmirror", "0.1.0", config)) == wanted


def test_a_release_that_is_on_no_index_is_said_with_the_other_ways(server: Any, config: IndexConfig) -> None:
    server.add("dbmirror", "dbmirror-0.2.0-py3-none-any.whl")
    with pytest.raises(UsageError, match=r"dbmirror 0\.1\.0 is on no package index") as caught:
        published_hashes("dbmirror", "0.1.0", config)
    assert "a committed wheel, or a git commit" in caught.value.remedy
