"""A cluster whose runtime dbmirror has no facts about works from its own snapshot, with a note."""

from __future__ import annotations

from pathlib import Path

from dbmirror.config import Config, LoadedConfig
from dbmirror.filters.flavour import Flavour, official_base
from dbmirror.pipeline.mirror import Mirror
from dbmirror.pipeline.mirror_filters import find_runtime, select_python
from dbmirror.progress import Observer
from tests.builders import a_cluster, a_distribution, a_snapshot, an_inventory


class Notes(Observer):
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_packages_are_selected_and_a_base_is_chosen_for_a_runtime_that_is_not_known(tmp_path: Path) -> None:
    inventory = an_inventory(
        a_distribution("ipykernel", "6.28.0"),
        a_distribution("tokenize-rt", "4.2.1"),
        python="3.12.3",
        os_version="24.04",
        java_version="17.0.9",
        runtime_version="16.2",
    )
    snapshot = a_snapshot(inventory=inventory, cluster=a_cluster(spark_version="16.2.x-scala2.12"))
    observer = Notes()
    loaded = LoadedConfig(config=Config(), origin=None, root=tmp_path)
    with Mirror("demo", loaded, observer=observer) as mirror:
        kept = select_python(mirror, snapshot).kept
        base = official_base(find_runtime(mirror, snapshot), Flavour.PYTHON)
    assert [distribution.name for distribution in kept] == ["ipykernel", "tokenize-rt"]
    assert base == "databricksruntime/python:16.4-LTS"
    (note,) = observer.notes
    assert "Databricks Runtime 16.2" in note
