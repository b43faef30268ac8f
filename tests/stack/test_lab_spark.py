"""The whole example in both kernels of the lab, whose Spark is the driver's, reached through the tunnel."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack.conftest import User, new_user

pytestmark = pytest.mark.stack

EXECUTE = """
import json, sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read("both_sides.ipynb", as_version=4)
NotebookClient(notebook, kernel_name=sys.argv[1], timeout=120, startup_timeout=60).execute()
outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
print(json.dumps([[output.get("data") or output.get("text") for output in each] for each in outputs]))
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[User, Path]]:
    """The lab of a sandbox whose driver runs Spark, and its folder."""
    made = new_user(tmp_path_factory.mktemp("spark"))
    project = {"COMPOSE_PROJECT_NAME": f"dbmirror-test-spark-{os.getpid()}"}
    user = User(made.home, made.folder, made.environment | project)
    try:
        user.run("sandbox", "up", "--spark")
        user.run("build", "demo")
        status = user.run("lab", "up", "demo", "--json").document["lab"]
        yield user, Path(status["folder"])
    finally:
        if (user.folder / "mirrors" / "demo" / "compose.yaml").exists():
            user.run("lab", "down", "demo")
        user.run("sandbox", "down")


def outputs(user: User, folder: Path, kernel: str) -> Any:
    argv = ["docker", "compose", "exec", "--no-TTY", "lab", "/opt/lab/bin/python", "-c", EXECUTE, kernel]
    done = subprocess.run(argv, cwd=folder, env=user.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(re.sub(r" at 0x[0-9a-f]+", "", done.stdout.splitlines()[-1]))


def test_the_whole_example_gives_the_same_outputs_in_both_kernels(lab: tuple[User, Path]) -> None:
    here, there = (outputs(*lab, kernel) for kernel in ("mirror-python", "driver"))
    assert here == there
    *_, count, table, same, removed = here
    assert count[0]["text/plain"] == "4"
    assert "<table" in table[0]["text/html"]
    assert "True" in same[0]["text/plain"]
    assert removed[0]["text/plain"] == "True"
