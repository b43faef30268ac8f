"""The whole example in both kernels of the lab, whose Spark is the driver's, reached through the tunnel."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack.conftest import User, new_user
from tests.stack.lab.stack import keep_to_ports, outputs_of

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[User, Path]]:
    """The lab of a sandbox whose driver runs Spark, and its folder."""
    made = new_user(tmp_path_factory.mktemp("spark"))
    project = {"COMPOSE_PROJECT_NAME": f"dbmirror-test-spark-{os.getpid()}"}
    user = User(made.home, made.folder, made.environment | project)
    try:
        user.run("sandbox", "up", "--spark")
        user.run("build", "demo")
        keep_to_ports(user, user.folder / "mirrors" / "demo", 18892)
        status = user.run("lab", "up", "demo", "--json").document["lab"]
        yield user, Path(status["folder"])
    finally:
        if (user.folder / "mirrors" / "demo" / "compose.yaml").exists():
            user.run("lab", "down", "demo")
        user.run("sandbox", "down")


def outputs(user: User, folder: Path, kernel: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in user.environment.items():
            patch.setenv(name, value)
        found = outputs_of(folder, "both_sides", kernel)
    return json.loads(re.sub(r" at 0x[0-9a-f]+", "", json.dumps(found)))


def test_the_whole_example_gives_the_same_outputs_in_both_kernels(lab: tuple[User, Path]) -> None:
    here, there = (outputs(*lab, kernel) for kernel in ("mirror-python", "driver"))
    assert here == there
    *_, count, table, same, removed = here
    assert count[0]["text/plain"] == "4"
    assert "<table" in table[0]["text/html"]
    assert "True" in same[0]["text/plain"]
    assert removed[0]["text/plain"] == "True"
