"""Snapshots of a few lines, for the filters."""

from collections.abc import Callable

import pytest

from dbmirror.inventory.model import Distribution
from dbmirror.snapshot import Snapshot
from tests.builders import a_distribution, a_snapshot


@pytest.fixture
def installed() -> Callable[..., Distribution]:
    """Makes a distribution."""
    return a_distribution


@pytest.fixture
def snapshot() -> Callable[..., Snapshot]:
    """Makes the snapshot of a cluster with Python 3.11 that has these distributions."""
    return a_snapshot
