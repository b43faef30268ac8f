"""Proxies reach the steps that need them in a file, and no step in its environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbmirror.engine.proxies import proxy_secret, without_proxies


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


def test_there_is_no_secret_where_there_is_no_proxy(docker_config: Path) -> None:
    assert proxy_secret({"HTTP_PROXY": ""}) is None
    assert without_proxies({}) == ()


def test_both_cases_are_given_for_tools_know_one_or_the_other(docker_config: Path) -> None:
    assert proxy_secret({"HTTPS_PROXY": "http://me:pw@proxy.example:3128"}) == (
        b"HTTPS_PROXY=http://me:pw@proxy.example:3128\nhttps_proxy=http://me:pw@proxy.example:3128\n"
    )


def test_a_value_cannot_add_another_variable(docker_config: Path) -> None:
    assert proxy_secret({"HTTP_PROXY": "http://p\nBASH_ENV=/tmp/x"}) is None


def test_dockers_own_proxies_count_unless_the_environment_names_others(docker_config: Path) -> None:
    entry = {"httpProxy": "http://configured.example", "noProxy": "localhost"}
    docker_config.write_text(json.dumps({"proxies": {"default": entry}}))

    secret = (proxy_secret({"HTTP_PROXY": "http://named.example"}) or b"").decode()

    assert "HTTP_PROXY=http://named.example\n" in secret
    assert "NO_PROXY=localhost\n" in secret
    # buildx hands on what is configured there unless it is told otherwise.
    assert without_proxies({}) == ("HTTP_PROXY=", "http_proxy=", "NO_PROXY=", "no_proxy=")
