"""What a source says that its build needs, read as text."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from dbmirror.http_client.refused import Refused
from dbmirror.lock import tar_members
from dbmirror.lock.python.build_system import build_requirements


def tarred(folder: Path, files: dict[str, str], *, top: str = "demo-1.0/") -> Path:
    path = folder / "demo-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(top + name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def requirements(
    folder: Path, files: dict[str, str], *, top: str = "demo-1.0/", inside: str | None = None
) -> tuple[str, ...]:
    return build_requirements(tarred(folder, files, top=top), filename="demo-1.0.tar.gz", subdirectory=inside)


PYPROJECT = '[build-system]\nrequires = ["hatchling>=1.0", "hatch-vcs"]\nbuild-backend = "hatchling.build"\n'


def test_pyproject_says_it(tmp_path: Path) -> None:
    assert requirements(tmp_path, {"pyproject.toml": PYPROJECT}) == ("hatch-vcs", "hatchling>=1.0")


@pytest.mark.parametrize(
    "files", [{"setup.py": "setup()"}, {"pyproject.toml": "[tool.black]\n", "setup.py": "setup()"}]
)
def test_without_a_word_it_is_setuptools_and_wheel(tmp_path: Path, files: dict[str, str]) -> None:
    assert requirements(tmp_path, files) == ("setuptools>=40.8.0", "wheel")


def test_what_setuptools_would_ask_for_at_that_moment_is_read_where_it_stands_in_plain_text(tmp_path: Path) -> None:
    cfg = "[options]\nsetup_requires =\n    pbr>=2.0\n    cffi>=1.0; python_version > '3.0'\n"
    assert requirements(tmp_path, {"setup.py": "setup()", "setup.cfg": cfg}) == (
        'cffi>=1.0; python_version > "3.0"',
        "pbr>=2.0",
        "setuptools>=40.8.0",
        "wheel",
    )


@pytest.mark.parametrize(
    "text",
    [
        "setup(setup_requires=['numpy', \"cython<3\"])",
        "setup(\n  setup_requires = (\n    'numpy',  # 'old'\n    'cython<3',\n  ),\n)",
        "NEEDED = ['numpy', 'cython<3']\nsetup(setup_requires=NEEDED)",
        "setup(**{'setup_requires': ['numpy', 'cython<3']})",
    ],
)
def test_the_lists_of_a_setup_py(tmp_path: Path, text: str) -> None:
    assert requirements(tmp_path, {"setup.py": text}) == ("cython<3", "numpy", "setuptools>=40.8.0", "wheel")


def test_a_setup_py_is_not_run_and_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    text = f"open({str(tmp_path / 'ran')!r}, 'w')\nsetup(setup_requires=open('x').read())\nprint 'python 2'\n"
    assert requirements(tmp_path, {"setup.py": text}) == ("setuptools>=40.8.0", "wheel")
    assert not (tmp_path / "ran").exists()


def test_the_project_may_be_in_a_folder_or_in_none(tmp_path: Path) -> None:
    files = {"pyproject.toml": "[build-system]\nrequires = []\n", "python/lib/pyproject.toml": PYPROJECT}
    expected = ("hatch-vcs", "hatchling>=1.0")
    assert requirements(tmp_path, files) == ()
    assert requirements(tmp_path, files, inside="python/lib") == expected
    assert requirements(tmp_path, files, inside="python/lib", top="") == expected


def test_a_zip_archive(tmp_path: Path) -> None:
    path = tmp_path / "demo.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("demo-1.0/pyproject.toml", PYPROJECT)
    assert build_requirements(path, filename="demo.zip") == ("hatch-vcs", "hatchling>=1.0")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[build-system]\nrequires = 'x'\n", "without a list of build requirements"),
        ("[build-system]\nrequires = ['-r /etc/passwd']\n", "malformed build requirement"),
        ("[build-system]\nrequires = ['a\\nb']\n", "malformed build requirement"),
        ("[build-system]\nrequires = ['a @ https://elsewhere.example/a.whl']\n", "from an address of its own"),
        ("[build-system\n", "not valid TOML"),
    ],
)
def test_what_is_no_requirement_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        requirements(tmp_path, {"pyproject.toml": text})


@pytest.mark.parametrize(
    "content", [b"", b"no archive", gzip.compress(b"no tar", mtime=0), gzip.compress(b"x" * 20_000, mtime=0)[:40]]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(content)
    with pytest.raises(Refused, match="not an archive"):
        build_requirements(path, filename="a.tar.gz")


def test_an_archive_that_unpacks_without_end_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_members, "LARGEST_ARCHIVE", 1000)
    with pytest.raises(Refused, match="unpacks to more than 1000 bytes"):
        requirements(tmp_path, {"a": "x" * 2000, "pyproject.toml": PYPROJECT})
