"""No step of a build has a proxy in its environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbmirror.engine.proxies import without_proxies


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


def test_where_docker_has_no_proxies_nothing_is_taken_back(docker_config: Path) -> None:
    assert without_proxies({}) == ()


def test_dockers_own_proxies_are_taken_back_in_both_cases(docker_config: Path) -> None:
    entry = {"httpProxy": "http://configured.example", "noProxy": "localhost"}
    docker_config.write_text(json.dumps({"proxies": {"default": entry}}))

    # buildx hands on what is configured there unless it is told otherwise.
    assert without_proxies({}) == ("HTTP_PROXY=", "http_proxy=", "NO_PROXY=", "no_proxy=")
