"""A workshop for whole locks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dbmirror.filters.model import Selection
from dbmirror.lock.model import BaseImage
from dbmirror.lock.python.index import Index
from dbmirror.snapshot import Snapshot
from tests.lock.python.workshop import Workshop


@pytest.fixture
def workshop(
    server: Any,
    index_of: Callable[..., Index],
    tmp_path: Path,
    base: BaseImage,
    cluster: Callable[..., Snapshot],
    keep_all: Callable[..., Selection],
) -> Workshop:
    return Workshop(index_of(server.url), tmp_path / "mirror", base, cluster, keep_all)
