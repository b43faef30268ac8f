"""`doctor --online` tries each thing by itself and says which one fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from dbmirror.cli import main
from dbmirror.config import load_config
from dbmirror.doctor.machine import Check
from dbmirror.doctor.online import try_each
from dbmirror.inventory.model import DirectUrl
from dbmirror.mirror_folder.names import SNAPSHOT
from dbmirror.snapshot import write_snapshot
from tests.builders import a_distribution, a_snapshot
from tests.doctor.test_machine import address, machine  # noqa: F401 - fixtures

Found = Callable[[str], dict[str, Check]]
CLOSED = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def shell(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.chdir(machine)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def found(machine: Path) -> Found:  # noqa: F811
    def tried(toml: str = "") -> dict[str, Check]:
        (machine / "dbmirror.toml").write_text(toml)
        return {check.name: check for check in try_each(load_config(None))}

    return tried


def test_each_thing_has_a_row_and_those_that_fail_a_remedy(
    found: Found,
    machine: Path,  # noqa: F811
    address: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (machine / ".databrickscfg").write_text(f"[one]\nhost = http://{CLOSED}\ntoken = x\n")
    url = DirectUrl(url="https://127.0.0.1/metrics.git", vcs="git", commit="a" * 40)
    snapshot = a_snapshot(a_distribution("metrics", "1.0", direct_url=url))
    write_snapshot(snapshot, machine / "mirrors" / "demo" / SNAPSHOT)
    monkeypatch.setenv("UV_INDEX", f"{address}/refused/")
    tried = found(f'[registries.own]\nkind = "oci"\nhost = "{CLOSED}"\n')
    assert {name: check.ok for name, check in tried.items()} == {
        "certificate authorities": True,
        "workspace one": False,
        f"index {address}/refused/": False,
        f"index {address}/simple/": True,
        "git 127.0.0.1": False,
        "registry own": False,
    }
    assert all(check.remedy for check in tried.values() if not check.ok)


def test_a_proxy_that_is_away_is_named_with_its_variable_and_without_its_password(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"http://me:secret@{CLOSED}")
    check = found()["proxy https_proxy"]
    assert (check.ok, "takes no connection" in check.found) == (False, True)
    assert "secret" not in repr(check)


def test_a_variable_that_names_a_missing_bundle_is_said(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    check = found()["certificate authorities"]
    assert not check.ok
    assert "SSL_CERT_FILE" in check.found


def test_the_command_ends_with_the_names_of_what_fails(machine: Path) -> None:  # noqa: F811
    (machine / ".databrickscfg").write_text(f"[one]\nhost = http://{CLOSED}\ntoken = x\n")
    done = CliRunner().invoke(main, ["doctor", "--online", "--json"])
    assert done.exit_code == 1
    assert "workspace one" in {check["name"] for check in json.loads(done.stdout)["checks"] if not check["ok"]}
