"""What the line says when a file of the mirror is missing or of another version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbmirror.config import Config, LoadedConfig
from dbmirror.mirror_folder.names import SNAPSHOT
from dbmirror.pipeline.mirror import Mirror
from dbmirror.snapshot import SnapshotError


@pytest.mark.parametrize("content", [None, {"schema": 99}])
def test_an_error_of_a_file_names_the_command_with_the_mirror_in_it(
    tmp_path: Path, content: dict[str, int] | None
) -> None:
    loaded = LoadedConfig(config=Config(), origin=None, root=tmp_path)
    if content is not None:
        folder = loaded.mirror_folder("prod")
        folder.mkdir(parents=True)
        (folder / SNAPSHOT).write_text(json.dumps(content))
    with pytest.raises(SnapshotError) as raised, Mirror("prod", loaded) as mirror:
        mirror.snapshot()
    assert "'dbmirror snapshot prod'" in raised.value.remedy
