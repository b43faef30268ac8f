"""What doctor finds on a machine: each thing by itself, what is missing with the command that helps."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbmirror.config import Config, IndexConfig, LoadedConfig
from dbmirror.doctor.machine import Check, examine

PAGE = b'{"meta": {"api-version": "1.0"}, "name": "pip", "files": []}'


class Simple(http.server.BaseHTTPRequestHandler):
    """A package index that knows one project, without a file of it."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/simple/pip/" else 403)
        self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Simple) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> Path:
    """A machine with nothing on it, no profile, no engine, no setting, that reaches an index."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{address}/simple/")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    monkeypatch.delenv("DATABRICKS_CONFIG_FILE", raising=False)
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def checks(machine: Path, **index: object) -> dict[str, Check]:
    config = Config(index=IndexConfig(**index))  # type: ignore[arg-type]
    return {check.name: check for check in examine(LoadedConfig(config=config, origin=None, root=machine))}


def test_everything_is_looked_at_also_where_the_first_things_are_missing(machine: Path) -> None:
    found = checks(machine)
    assert list(found) == [
        "python",
        "docker",
        "buildx",
        "compose",
        "disk",
        "ca bundle",
        "index",
        "git",
        "profiles",
        "left behind",
    ]
    assert [name for name, check in found.items() if check.needed] == ["python", "docker", "buildx", "index"]
    assert all(check.remedy for check in found.values() if not check.ok)


def test_an_engine_that_is_away_is_named_with_what_helps(machine: Path) -> None:
    found = checks(machine)["docker"]
    assert not found.ok
    assert "no-engine.sock" in found.found + found.remedy or "Docker" in found.found


def test_an_index_that_answers_is_named_with_where_it_was_configured(machine: Path, address: str) -> None:
    found = checks(machine, url=f"{address}/simple/")["index"]
    assert found.ok, found
    assert "127.0.0.1" in found.found
    assert "[index] url" in found.found


def test_an_index_that_refuses_is_not_well(machine: Path, address: str) -> None:
    found = checks(machine, url=f"{address}/refused/")["index"]
    assert not found.ok
    assert f"{address}/refused/" in found.found


def test_a_bundle_that_holds_no_certificate_is_said_with_its_path(machine: Path) -> None:
    bundle = machine / "ca.pem"
    bundle.write_text("no certificate")
    found = checks(machine, ca_bundle=bundle)["ca bundle"]
    assert not found.ok
    assert str(bundle) in found.found


def test_git_is_found_or_its_use_and_its_package_are_named(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = machine / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    missing = checks(machine)["git"]
    assert (missing.ok, missing.needed, missing.remedy) == (False, False, "apt-get install git")
    (programs / "git").write_text("#!/bin/sh\n")
    (programs / "git").chmod(0o755)
    assert checks(machine)["git"].found == str(programs / "git")


def test_profiles_are_named_and_none_leads_to_the_sandbox(machine: Path) -> None:
    assert "dbmirror sandbox up" in checks(machine)["profiles"].remedy
    (machine / ".databrickscfg").write_text("[PROD]\nhost = https://one.example\n[TEST]\nhost = https://two.example\n")
    found = checks(machine)["profiles"]
    assert (found.ok, found.found) == (True, "PROD, TEST")


def test_looking_changes_nothing(machine: Path) -> None:
    checks(machine)
    assert list(machine.rglob("*")) == []
