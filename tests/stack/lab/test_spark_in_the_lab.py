"""The whole example in both kernels of the lab, whose Spark is the driver's, reached through the tunnel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack.conftest import Done, User
from tests.stack.lab.stack import keep_to_ports, outputs_of, own_ports

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def lab(spark_user: User, spark_built: Done) -> Iterator[Path]:
    """The lab of a sandbox whose driver runs Spark, and its folder."""
    assert spark_built.document["verification"]["passed"] is True
    folder = spark_user.folder / "mirrors" / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBMIRROR_HOME", spark_user.environment["DBMIRROR_HOME"])
        keep_to_ports(folder, own_ports())
        try:
            spark_user.run("lab", "up", "demo")
            yield folder
        finally:
            spark_user.run("lab", "down", "demo")


def outputs(folder: Path, kernel: str) -> Any:
    found = outputs_of(folder, "both_sides", kernel)
    return json.loads(re.sub(r" at 0x[0-9a-f]+", "", json.dumps(found)))


def test_the_whole_example_gives_the_same_outputs_in_both_kernels(lab: Path) -> None:
    here, there = (outputs(lab, kernel) for kernel in ("mirror-python", "driver"))
    assert here == there
    *_, count, table, same, removed = here
    assert count[0]["text/plain"] == "4"
    assert "<table" in table[0]["text/html"]
    assert "True" in same[0]["text/plain"]
    assert removed[0]["text/plain"] == "True"
