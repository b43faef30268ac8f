"""A wheel, installed by pip, captured, and installed again: the same files."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pip
import pytest

from dbmirror.hosts.local import LocalHost
from dbmirror.inventory.capture_python import capture
from dbmirror.inventory.collect import collect
from dbmirror.inventory.errors import CaptureError
from dbmirror.inventory.model import Distribution, Inventory
from dbmirror.inventory.pack_wheel import wheel_filename
from dbmirror.inventory.parsers.wheel import Wheel

INFORMATION = "Private_Tool-1.2+corp.dist-info"
DATA = "Private_Tool-1.2+corp.data"
FILES = {
    "private_tool/__init__.py": "def main():\n    print('the tool')\n",
    "private_tool/data/größe, x.txt": "ünïcode\n",
    f"{DATA}/scripts/private-script": "#!python\nimport private_tool\nprivate_tool.main()\n",
    f"{DATA}/scripts/private-shell": "#!/bin/sh\necho shell\n",
    f"{DATA}/data/share/private/settings.toml": "answer = 42\n",
    f"{DATA}/data/etc/private.conf": "x\n",
    f"{INFORMATION}/METADATA": "Metadata-Version: 2.1\nName: Private.Tool\nVersion: 1.2+corp\n\nText.\n",
    f"{INFORMATION}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n",
    f"{INFORMATION}/entry_points.txt": "[console_scripts]\nprivate-tool = private_tool:main\n\n[other.group]\nx = y\n",
    f"{INFORMATION}/licenses/LICENSE": "free\n",
}


def hash_of(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def write_wheel(folder: Path) -> Path:
    path = folder / "Private_Tool-1.2+corp-py2.py3-none-any.whl"
    record = ""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in FILES.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (0o100755 if "/scripts/" in name else 0o100644) << 16
            archive.writestr(member, content)
            quoted = f'"{name}"' if "," in name else name
            record += f"{quoted},sha256={hash_of(content.encode())},{len(content.encode())}\n"
        archive.writestr(f"{INFORMATION}/RECORD", f"{record}{INFORMATION}/RECORD,,\n")
    return path


class Environment:
    """A virtual environment, into which the pip of this one installs."""

    def __init__(self, prefix: Path) -> None:
        venv.create(prefix, with_pip=False, symlinks=True)
        self.prefix = prefix
        self.python = prefix / "bin" / "python"

    def pip(self, *arguments: str) -> None:
        # What `pip --python` starts, without the pip that would start it.
        runner = Path(pip.__file__).with_name("__pip-runner__.py")
        command = [str(self.python), str(runner), "--disable-pip-version-check", *arguments]
        # The machine's own pip settings (an index, a constraint) are no part of this.
        settings = {**os.environ, "PIP_CONFIG_FILE": os.devnull, "PYTHONPATH": ""}
        subprocess.run(command, check=True, capture_output=True, env=settings)

    def install(self, wheel: Path) -> None:
        self.pip("install", "--no-index", "--no-deps", "--force-reinstall", str(wheel))

    def files(self) -> dict[str, tuple[bytes, bool]]:
        """Content and executability of all files, but for byte code and what speaks of the installation itself."""
        ignored = {"RECORD", "direct_url.json", "INSTALLER", "REQUESTED"}
        return {
            str(path.relative_to(self.prefix)): (path.read_bytes(), bool(path.stat().st_mode & 0o111))
            for path in sorted(self.prefix.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts and path.name not in ignored
        }

    def inventory(self) -> Inventory:
        return collect(LocalHost(), interpreter=str(self.python))

    @cached_property
    def tool(self) -> Distribution:
        """The tool as it was at first: each test finds it installed alike, in the same place."""
        (found,) = (d for d in self.inventory().distributions if d.name == "private-tool")
        return found

    @property
    def site(self) -> Path:
        return Path(self.tool.location)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Environment, Path]:
    """An environment with the tool in it, and the wheel that it was installed from."""
    folder = tmp_path_factory.mktemp("capture")
    environment, wheel = Environment(folder / "environment"), write_wheel(folder)
    environment.install(wheel)
    shutil.copytree(environment.prefix, folder / "fresh", symlinks=True)
    return environment, wheel


@pytest.fixture
def environment(made: tuple[Environment, Path]) -> Environment:
    """That environment, as pip left it: whatever a test before did to it is undone."""
    environment, wheel = made
    shutil.rmtree(environment.prefix)
    shutil.copytree(wheel.parent / "fresh", environment.prefix, symlinks=True)
    return environment


def test_a_captured_distribution_installs_as_the_same_files(environment: Environment, tmp_path: Path) -> None:
    before = environment.files()
    captured = capture(LocalHost(), environment.tool, interpreter=str(environment.python))
    wheel = tmp_path / captured.filename
    wheel.write_bytes(captured.content)
    environment.pip("uninstall", "--yes", "private-tool")
    assert "bin/private-script" not in environment.files()

    environment.install(wheel)

    assert environment.files() == before
    for command in ("private-tool", "private-script"):
        assert subprocess.check_output([environment.prefix / "bin" / command]) == b"the tool\n"


def test_a_captured_wheel_has_the_files_of_the_wheel_that_was_installed(environment: Environment) -> None:
    captured = capture(LocalHost(), environment.tool, interpreter=str(environment.python))

    assert captured.filename == "Private_Tool-1.2+corp-py2.py3-none-any.whl"
    with zipfile.ZipFile(io.BytesIO(captured.content)) as archive:
        contents = {name: archive.read(name).decode() for name in archive.namelist()}
    record = contents.pop(f"{INFORMATION}/RECORD")
    assert contents == FILES
    for name, content in FILES.items():
        assert f"sha256={hash_of(content.encode())}" in record, name


def test_the_same_distribution_gives_the_same_bytes(environment: Environment, made: tuple[Environment, Path]) -> None:
    first = capture(LocalHost(), environment.tool, interpreter=str(environment.python))
    environment.install(made[1])

    assert capture(LocalHost(), environment.tool, interpreter=str(environment.python)) == first


def test_an_edited_file_stops_the_capture(environment: Environment) -> None:
    with (environment.site / "private_tool/__init__.py").open("a") as stream:
        stream.write("# edited on the cluster\n")

    with pytest.raises(CaptureError, match=r"private_tool/__init__\.py is not the file that its RECORD states"):
        capture(LocalHost(), environment.tool, interpreter=str(environment.python))


def test_a_missing_file_stops_the_capture(environment: Environment) -> None:
    (environment.site / "private_tool/__init__.py").unlink()

    with pytest.raises(CaptureError, match=r"private_tool/__init__\.py cannot be read: No such file"):
        capture(LocalHost(), environment.tool, interpreter=str(environment.python))


@pytest.mark.parametrize("path", ["../../../../outside.txt", "{absolute}"])
def test_a_file_outside_the_environment_stops_the_capture(environment: Environment, path: str) -> None:
    outside = environment.prefix.parent / "outside.txt"
    outside.write_text("secret")
    row = f"{path.format(absolute=outside)},sha256={hash_of(b'secret')},6\n"
    with (environment.site / INFORMATION / "RECORD").open("a") as stream:
        stream.write(row)

    with pytest.raises(CaptureError, match="outside the environment"):
        capture(LocalHost(), environment.tool, interpreter=str(environment.python))


def test_a_link_that_leads_outside_stops_the_capture(environment: Environment) -> None:
    outside = environment.prefix.parent / "outside.txt"
    outside.write_text(FILES["private_tool/__init__.py"])
    module = environment.site / "private_tool/__init__.py"
    module.unlink()
    module.symlink_to(outside)

    with pytest.raises(CaptureError, match="outside the environment"):
        capture(LocalHost(), environment.tool, interpreter=str(environment.python))


def test_a_distribution_without_record_is_refused(environment: Environment) -> None:
    known = environment.tool
    (environment.site / INFORMATION / "RECORD").unlink()
    (now,) = (each for each in environment.inventory().distributions if each.name == known.name)

    with pytest.raises(CaptureError, match="no RECORD"):
        capture(LocalHost(), now, interpreter=str(environment.python))
    with pytest.raises(CaptureError, match="RECORD cannot be read"):
        capture(LocalHost(), known, interpreter=str(environment.python))


def test_a_distribution_that_has_gone_is_refused(environment: Environment) -> None:
    with pytest.raises(CaptureError, match=r"no \.dist-info there"):
        capture(LocalHost(), replace(environment.tool, version="9.9"), interpreter=str(environment.python))


def test_an_editable_installation_is_refused(tree: Any) -> None:
    origin = json.dumps({"url": "file:///src/tool", "dir_info": {"editable": True}})
    tree.install("tool", "1.0", extra={"direct_url.json": origin})
    (tool,) = collect(LocalHost(), interpreter=str(tree.python)).distributions

    with pytest.raises(CaptureError, match="editable"):
        capture(LocalHost(), tool, interpreter=str(tree.python))


def test_a_script_behind_a_long_path_is_restored_too(tree: Any) -> None:
    long_form = f"#!/bin/sh\n'''exec' \"{tree.prefix}/bin/python3\" \"$0\" \"$@\"\n' '''\nimport tool\n"
    script = tree.prefix / "bin" / "tool"
    script.write_text(long_form)
    folder = tree.install("tool", "1.0")
    with (folder / "RECORD").open("a") as stream:
        stream.write(f"../../../bin/tool,sha256={hash_of(long_form.encode())},{len(long_form)}\n")
    (tool,) = collect(LocalHost(), interpreter=str(tree.python)).distributions

    captured = capture(LocalHost(), tool, interpreter=str(tree.python))
    with zipfile.ZipFile(io.BytesIO(captured.content)) as archive:
        assert archive.read("tool-1.0.data/scripts/tool") == b"#!python\nimport tool\n"


@pytest.mark.parametrize(
    ("tags", "build", "filename"),
    [
        (("py3-none-any",), None, "a-1.0-py3-none-any.whl"),
        (
            ("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux2014_x86_64"),
            "1",
            "a-1.0-1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        ),
    ],
)
def test_tags_are_compressed_into_the_file_name(tags: tuple[str, ...], build: str | None, filename: str) -> None:
    assert wheel_filename("a-1.0", Wheel(tags=tags, build=build)) == filename


@pytest.mark.parametrize(
    ("stem", "tags"),
    [("a-1.0", ("cp37-abi3-linux_x86_64", "cp38-none-any")), ("a-not a version", ("py3-none-any",))],
)
def test_what_no_file_name_can_state_is_refused(stem: str, tags: tuple[str, ...]) -> None:
    with pytest.raises(CaptureError):
        wheel_filename(stem, Wheel(tags=tags, build=None))


def test_the_tests_run_where_a_driver_could(made: tuple[Environment, Path]) -> None:
    assert made[0].inventory().python.version.startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
