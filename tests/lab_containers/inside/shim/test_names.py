"""The names of a Databricks notebook in a shell of IPython, without a workspace and without Spark."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dbmirror_shim.errors import NotebookExit, Unavailable
from dbmirror_shim.session import LazySession, knows_its_sdk, new_session, require_answer, workspace_address
from dbmirror_shim.utilities import Utilities
from IPython.core.interactiveshell import InteractiveShell

Run = Callable[[str], Any]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, no Spark: what this machine has of them is not this test's."""
    for name in [name for name in os.environ if name.startswith(("DATABRICKS_", "SPARK_", "DBMIRROR_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    shell.extension_manager.load_extension("dbmirror_shim")
    yield shell
    InteractiveShell.clear_instance()


@pytest.fixture
def run(shell: InteractiveShell) -> Run:
    def run_cell(cell: str) -> Any:
        result = shell.run_cell(cell)
        result.raise_error()
        return result.result

    return run_cell


def test_a_kernel_in_the_lab_is_not_remote(run: Run) -> None:
    assert run("is_remote()") is False


def test_a_kernel_on_the_driver_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBMIRROR_SIDE", "driver")
    assert run("is_remote()") is True


def test_sh_runs_the_whole_cell_in_bash(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("%sh word=one\necho $word\n[[ a == a ]] && echo two")
    assert capsys.readouterr().out == "one\ntwo\n"


def test_a_failing_script_fails_the_cell_only_where_it_is_asked_to(run: Run) -> None:
    run("%sh\nfalse")
    with pytest.raises(Unavailable, match="exit status 1"):
        run("%sh -e\nfalse\ntrue")


def test_fs_shows_what_dbutils_gives(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("hello")
    run(f"%fs head file:{tmp_path}/a.txt")
    assert "hello" in capsys.readouterr().out


def test_a_cell_in_a_language_of_its_own_is_refused_with_a_sentence(run: Run) -> None:
    with pytest.raises(Unavailable, match="runs Python"):
        run("%scala\nval x = 1")


def test_a_python_cell_is_python(run: Run) -> None:
    run("%python\nanswer = 42")
    assert run("answer") == 42


def test_an_unavailable_thing_shows_one_sentence_and_no_traceback(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("dbutils.secrets.get('scope', 'key')")
    said = capsys.readouterr().out
    assert "dbutils.secrets.get needs" in said
    assert "Traceback" not in said


def test_exit_ends_the_cell_with_its_value(run: Run) -> None:
    with pytest.raises(NotebookExit, match=r"^done$"):
        run("dbutils.notebook.exit('done')\nraise AssertionError")


def test_paths_outside_this_machine_need_the_workspace() -> None:
    with pytest.raises(Unavailable, match=r"dbutils\.fs\.ls .* needs"):
        Utilities().fs.ls("/mnt/data")


def test_what_is_not_here_is_named() -> None:
    with pytest.raises(Unavailable, match=r"dbutils\.jobs"):
        _ = Utilities().jobs


def test_spark_is_not_looked_for_until_it_is_used(run: Run) -> None:
    assert "connects when it is used" in repr(run("spark"))


def test_spark_without_a_client_says_what_is_missing(run: Run) -> None:
    with pytest.raises(Unavailable, match="no Spark client"):
        run("spark.range(3)")


def test_the_name_becomes_the_session_itself_at_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    class Session:
        version = "4.0"

    session = Session()
    monkeypatch.setattr("dbmirror_shim.session.new_session", lambda: session)
    namespace: dict[str, Any] = {}
    lazy = namespace["spark"] = LazySession(namespace)
    assert lazy.version == "4.0"
    assert namespace["spark"] is session
    assert lazy.version == "4.0"


def test_a_server_that_does_not_answer_is_named_at_once() -> None:
    with pytest.raises(Unavailable, match=r"answers at 127\.0\.0\.1 port 9 "):
        require_answer("sc://127.0.0.1:9/;token=secret")


@pytest.mark.parametrize("address", ["http://host:1", "sc://", "sc://host:port", "host"])
def test_an_address_of_another_form_is_refused_without_being_shown(address: str) -> None:
    with pytest.raises(Unavailable, match="not of the form"):
        require_answer(address)


@pytest.mark.parametrize("host", ["https://adb-1.2.example/", "adb-1.2.example"])
def test_the_workspaces_address_carries_cluster_and_token(host: str) -> None:
    expected = "sc://adb-1.2.example:443/;use_ssl=true;token=dapi%3D%3B0;x-databricks-cluster-id=0101-120000-abcdefgh"
    assert workspace_address(host, "0101-120000-abcdefgh", "dapi=;0") == expected


@pytest.mark.parametrize(("has", "fits"), [("0.20.0", False), ("0.29.0", True), ("0.100.1", True)])
def test_databricks_connect_is_used_where_the_clusters_sdk_is_new_enough(
    has: str, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbmirror_shim.session.requires", lambda _: ["py4j==0.10.9.7", "databricks-sdk (<1,>=0.29.0)"])
    monkeypatch.setattr("dbmirror_shim.session.version", lambda _: has)
    assert knows_its_sdk() is fits


def test_a_token_in_an_error_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("cannot parse sc://host/;use_ssl=true;token=dapi0;x=y")

    monkeypatch.setattr("dbmirror_shim.session._connected", fail)
    with pytest.raises(Unavailable) as caught:
        new_session()
    assert "dapi0" not in str(caught.value)
    assert "cannot parse" in str(caught.value)
