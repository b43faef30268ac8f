"""`pip install .` gives a program that works away from its source tree."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.stack.conftest import User, tree

pytestmark = pytest.mark.stack
ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    environment = os.environ | {"UV_SYSTEM_CERTS": "1"}
    argv = [str(UV), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)]
    subprocess.run(argv, check=True, timeout=300, env=environment)
    return next(folder.glob("dbmirror-*.whl"))


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a clean environment that has the wheel and what it requires, and nothing else."""
    place = tmp_path_factory.mktemp("clean") / "venv"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"UV_SYSTEM_CERTS": "1"}
    subprocess.run([str(UV), "venv", "--quiet", "--python", sys.executable, str(place)], check=True, timeout=120)
    argv = [str(UV), "pip", "install", "--quiet", "--python", str(place / "bin" / "python"), str(wheel)]
    subprocess.run(argv, check=True, timeout=600, env=environment)
    return place / "bin" / "dbmirror"


def test_the_templates_and_the_programs_for_hosts_are_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("images", "compose", "examples"):
        for path in (ROOT / folder).rglob("*"):
            # Tests that run a program of these folders leave it compiled there.
            if path.is_file() and path.parent.name != "__pycache__":
                assert f"dbmirror/_shipped/{path.relative_to(ROOT).as_posix()}" in names
    assert "dbmirror/inventory/sent/collector.py" in names
    assert "dbmirror/runtimes/runtimes.toml" in names
    assert not [name for name in names if name.startswith("tests/") or "__pycache__" in name]


def test_the_installed_program_renders_the_same_files_as_the_checkout(
    program: Path, sandbox_user: User, tmp_path: Path
) -> None:
    user = sandbox_user.in_folder(tmp_path / "work")
    user.run("snapshot", "demo")
    user.run("lock", "demo")
    user.run("render", "demo")
    rendered = tree(user.folder / "mirrors" / "demo" / "image")
    for path in sorted((user.folder / "mirrors" / "demo" / "image").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    ended = subprocess.run(
        [str(program), "render", "demo"],
        cwd=user.folder,
        env=user.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert tree(user.folder / "mirrors" / "demo" / "image") == rendered
