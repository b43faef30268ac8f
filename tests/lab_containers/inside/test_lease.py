"""The lab's side of a lease; what the tunnel makes of one is tested with the tunnel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from dbmirror_lab.control import DriverError
from dbmirror_lab.lease import Lease


def test_every_lease_has_a_name_of_its_own(tmp_path: Path) -> None:
    one, two = Lease(tmp_path), Lease(tmp_path)
    assert one.name != two.name
    assert re.fullmatch("[0-9a-f]{16}", one.name)
    assert {path.name for path in tmp_path.iterdir()} == {f"lease-{one.name}", f"lease-{two.name}"}
    one.leave()
    two.leave()


def test_a_lease_that_was_left_to_the_tunnel_stays_and_one_that_ended_does_not(tmp_path: Path) -> None:
    left, ended = Lease(tmp_path), Lease(tmp_path)
    for _ in range(2):
        left.leave()
        ended.end()
    assert [path.name for path in tmp_path.iterdir()] == [f"lease-{left.name}"]


def test_without_a_folder_to_share_no_kernel_is_started(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match=r"shares with the tunnel.*No such file"):
        Lease(tmp_path / "nowhere")
