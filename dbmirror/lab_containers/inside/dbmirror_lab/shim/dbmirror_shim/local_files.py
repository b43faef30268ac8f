"""`dbutils.fs` for this machine's own files: paths that start with `file:`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple


class FileInfo(NamedTuple):
    """An entry as Databricks describes one: folders end in a slash, sizes are bytes, times are milliseconds."""

    path: str
    name: str
    size: int
    modificationTime: int  # noqa: N815  Databricks' own name

    def isDir(self) -> bool:  # noqa: N802  Databricks' own name
        """Whether it is a folder."""
        return self.name.endswith("/")

    def isFile(self) -> bool:  # noqa: N802  Databricks' own name
        """Whether it is a file."""
        return not self.isDir()


class LocalFiles:
    """The functions by the names that `dbutils.fs` has; they raise what the operating system says."""

    @staticmethod
    def ls(path: str) -> list[FileInfo]:
        """The entries of a folder by name, or the file itself."""
        place = local(path)
        entries = sorted(place.iterdir()) if place.is_dir() else [place]
        return [_described(entry) for entry in entries]

    @staticmethod
    def head(path: str, max_bytes: int = 65536) -> str:
        """The first bytes, as text."""
        with local(path).open("rb") as file:
            return file.read(max_bytes).decode("utf-8", "replace")

    @staticmethod
    def put(path: str, contents: str, overwrite: bool = False) -> bool:
        """Write a text; raises FileExistsError where there is a file and `overwrite` is not set."""
        place = local(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(contents)
        return True

    @staticmethod
    def mkdirs(path: str) -> bool:
        """Make a folder and those above it."""
        local(path).mkdir(parents=True, exist_ok=True)
        return True

    @staticmethod
    def rm(path: str, recurse: bool = False) -> bool:
        """Remove a file or an empty folder, or a whole folder with `recurse`; False where there is none."""
        place = local(path)
        if not os.path.lexists(place):
            return False
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place) if recurse else place.rmdir()
        else:
            place.unlink()
        return True

    @staticmethod
    def cp(source: str, target: str, recurse: bool = False) -> bool:
        """Copy a file, or a folder with `recurse`."""
        if local(source).is_dir():
            if not recurse:
                raise IsADirectoryError(f"{source} is a folder: set recurse=True")
            shutil.copytree(local(source), local(target), dirs_exist_ok=True)
        else:
            shutil.copy2(local(source), local(target))
        return True

    @staticmethod
    def mv(source: str, target: str, recurse: bool = False) -> bool:
        """Move a file, or a folder with `recurse`."""
        if local(source).is_dir() and not recurse:
            raise IsADirectoryError(f"{source} is a folder: set recurse=True")
        shutil.move(str(local(source)), str(local(target)))
        return True


def local(path: str) -> Path:
    """The place that `file:/x` or `file:///x` names."""
    rest = path[len("file:") :]
    return Path("/" + rest.lstrip("/"))


def _described(place: Path) -> FileInfo:
    found = place.lstat()
    slash = "/" if place.is_dir() else ""
    size = 0 if slash else found.st_size
    return FileInfo(f"file:{place}{slash}", place.name + slash, size, int(found.st_mtime * 1000))
