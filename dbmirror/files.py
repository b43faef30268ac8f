"""Files that are whole or not there: atomic writes, and one canonical form for JSON."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from dbmirror.errors import UsageError
from dbmirror.foreign_text.characters import OBEYED
from dbmirror.mirror_folder.staged import clear_staged, remedy_of, staged_name

LARGEST_SETTINGS: Final = 4 << 20
"""Bytes of a dbmirror.toml, uv.toml or list of requirements: one with hundreds of mirrors has some 100 kB."""
_OBEYED = re.compile(f"[{OBEYED}]")


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> bool:
    """Write `content` to `path` by way of a temporary file beside it; False if the file already held just that.

    A file that does not change keeps its bytes, inode and time. The folder is made if it is missing.
    Raises UsageError where the place cannot be written (permissions, full disk): what stood there stays.
    """
    return bool(write_together({path: content}, mode=mode))


def write_together(contents: Mapping[Path, bytes], *, mode: int = 0o644) -> tuple[Path, ...]:
    """Write files that belong together, each as `write_atomically` does; those that changed.

    All of them are on the disk before the first takes its place, so that a full disk leaves all the old ones.
    Raises UsageError where one cannot be written.
    """
    staged: list[tuple[Path, Path]] = []
    path = Path()
    try:
        for path, content in contents.items():
            if not _holds(path, content):
                path.parent.mkdir(parents=True, exist_ok=True)
                _clear(path.parent)
                _stage(path, content, mode, staged)
        for path, temporary in staged:
            temporary.replace(path)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}.",
            remedy=remedy_of(error),
        ) from error
    finally:
        for _, temporary in staged:
            temporary.unlink(missing_ok=True)
    return tuple(path for path, _ in staged)


def _holds(path: Path, content: bytes) -> bool:
    # By its size first: what lies there can be of any.
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


def read_settings(path: Path) -> bytes:
    """The content of a file that somebody wrote by hand, links followed.

    Raises OSError, also (EFBIG) for one that is larger than LARGEST_SETTINGS.
    """
    with path.open("rb") as stream:
        content = stream.read(LARGEST_SETTINGS + 1)
    if len(content) > LARGEST_SETTINGS:
        raise OSError(errno.EFBIG, f"it is larger than {LARGEST_SETTINGS >> 20} MB")
    return content


def _clear(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        clear_staged(descriptor)
    finally:
        os.close(descriptor)


def _stage(path: Path, content: bytes, mode: int, staged: list[tuple[Path, Path]]) -> None:
    temporary = path.with_name(staged_name(path.name))
    staged.append((path, temporary))
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.chmod(mode)


def canonical_json(value: Any, *, otherwise: Callable[[Any], Any] | None = None) -> bytes:
    """`value` as indented JSON with sorted keys and a final new line: equal values give equal bytes.

    `otherwise` says what is written for a value of a type that JSON lacks. What a terminal would obey is escaped, and
    half a surrogate pair (a file's name in another encoding), which no JSON reader takes, becomes U+FFFD.
    """
    try:
        encoded = msgspec.json.encode(value, enc_hook=otherwise, order="sorted")
    except UnicodeEncodeError:
        whole = _with_whole_characters(msgspec.to_builtins(value, enc_hook=otherwise))
        encoded = msgspec.json.encode(whole, order="sorted")
    text = msgspec.json.format(encoded, indent=2).decode()
    return _OBEYED.sub(lambda match: f"\\u{ord(match.group()):04x}", text).encode() + b"\n"


def _with_whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_with_whole_characters(key): _with_whole_characters(each) for key, each in value.items()}
    return [_with_whole_characters(each) for each in value] if isinstance(value, list | tuple) else value


def digest_of(value: Any) -> str:
    """`sha256:<hex>` of the canonical, unindented JSON of `value`."""
    return "sha256:" + hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def sha256_hex(content: bytes) -> str:
    """The SHA-256 of `content` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
