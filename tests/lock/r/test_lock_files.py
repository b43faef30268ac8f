"""R's lock in the mirror's folder: written, read back, and refused where it was changed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbmirror.inventory.installed_files import CapturedFile
from dbmirror.inventory.model import RPackage
from dbmirror.lock.errors import LockError
from dbmirror.lock.r.lock_files import r_lock_digest, read_r_lock, remove_r_lock, write_r_lock
from dbmirror.lock.r.model import LockedRPackage, RAptPackage, RGitSource, RLock
from dbmirror.sandbox.r_repository import source_archive
from tests.r_sources import make_package

from .conftest import cluster, r_package

Locks = Callable[..., RLock]


def built(package: RPackage) -> CapturedFile:
    description = {"Built": "R 4.4.2; ; 2025-01-01 00:00:00 UTC; unix"}
    content = source_archive(make_package(package.name, package.version, description))
    return CapturedFile(f"{package.name}_{package.version}_R_x86_64-pc-linux-gnu.tar.gz", content)


@pytest.fixture
def made(lock: Locks, served: str) -> RLock:
    """A lock with a source of each kind."""
    taken = cluster(
        r_package("acme", "3.1"),
        r_package("base", "4.4.2", priority="base"),
        r_package("sandboxGreeting", "1.0.0"),
        r_package("sandboxSodium", "1.1", system_requirements="libsodium (>= 1.0.3)", needs_compilation=True),
        r_package("sandboxSums", "0.3-1", depends=("sandboxGreeting",)),
        r_package("gone", "1.0", built_under="4.3.1"),
    )
    found = lock(taken, served, capture=built)
    more = (
        LockedRPackage(name="MASS", version="7.3", source=RAptPackage(package="r-cran-mass", version="7.3-1")),
        LockedRPackage(
            name="Tools",
            version="0.1",
            source=RGitSource(
                url="https://git.example/a/tools",
                commit="a" * 40,
                path=f"r-sources/Tools-{'a' * 40}.tar.gz",
                sha256="b" * 64,
                subdirectory="pkg",
            ),
        ),
    )
    first = found.fates[0]
    fates = [replace(first, name=each.name, version=each.version, kind="mirrored") for each in more]
    return replace(
        found,
        packages=tuple(sorted((*found.packages, *more), key=lambda each: each.name)),
        fates=tuple(sorted((*found.fates, *fates), key=lambda each: each.name)),
    )


def changed(folder: Path, file: str, change: Callable[[Any], None]) -> None:
    document = json.loads((folder / file).read_text())
    change(document)
    (folder / file).write_text(json.dumps(document))


def test_a_lock_is_read_back_as_it_was_written(made: RLock, tmp_path: Path) -> None:
    assert write_r_lock(made, tmp_path / "out") == ("renv.lock", "r-fates.json")
    assert read_r_lock(tmp_path / "out") == made
    assert write_r_lock(made, tmp_path / "out") == ()
    assert r_lock_digest(made).startswith("sha256:")


def test_renv_finds_its_own_fields(made: RLock, tmp_path: Path, served: str) -> None:
    write_r_lock(made, tmp_path)
    document = json.loads((tmp_path / "renv.lock").read_text())
    assert document["R"] == {"Version": "4.4.2", "Repositories": [{"Name": "CRAN", "URL": served}]}
    packages = document["Packages"]
    assert packages["sandboxSums"] == {
        "Package": "sandboxSums",
        "Version": "0.3-1",
        "Source": "Repository",
        "Repository": "CRAN",
        "Requirements": ["sandboxGreeting"],
    }
    assert packages["Tools"] == {
        "Package": "Tools",
        "Version": "0.1",
        "Source": "Git",
        "RemoteType": "git",
        "RemoteUrl": "https://git.example/a/tools",
        "RemoteSha": "a" * 40,
        "RemoteSubdir": "pkg",
    }
    assert packages["acme"]["Source"] == "Local"
    assert "base" not in packages


def test_archives_that_the_lock_no_longer_names_go_and_pythons_stay(made: RLock, tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    (folder / "sources").mkdir()
    (folder / "sources" / "python.tar.gz").write_bytes(b"")
    (folder / "r-sources" / "old_1.0.tar.gz").write_bytes(b"")
    assert "r-sources/old_1.0.tar.gz" in write_r_lock(made, folder)
    assert (folder / "sources" / "python.tar.gz").is_file()
    assert (folder / "r-sources" / "acme_3.1_R_x86_64-pc-linux-gnu.tar.gz").is_file()
    remove_r_lock(folder)
    assert not list((folder / "r-sources").iterdir())
    with pytest.raises(LockError, match="There is no"):
        read_r_lock(folder)


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("renv.lock", lambda d: d.pop("dbmirror"), "not written by dbmirror"),
        ("renv.lock", lambda d: d["dbmirror"].update(schema=9), "schema is 9"),
        ("renv.lock", lambda d: d["Packages"]["acme"].update(Version="9"), "Packages.acme.Version does not agree"),
        ("renv.lock", lambda d: d["Packages"].pop("acme"), "Packages does not agree"),
        ("renv.lock", lambda d: d["dbmirror"]["packages"]["acme"].update(version="$(id)"), "not valid"),
        ("renv.lock", lambda d: d["dbmirror"]["packages"]["acme"]["source"].update(path="../x"), "not valid"),
        ("renv.lock", lambda d: d["dbmirror"]["packages"].update({"a\nb": {}}), "not valid"),
        ("renv.lock", lambda d: d["dbmirror"].update(repositories=["ftp://x"]), "not valid"),
        ("renv.lock", lambda d: d["dbmirror"]["packages"].pop("acme"), "acme is mirrored, and renv.lock does not"),
        ("r-fates.json", lambda d: d["fates"].clear(), "has no fate for"),
        ("r-fates.json", lambda d: d["counts"].update(mirrored=99), "counts.mirrored does not agree"),
        ("r-fates.json", lambda d: d.update(snapshot="sha256:0"), "snapshot is not that"),
        ("r-fates.json", lambda d: d["fates"][0].update(kind="lost"), "not a valid lock"),
    ],
)
def test_a_lock_that_was_changed_by_hand_is_refused(
    made: RLock, tmp_path: Path, file: str, change: Callable[[Any], None], words: str
) -> None:
    write_r_lock(made, tmp_path)
    changed(tmp_path, file, change)
    with pytest.raises(LockError) as caught:
        read_r_lock(tmp_path)
    assert words in str(caught.value)


def test_a_damaged_file_is_refused(made: RLock, tmp_path: Path) -> None:
    write_r_lock(made, tmp_path)
    (tmp_path / "renv.lock").write_bytes(b"{")
    with pytest.raises(LockError, match=r"renv\.lock is not a valid lock"):
        read_r_lock(tmp_path)
