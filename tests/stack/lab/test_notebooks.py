"""Notebooks in the lab: in a browser, on both sides with the same outputs, on engines, paired with scripts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dbmirror.engine.compose_project import command
from dbmirror.lab import status as lab_status
from dbmirror.pipeline import stages
from dbmirror.pipeline.mirror import Mirror
from tests.stack.lab.stack import (
    address_of,
    container,
    docker,
    driver_container,
    in_lab,
    kernels_on_driver,
    outputs_of,
    project_of,
    run_in_browser,
    session_of,
    settles,
    write_notebook,
)

pytestmark = pytest.mark.stack


@pytest.mark.parametrize(
    ("kernel", "title", "side"),
    [("mirror-python", "Python (mirror of demo)", "mirror"), ("driver", "Driver of demo (SSH)", "driver")],
)
def test_a_browser_logs_in_opens_a_notebook_and_sees_the_output_of_a_cell(
    stack: Path, mirror: Mirror, artefacts: Path, kernel: str, title: str, side: str
) -> None:
    source = "import os, sys\nprint('answer:', 6 * 7, sys.prefix, is_remote(), os.uname().nodename)"
    write_notebook(stack, f"hello-{side}.ipynb", source, kernel=kernel, title=title)
    screenshot = artefacts / f"notebook-{side}.png"
    said = run_in_browser(stack, f"hello-{side}.ipynb", title=title, awaited="answer: 42", screenshot=screenshot)
    machine = docker("exec", driver_container(), "uname", "-n").strip() if side == "driver" else "lab"
    assert said.split()[2:] == ["/databricks/python3", str(side == "driver"), machine]
    assert screenshot.stat().st_size > 10_000
    assert lab_status.status(mirror.lab).kernels == (), "what comes next finds the lab as it was"
    assert settles(lambda: kernels_on_driver() == [], 20), kernels_on_driver()


def test_the_example_gives_the_same_outputs_in_both_kernels_of_the_lab(stack: Path) -> None:
    here, there = (outputs_of(stack, "both_sides", kernel, until="## Spark") for kernel in ("mirror-python", "driver"))
    assert here == there
    assert len(here) == 5
    assert "'numpy': '1.23.5'" in here[0][0]["text/plain"]


def test_the_parallel_example_runs_on_engines_that_compose_starts(stack: Path, mirror: Mirror) -> None:
    def scale(count: int) -> None:
        argv = command(project_of(stack), "up", "--detach", "--no-build", "--scale", f"engine={count}")
        subprocess.run(argv, check=True, capture_output=True)

    def lab_container() -> str:
        return docker("inspect", "--format", "{{.Id}}", container(stack, "lab"))

    before = lab_container()
    scale(2)
    try:
        found, mapped, same, *_ = outputs_of(stack, "parallel", "mirror-python")
        assert (found[-1]["text/plain"], same[-1]["text/plain"]) == ("True", "True")
        assert mapped[-1]["text/plain"] == "[0, 0, 1, 5, 14, 30, 55, 91, 140, 204]"
        source = "import ipyparallel\nclient = ipyparallel.Client()\nclient.wait_for_engines(2, timeout=30)\nclient.ids"
        write_notebook(stack, "profile.ipynb", source)
        assert outputs_of(stack, "profile", "mirror-python")[0][-1]["text/plain"] == "[0, 1]"
        status = stages.start_lab(mirror, mirror.lock())
        assert [service.name for service in status.services].count("engine") == 2
    finally:
        scale(0)
    assert lab_container() == before


def test_a_saved_notebook_is_paired_with_a_python_file(stack: Path) -> None:
    write_notebook(stack, "paired.ipynb", "print('paired')")
    with session_of(stack) as session:
        address = f"{address_of(stack)}/api/contents/paired.ipynb"
        saved = session.put(address, json=session.get(address, timeout=30).json(), timeout=30)
    assert saved.status_code == 200
    assert "# %%\nprint('paired')" in (stack / "notebooks" / "paired.py").read_text()


def test_modules_that_were_edited_are_loaded_anew(stack: Path) -> None:
    program = (
        "import os, time\nfrom IPython.terminal.ipapp import TerminalIPythonApp\n"
        "app = TerminalIPythonApp.instance(); app.initialize(argv=['--no-banner'])\n"
        "print([type(x).__name__ for x in app.shell.events.callbacks['pre_run_cell']], "
        "'autoreload' in app.shell.magics_manager.magics['line'])"
    )
    assert "True" in in_lab(stack, "/databricks/python3/bin/python", "-c", program)
