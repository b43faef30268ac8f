"""What is read of an image's files, outside of it: packages, modules, and whether the files are those of the wheels."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Container
from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror.inventory.errors import NoPythonFound, PayloadDamaged
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.unpacked import Unpacked, collect_unpacked, unpack
from dbmirror.lock.model import CapturedWheel
from dbmirror.verify.modules import modules_of, reason_to_skip, top_of
from dbmirror.verify.verify import compare
from dbmirror.verify.wheel_files import wheel_files
from tests.verify.conftest import distribution, inventory, lock, package

SITE = "databricks/python3/lib/python3.11/site-packages"
PYVENV = {"databricks/python3/pyvenv.cfg": b"home = /usr/bin\nversion = 3.11.2\n", "etc/os-release": b"ID=debian\n"}


def archive(files: dict[str, bytes], links: dict[str, str] | None = None, hard: dict[str, str] | None = None) -> bytes:
    """A tar as the engine writes it of a container's folder."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for kind, targets in ((tarfile.SYMTYPE, links or {}), (tarfile.LNKTYPE, hard or {})):
            for name, target in targets.items():
                member = tarfile.TarInfo(name)
                member.type, member.linkname = kind, target
                tar.addfile(member)
    return written.getvalue()


def metadata(name: str, version: str, *files: str) -> dict[str, bytes]:
    folder = f"{SITE}/{name}-{version}.dist-info"
    record = "".join(f"{file},,\n" for file in files)
    stated = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n"
    return {f"{folder}/METADATA": stated.encode(), f"{folder}/RECORD": record.encode()}


def unpacked_of(content: bytes, folder: Path, *, hashed: Container[str] = ()) -> Unpacked:
    return unpack([("/all", io.BytesIO(content))], folder, hashed=hashed)


def read(folder: Path, files: dict[str, bytes], **more: dict[str, str]) -> Unpacked:
    return unpacked_of(archive(PYVENV | files, **more), folder)


def test_packages_are_read_without_anything_of_the_image_being_run(tmp_path: Path) -> None:
    unpacked = read(tmp_path, metadata("alpha", "1.0", "alpha.py") | metadata("Beta.Two", "2.1"))
    found = collect_unpacked(unpacked, name="an image")
    assert {name: each.version for name, each in found.effective().items()} == {"alpha": "1.0", "beta-two": "2.1"}
    assert (found.python.version, found.os_id) == ("3.11.2", "debian")
    assert found.environment_variables == ()
    assert {each.layer for each in found.distributions} == {Layer.RUNTIME}


def test_links_are_followed_inside_of_the_image_alone(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "METADATA").write_text("Name: stolen\nVersion: 6.6\n")
    folder = tmp_path / "image"
    folder.mkdir()
    place = str(tmp_path / "outside")
    unpacked = read(
        folder,
        metadata("alpha", "1.0"),
        links={"databricks/python3/lib64": "lib", f"{SITE}/stolen-6.6.dist-info": place, "opt/ring": "/opt/ring"},
    )
    assert set(collect_unpacked(unpacked, name="an image").effective()) == {"alpha"}
    assert unpacked.place("/databricks/python3/lib64/x") == folder / "databricks/python3/lib/x"
    with pytest.raises(OSError, match="too many links"):
        unpacked.place("/opt/ring/x")


def test_nothing_is_written_outside_of_the_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "image", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        link = tarfile.TarInfo("etc")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        tar.addfile(link)
        for name in ("etc/os-release", "../outside/pyvenv.cfg", f"{outside}/pyvenv.cfg"):
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    unpacked_of(written.getvalue(), folder)
    assert list(outside.iterdir()) == []


def test_a_second_name_of_a_file_is_that_file(tmp_path: Path) -> None:
    """The installer links what two environments have in common."""
    first = "usr/local/lib/python3.11/dist-packages"
    files = {f"{first}/a-1.dist-info/METADATA": b"Name: a\nVersion: 1\n\n", f"{first}/a.py": b"1"}
    hard = {f"{SITE}/a-1.dist-info/METADATA": f"{first}/a-1.dist-info/METADATA", f"{SITE}/a.py": f"{first}/a.py"}
    unpacked = unpacked_of(archive(PYVENV | files, hard=hard), tmp_path, hashed={f"/{SITE}/a.py"})
    assert unpacked.hashes == {f"/{SITE}/a.py": hashlib.sha256(b"1").hexdigest()}
    assert collect_unpacked(unpacked, name="an image").effective()["a"].layer is Layer.RUNTIME


def test_names_start_from_the_folder_above_the_path(tmp_path: Path) -> None:
    archives = [("/usr/local/lib", io.BytesIO(archive({"lib/python3.11/dist-packages/a-1.egg-info": b"Name: a"})))]
    unpack(archives, tmp_path)
    assert (tmp_path / "usr/local/lib/python3.11/dist-packages/a-1.egg-info").read_bytes() == b"Name: a"


def test_an_image_without_the_environment_and_a_broken_archive_are_errors(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(NoPythonFound, match="an image has no Python environment"):
        collect_unpacked(unpacked_of(archive({"etc/os-release": b""}), tmp_path / "a"), name="an image")
    whole = archive(metadata("alpha", "1.0") | {"large": b"x" * 100_000})
    with pytest.raises(PayloadDamaged, match="damaged"):
        unpacked_of(whole[: len(whole) // 2], tmp_path / "b")


def test_the_modules_of_a_distribution_are_those_nearest_to_the_top(tmp_path: Path) -> None:
    files = metadata("many", "1", "pack/__init__.py", "pack/inner.py", "one.py", "fast.cpython-311-x86_64-linux-gnu.so")
    files |= metadata("space", "1", "shared/cloud/part/__init__.py", "shared/cloud/part/x.py", "shared/one.py")
    old = f"{SITE}/old-1-py3.11.egg-info"
    files |= {f"{old}/PKG-INFO": b"Name: old\nVersion: 1\n\n", f"{old}/top_level.txt": b"old_one\n$(evil)\n\n"}
    unpacked = read(tmp_path, files)
    found = modules_of(unpacked, collect_unpacked(unpacked, name="x"), ["many", "old", "space", "not-there"])
    assert found == {
        "many": ["fast", "one", "pack"],
        "old": ["old_one"],
        "space": ["shared.cloud.part", "shared.one"],
    }
    assert top_of(["a b/c.py", "../x.py", "/etc/y.py", "a-b.py"]) == []


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("_private", "private module"),
        ("tests", "tests"),
        ("win32thing", "for another platform"),
        ("setup", "no module to use"),
        ("real", None),
    ],
)
def test_private_test_and_foreign_modules_are_not_tried(module: str, reason: str | None) -> None:
    assert reason_to_skip(module) == reason


def wheel(files: dict[str, bytes]) -> io.BytesIO:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archived:
        rows = []
        for name, content in files.items():
            archived.writestr(name, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.append(f"{name},sha256={digest},{len(content)}\n")
        archived.writestr("a-1.dist-info/RECORD", "".join(rows) + "a-1.dist-info/RECORD,,\n")
    written.seek(0)
    return written


def test_a_file_that_is_not_the_wheels_makes_the_package_another(tmp_path: Path) -> None:
    """What runs while an image is built can write into the packages of others."""
    contents = {
        "a/__init__.py": b"1",
        "a/two.py": b"2",
        "a-1.data/scripts/run": b"#!python",
        "a-1.dist-info/WHEEL": b"w",
    }
    source = CapturedWheel(path="wheels/a-1-py3-none-any.whl", sha256="0" * 64)
    locked = lock(replace(package("a", "1"), source=source))
    expected = wheel_files(locked, lambda _: wheel(contents))
    assert "/databricks/python3/bin/run" not in expected

    def changed(**files: bytes) -> dict[str, tuple[str, ...]]:
        installed = {f"{SITE}/{name}": content for name, content in contents.items()} | {
            f"{SITE}/a/{name}.py": content for name, content in files.items()
        }
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        return expected.changed(unpacked_of(archive(installed), folder, hashed=expected).hashes)

    assert changed() == {}
    assert changed(two=b"evil") == {"a": (f"/{SITE}/a/two.py",)}
    (other,) = compare({"a": "1"}, inventory(distribution("a", "1")), changed(two=b"evil"))
    assert not other.equal
    assert other.found == f"1, with /{SITE}/a/two.py other than in its wheel"


def test_a_path_of_two_wheels_may_be_that_of_either() -> None:
    source = CapturedWheel(path="wheels/a-1-py3-none-any.whl", sha256="0" * 64)
    locked = lock(*(replace(package(name, "1"), source=source) for name in ("a", "b")))
    expected = wheel_files(locked, lambda one: wheel({"tests/__init__.py": one.name.encode()}))
    place = "/databricks/python3/lib/python3.11/site-packages/tests/__init__.py"
    assert expected.changed({place: hashlib.sha256(b"b").hexdigest()}) == {}
    assert set(expected.changed({})) == {"a", "b"}
