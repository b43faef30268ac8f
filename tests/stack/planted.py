"""Secrets with a mark, handed to a build, and the search for the mark in all that the build left."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbmirror.build.foundation import build_secrets
from dbmirror.ca_bundle import find_ca_bundle
from dbmirror.config import IndexConfig
from dbmirror.lock.python.index_settings import find_indexes

MARK = b"canary-5f0c1e"
"""In every planted secret."""


@contextmanager
def planted(folder: Path) -> Iterator[dict[str, Path]]:
    """The secrets that a build on this machine is given, each with the mark at its end: id to file in `folder`."""
    with build_secrets(find_indexes(IndexConfig()), find_ca_bundle()) as real:
        contents = {name: path.read_bytes() for name, path in real.items()}
    ends = {
        "uv-config": b"# " + MARK,
        "pip-config": b"# " + MARK,
        "netrc": b"machine nowhere.invalid login user password " + MARK,
        "ca-bundle": b"# " + MARK,
        "proxy": b"no_proxy=" + MARK + b".invalid",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, end in ends.items():
        before = contents.get(name, b"")
        (folder / name).write_bytes(before + b"\n" * (before != b"") + end + b"\n")
    yield {name: folder / name for name in ends}


def marked(image: str) -> list[str]:
    """The files of `image`'s layers, and the entries of its history, that have the mark in them."""
    saved = subprocess.run(["docker", "save", image], check=True, capture_output=True).stdout
    found = []
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        for member in archive.getmembers():
            content = _content(archive, member)
            if not content:
                continue
            if _is_tar(content):
                with tarfile.open(fileobj=io.BytesIO(content)) as layer:
                    found += [inner.name for inner in layer.getmembers() if MARK in _content(layer, inner)]
            elif MARK in content:
                found.append(member.name)
    history = subprocess.run(
        ["docker", "history", "--no-trunc", "--format", "{{json .}}", image], check=True, capture_output=True, text=True
    ).stdout
    found += [json.loads(line)["CreatedBy"] for line in history.splitlines() if MARK.decode() in line]
    return found


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member) if member.isfile() else None
    content = stream.read() if stream else b""
    return zlib.decompress(content, 31) if content[:2] == b"\x1f\x8b" and _is_whole(content) else content


def _is_whole(content: bytes) -> bool:
    try:
        zlib.decompress(content, 31)
    except zlib.error:
        return False
    return True


def _is_tar(content: bytes) -> bool:
    return content[257:262] == b"ustar"
