from pathlib import Path

import pytest

from dbmirror.engine.docker import EngineUnavailable
from dbmirror.sandbox.errors import SandboxRefused
from dbmirror.sandbox.lifecycle import down, status, up
from dbmirror.sandbox.state import Record, instance, read_record, write_record


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    monkeypatch.delenv("DATABRICKS_CONFIG_FILE", raising=False)
    return tmp_path


def record() -> Record:
    return Record(
        profile="demo",
        port=1,
        addresses=("127.0.0.1",),
        cluster_id="1-2-3",
        base_image="base:1",
        base_origin="made from Debian packages",
        driver_image="driver:1",
        pins=2,
        missing=(("a==1", "the index has no such version"),),
    )


def test_without_docker_up_says_so_and_leaves_nothing(home: Path) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        up()
    assert caught.value.exit_code == 4
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_without_docker_down_keeps_what_it_would_need_to_end_the_rest() -> None:
    write_record(record())
    with pytest.raises(EngineUnavailable):
        down()
    assert read_record() == record()


def test_a_bad_name_or_list_is_refused_before_anything_is_made(home: Path) -> None:
    with pytest.raises(SandboxRefused):
        up(name="Not A Name")
    with pytest.raises(SandboxRefused):
        up(packages=home / "absent.txt")
    assert list(home.iterdir()) == []


def test_where_there_is_no_sandbox_there_is_no_status() -> None:
    assert status() is None


def test_a_sandbox_whose_workspace_is_gone_still_has_a_status() -> None:
    write_record(record())
    state = status()
    assert state is not None
    assert not state.workspace_answers
    assert not state.ready
    assert state.driver_container is None
    assert state.missing == record().missing


def test_a_record_of_another_form_is_no_sandbox(home: Path) -> None:
    write_record(record())
    (home / "state" / "sandbox" / "state.json").write_text('{"form": "older"}')
    assert status() is None


def test_every_state_folder_has_a_sandbox_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = instance()
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "other"))
    assert instance() != first
