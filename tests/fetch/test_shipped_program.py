"""The program with which a plain `docker build` fetches: whole files of the right hash, or none and a word on each."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from dbmirror.render.dockerfile_templates import shipped_folder
from dbmirror.render.file_groups import BuildFile, list_of
from tests.fetch.conftest import FileServer

PROGRAM = shipped_folder("images") / "python" / "scripts" / "fetch.py"


def fetched(folder: Path, *wanted: BuildFile) -> subprocess.CompletedProcess[str]:
    (folder / "list.tsv").write_text(list_of(wanted))
    command = [sys.executable, "-I", "-S", str(PROGRAM), str(folder / "list.tsv"), str(folder / "files")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def wanted(files: FileServer, path: str, content: bytes, user_agent: str | None = None) -> BuildFile:
    found = files.add(path, content)
    sha256 = found.digest.removeprefix("sha256:")
    return BuildFile(name=path.strip("/"), url=found.url, sha256=sha256, size=found.size, user_agent=user_agent)


def test_files_come_by_their_hash_and_in_the_name_that_the_list_states(files: FileServer, tmp_path: Path) -> None:
    done = fetched(tmp_path, wanted(files, "/a.whl", b"wheel"), wanted(files, "/b_1.tar.gz", b"built", "R/4.2.2"))

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "files" / "a.whl").read_bytes() == b"wheel"
    assert files.agents == {"/a.whl": "dbmirror", "/b_1.tar.gz": "R/4.2.2"}


def test_a_file_that_the_server_moved_comes_from_its_next_place(files: FileServer, tmp_path: Path) -> None:
    moved = wanted(files, "/Archive/a/a_1.tar.gz", b"source")
    name = "a_1.tar.gz"
    gone = replace(moved, name=name, url=moved.url.replace("/Archive/a/", "/"), elsewhere=moved.url)

    done = fetched(tmp_path, gone)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "files" / name).read_bytes() == b"source"
    files.contents["/Archive/a/a_1.tar.gz"] = b"other"
    assert "hash mismatch" in fetched(tmp_path, gone).stderr


def test_another_file_than_the_locked_one_fails_the_build(files: FileServer, tmp_path: Path) -> None:
    meant = wanted(files, "/a.whl", b"meant")
    files.contents["/a.whl"] = b"other"

    done = fetched(tmp_path, meant)
    assert done.returncode == 1
    assert "hash mismatch" in done.stderr
