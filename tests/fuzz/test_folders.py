"""Whatever lies in a cloned mirror's folder, nothing outside of it is read into it, written, removed or given away."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dbmirror.errors import DbmirrorError
from dbmirror.lab.paths import lab_paths
from dbmirror.lab.user import lab_user
from dbmirror.lock.python.lock_files import remove_unnamed
from dbmirror.lock.r.lock_files import remove_r_lock
from tests.fuzz.cases import cases, limited
from tests.fuzz.project import FILES, exercise
from tests.fuzz.test_files import fresh

NAMES = st.one_of(
    st.sampled_from(
        [
            *("image", "lab", "tunnel", "notebooks", "wheels", "sources", "r-sources", "deploy", "ci"),
            *("snapshot.json", "pylock.toml", "verification.json", "build.json", "compose.yaml", ".env", ".gitignore"),
            *("Dockerfile", "scripts", "requirements", "x", " ", "-rf", "a\nb", "\x1b[2J", "\udcff", "n" * 255),
        ]
    ),
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20),
)
KINDS = st.sampled_from(
    ["file", "folder", "out", "up", "self", "dangling", "fifo", "socket", "sparse", "second", "deep"]
)
TREES = st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=3), KINDS), min_size=1, max_size=6)


def plant(folder: Path, outside: Path, parts: list[str], kind: str) -> None:
    """Put something of that kind to that place, in place of what is there; what the file system refuses is left."""
    path = folder.joinpath(*(part for part in parts if part not in {".", ".."}))
    if path == folder or not path.is_relative_to(folder):
        return
    makers: dict[str, Callable[[], Any]] = {
        "file": lambda: path.write_bytes(b"content"),
        "folder": path.mkdir,
        "out": lambda: path.symlink_to(outside),
        "up": lambda: path.symlink_to(".."),
        "self": lambda: path.symlink_to(path.name),
        "dangling": lambda: path.symlink_to(outside / "new"),
        "fifo": lambda: os.mkfifo(path),
        "socket": lambda: _socket(path),
        "sparse": lambda: _sparse(path),
        "second": lambda: os.link(outside / "kept", path),
        "deep": lambda: path.joinpath(*("d" * 60)).mkdir(parents=True),
    }
    with suppress(OSError, ValueError):
        if any(above.is_symlink() for above in path.parents):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path)
        makers[kind]()


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = os.open(path.parent, os.O_RDONLY)
        try:
            one.bind(f"/proc/self/fd/{here}/{path.name}")
        finally:
            os.close(here)


def _sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 33)


@given(tree=TREES)
@cases(0.1)
def test_a_strangers_folder(tree: list[tuple[list[str], str]], place: Path) -> None:
    root, outside = place / "project", place / "outside"
    shutil.rmtree(root, ignore_errors=True)
    fresh(place, FILES)
    folder = root / "mirrors" / "demo"
    for parts, kind in tree:
        plant(folder, outside, parts, kind)
    with limited(outside):
        exercise(root)
        for act in (
            lambda: remove_unnamed(None, folder),
            lambda: remove_r_lock(folder),
            lambda: lab_user(lab_paths(folder)),
        ):
            with suppress(DbmirrorError):
                act()
    shutil.rmtree(root)
