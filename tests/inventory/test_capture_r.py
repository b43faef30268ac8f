"""An installed R package, packed as R's binary packages are."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from dbmirror.hosts.local import LocalHost
from dbmirror.inventory.capture_r import capture_r
from dbmirror.inventory.errors import CaptureError
from dbmirror.inventory.model import RPackage

DESCRIPTION = "Package: acme\nVersion: 1.0-2\nBuilt: R 4.4.2; ; 2025-01-01 00:00:00 UTC; unix\n"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """An R library with the package acme in it."""
    folder = tmp_path / "library" / "acme"
    files = {"DESCRIPTION": DESCRIPTION, "R/acme.rdb": "code", "libs/acme.so": "binary", "data/größe, x.txt": "ü"}
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "libs" / "acme.so").chmod(0o755)
    return folder.parent


def acme(library: Path, **more: str) -> RPackage:
    return RPackage(name="acme", version="1.0-2", library=str(library), **more)  # type: ignore[arg-type]


def test_the_archive_has_every_file_below_the_packages_folder(library: Path) -> None:
    packed = capture_r(LocalHost(), acme(library))
    assert packed.filename == "acme_1.0-2_R_x86_64-pc-linux-gnu.tar.gz"
    with tarfile.open(fileobj=io.BytesIO(packed.content)) as archive:
        members = {member.name: member for member in archive}
        assert sorted(members) == [
            "acme/DESCRIPTION",
            "acme/R/acme.rdb",
            "acme/data/größe, x.txt",
            "acme/libs/acme.so",
        ]
        assert members["acme/libs/acme.so"].mode == 0o755
        assert members["acme/DESCRIPTION"].mode == 0o644
        stream = archive.extractfile("acme/data/größe, x.txt")
        assert stream is not None
        assert stream.read().decode() == "ü"


def test_the_same_files_give_the_same_bytes(library: Path) -> None:
    first = capture_r(LocalHost(), acme(library))
    os.utime(library / "acme" / "DESCRIPTION", (0, 0))
    assert capture_r(LocalHost(), acme(library)) == first


def test_a_link_is_refused_for_it_may_lead_out_of_the_library(library: Path) -> None:
    (library / "acme" / "secret").symlink_to("/etc/passwd")
    with pytest.raises(CaptureError, match="no regular file"):
        capture_r(LocalHost(), acme(library))
    (library / "acme" / "secret").unlink()
    (library / "acme" / "more").symlink_to("/etc")
    with pytest.raises(CaptureError, match="link to somewhere else"):
        capture_r(LocalHost(), acme(library))


def test_a_package_that_changed_since_the_inventory_is_refused(library: Path) -> None:
    (library / "acme" / "DESCRIPTION").write_text(DESCRIPTION.replace("1.0-2", "1.1"))
    with pytest.raises(CaptureError, match="does not have it any more") as caught:
        capture_r(LocalHost(), acme(library))
    assert "snapshot" in caught.value.remedy


def test_a_package_that_is_gone_is_refused(library: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        capture_r(LocalHost(), acme(library / "nowhere"))


def test_a_file_name_that_no_archive_should_hold_is_refused(library: Path) -> None:
    (library / "acme" / "a\nb").write_text("")
    with pytest.raises(CaptureError, match="no path inside of it"):
        capture_r(LocalHost(), acme(library))
