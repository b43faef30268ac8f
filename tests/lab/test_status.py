"""How a lab stands: the ports that the engine published, the kernels whose driver is there, times that people read."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner

from dbmirror.cli import main
from dbmirror.cli.status_tables import lab as lab_table
from dbmirror.engine import compose
from dbmirror.engine.compose import Service
from dbmirror.foreign_text.characters import plain
from dbmirror.lab import status as lab_status
from dbmirror.lab.model import Lab
from dbmirror.lab.paths import lab_paths, write_compose_file
from dbmirror.lab.tokens import ensure_token
from dbmirror.lab.variables import write_environment
from dbmirror.lab_containers.tunnel.state import say
from tests.cli.test_layout import printed

PUBLISHED = {
    "Service": "tunnel",
    "Name": "demo-tunnel-1",
    "State": "running",
    "Health": "healthy",
    "Publishers": [
        {"URL": "127.0.0.1", "TargetPort": 4040, "PublishedPort": 4041, "Protocol": "tcp"},
        {"URL": "", "TargetPort": 22, "PublishedPort": 0, "Protocol": "tcp"},
    ],
}
JUPYTER = Service(name="lab", container="demo-lab-1", state="running", health="healthy", ports=((8888, 9000),))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab that was started once, with 8888 as the port that was chosen for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    folder = tmp_path / "mirrors" / "demo"
    folder.mkdir(parents=True)
    where = lab_paths(folder)
    ensure_token(where, user=folder.stat().st_uid)
    write_environment(where, {"DBMIRROR_LAB_PORT": "8888"})
    write_compose_file(where, b"services: {}\n")
    return Lab(mirror="demo", folder=folder)


def test_the_port_shown_is_the_one_that_was_published(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: list[str], *, on_line: object = None, **_: object) -> None:
        if callable(on_line):
            on_line(json.dumps(PUBLISHED))

    monkeypatch.setattr(compose, "_run", run)
    (service,) = compose.services(lab_paths(lab.folder).project)
    assert service.ports == ((4040, 4041),)
    found = lab_status.LabStatus(
        mirror="demo", folder=lab.folder, url=None, services=(service,), tunnel=None, bridge=None, kernels=None
    )
    assert any("http://127.0.0.1:4041 leads to the driver's port 4040" in line for line in printed(lab_table(found)))


def test_the_address_follows_a_port_that_the_stack_was_started_with_by_hand(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "services", lambda _: (JUPYTER,))
    monkeypatch.setattr(lab_status, "tunnel_state", lambda _: None)
    assert lab_status.status(lab).url == "http://127.0.0.1:9000/lab"
    assert lab_status.url(lab).startswith("http://127.0.0.1:9000/lab?token=")


@pytest.mark.parametrize(
    ("tunnel", "kernel", "state"),
    [
        ({"state": "connected"}, "driver", "idle"),
        ({"state": "cluster-down"}, "driver", "ended"),
        ({"state": "cluster-starting"}, "driver", "ended"),
        ({"state": "unreachable"}, "driver", "unreachable"),
        (None, "driver", "unreachable"),
        ({"state": "cluster-down"}, "mirror-python", "idle"),
    ],
)
def test_a_kernel_on_a_driver_that_is_gone_is_not_idle(tunnel: dict[str, str] | None, kernel: str, state: str) -> None:
    assert lab_status.kernel_state(kernel, "idle", tunnel) == state


def test_the_driver_s_kernel_has_that_name() -> None:
    folder = resources.files("dbmirror") / "lab_containers" / "inside" / "kernels"
    assert (folder / lab_status.ON_DRIVER / "kernel.json.j2").is_file()


def test_a_shell_in_a_lab_that_is_down_is_no_difference_but_a_mistake(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "services", lambda _: ())
    done = CliRunner().invoke(main, ["lab", "shell", lab.mirror])
    assert done.exit_code == 2
    assert "The lab of demo is down." in done.stderr
    assert "dbmirror lab up demo" in done.stderr


def test_a_log_is_printed_without_what_was_meant_for_a_terminal() -> None:
    assert plain("\x1b[36mlab-1  |\x1b[0m [\x1b[1;32mI\x1b[m] \x1b]0;title\x07ready\x1b[2K") == "lab-1  | [I] ready"


def test_a_line_of_the_tunnel_has_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    say("connected: Connected to the driver.")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ connected: .*\n", capsys.readouterr().out)
