"""The lab's lock: of each pinned release the one wheel for the mirror's Python, and nothing that was not pinned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from dbmirror.files import canonical_json
from dbmirror.lock.errors import LockError
from dbmirror.lock.lab import LabLock, lock_lab, read_lab_lock, requirement_lines, still_holds, write_lab_lock
from dbmirror.lock.model import Target
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.pinned import read_pins
from dbmirror.mirror_folder.names import LAB_LOCK
from tests.lock.conftest import wheel

TARGET = Target(python="3.11.2", architecture="x86_64", glibc="2.35")
OTHER = Target(python="3.12.3", architecture="x86_64", glibc="2.39")
ABSENT = "f" * 64


class Market:
    """An index that has `acme` for two Pythons, and the requirements file of a lab that pins it."""

    def __init__(self, server, index: Index) -> None:
        self.server, self.index = server, index
        names = {f"acme-1.0-cp3{n}-cp3{n}-manylinux_2_17_x86_64.whl": f"acme {n}" for n in (11, 12)}
        names["acme-1.0.tar.gz"] = "source"
        self.hashes = [server.add("acme", name, wheel(text, "1.0")) for name, text in names.items()]
        lines = [*(f"--hash=sha256:{each}" for each in (ABSENT, *self.hashes))]
        self.requirements = {"lab": "# A comment.\nacme==1.0 \\\n    " + " \\\n    ".join(lines) + "\n"}

    def lock(self, target: Target = TARGET, previous: LabLock | None = None) -> LabLock:
        return lock_lab(self.requirements, target=target, index=self.index, previous=previous)


@pytest.fixture
def market(server, index_of: Callable[..., Index], monkeypatch: pytest.MonkeyPatch) -> Iterator[Market]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return Market(server, index_of(server.url))


def test_the_wheel_for_the_mirrors_python_is_locked(market: Market) -> None:
    for target, python in ((TARGET, "cp311"), (OTHER, "cp312")):
        (file,) = market.lock(target).wheels["lab"]
        assert f"-{python}-" in file.filename
        assert requirement_lines((file,)) == f"acme==1.0 --hash=sha256:{file.sha256}\n"


def test_a_file_that_is_not_pinned_is_not_taken(market: Market) -> None:
    market.requirements = {"lab": f"acme==1.0 --hash=sha256:{ABSENT}\n"}
    with pytest.raises(LockError, match=r"acme 1\.0 is needed in the lab"):
        market.lock()


def test_what_is_locked_stays_and_asks_no_index(market: Market, index_of: Callable[..., Index]) -> None:
    lock = market.lock()
    assert still_holds(lock, market.requirements, target=TARGET)
    asked = len(market.server.requests)
    assert market.lock(previous=lock) == lock
    assert len(market.server.requests) == asked


def test_another_python_other_pins_or_a_file_of_another_hash_make_it_wrong(market: Market) -> None:
    lock = market.lock()
    (file,) = lock.wheels["lab"]

    def holds(lock: LabLock, **changes: object) -> bool:
        return still_holds(lock, **{"requirements": market.requirements, "target": TARGET, **changes})  # type: ignore[arg-type]

    assert holds(lock)
    assert not holds(lock, target=OTHER)
    assert not holds(lock, requirements={**market.requirements, "spark": ""})
    assert not holds(lock, requirements={"lab": market.requirements["lab"] + "more==1 --hash=sha256:" + ABSENT})
    for change in ({"sha256": "0" * 64}, {"filename": "acme-2.0-py3-none-any.whl"}, {"filename": "evil.whl"}):
        assert not holds(msgspec.structs.replace(lock, wheels={"lab": (msgspec.structs.replace(file, **change),)}))
    source = msgspec.structs.replace(file, filename="acme-1.0.tar.gz", sha256=market.hashes[2])
    assert not holds(msgspec.structs.replace(lock, wheels={"lab": (source,)}))


def test_the_file_is_read_as_it_was_written_and_a_damaged_one_counts_as_none(market: Market, tmp_path: Path) -> None:
    assert read_lab_lock(tmp_path) is None
    write_lab_lock(lock := market.lock(), tmp_path)
    assert read_lab_lock(tmp_path) == lock
    for damaged in (b"{", canonical_json({"schema": 99}), canonical_json({**msgspec.to_builtins(lock), "wheels": 1})):
        (tmp_path / LAB_LOCK).write_bytes(damaged)
        assert read_lab_lock(tmp_path) is None


def test_markers_are_those_of_the_mirrors_python() -> None:
    hashed = f"--hash=sha256:{ABSENT}"
    text = (
        f"a==1 ; python_full_version < '3.12' \\\n    {hashed} \\\n    {hashed}\n"
        f"b==1 ; sys_platform == 'win32' or platform_machine == 'arm64' {hashed}\n"
        f"Under_Score==1.0+local {hashed}\nno-hash==1\n-r other.txt\n"
    )
    assert [pin.name for pin in read_pins(text, target=TARGET)] == ["a", "under-score"]
    assert [pin.name for pin in read_pins(text, target=replace(TARGET, python="3.12.1"))] == ["under-score"]
