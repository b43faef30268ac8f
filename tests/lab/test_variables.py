"""The variables of compose.yaml, and the ports of this machine among them."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dbmirror.lab.paths import LabPaths, lab_paths
from dbmirror.lab.ports import choose_ports
from dbmirror.lab.variables import PathRefused, read_environment, write_environment


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabPaths:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    (tmp_path / "mirrors" / "demo").mkdir(parents=True)
    return lab_paths(tmp_path / "mirrors" / "demo")


def test_a_file_that_came_with_the_mirrors_folder_is_not_read_and_is_replaced_whole(where: LabPaths) -> None:
    planted = "DBMIRROR_WORKSPACE=http://evil.example\nCOMPOSE_PROJECT_NAME=other\nCOMPOSE_FILE=evil.yaml\n"
    where.copy_for_compose.write_text(planted)
    assert read_environment(where) == {}
    write_environment(where, {"DBMIRROR_LAB_PORT": "8888", "DBMIRROR_SSH_KEY": "/home/me and you/id $x"})
    assert read_environment(where) == {
        "DBMIRROR_LAB_ID": where.identity,
        "DBMIRROR_LAB_PORT": "8888",
        "DBMIRROR_SSH_KEY": "/home/me and you/id $x",
    }
    for_compose = where.copy_for_compose.read_text().splitlines()[1:]
    own = where.environment_file.read_text().splitlines()
    assert for_compose == [f"COMPOSE_PROJECT_NAME='{where.project.name}'", *own]


@pytest.mark.parametrize("value", ["a'b", "a\nB=c"])
def test_a_value_that_would_end_its_line_or_quotes_is_refused(where: LabPaths, value: str) -> None:
    with pytest.raises(PathRefused, match="DBMIRROR_SSH_KEY"):
        write_environment(where, {"DBMIRROR_SSH_KEY": value})


def test_a_port_that_is_in_use_is_passed_over_and_a_running_labs_stays() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        chosen = choose_ports({"DBMIRROR_LAB_PORT": port}, (int(port),), running=False)
        assert port not in chosen.values()
        assert len(set(chosen.values())) == 2
        assert choose_ports({"DBMIRROR_LAB_PORT": port}, (), running=True) == {"DBMIRROR_LAB_PORT": port}
