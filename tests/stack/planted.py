"""Secrets with a mark, handed to a build, and the search for the mark in all that the build left."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dbmirror.ca_bundle import find_ca_bundle

MARK = b"canary-5f0c1e"
"""In every planted secret."""
_SMALL = 1 << 20


@contextmanager
def planted(folder: Path) -> Iterator[dict[str, Path]]:
    """The secrets that a plain `docker build` on this machine may need, each with the mark at its end: id to file."""
    contents = {"proxy": users_proxies()}
    if (bundle := find_ca_bundle()) is not None:
        contents["ca-bundle"] = bundle.read_bytes()
    ends = {
        "netrc": b"machine nowhere.invalid login user password " + MARK,
        "ca-bundle": b"# " + MARK,
        "proxy": b"no_proxy=" + MARK + b".invalid",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, end in ends.items():
        before = contents.get(name, b"")
        (folder / name).write_bytes(before + b"\n" * (before != b"") + end + b"\n")
    yield {name: folder / name for name in ends}


def users_proxies() -> bytes:
    """The proxies of this machine's environment as the secret `proxy`."""
    return "".join(
        f"{name}={value}\n" for name, value in os.environ.items() if name.lower().endswith("_proxy")
    ).encode()


def marked(image: str) -> list[str]:
    """The files of `image`'s layers, and the parts of its configuration and history, that have the mark in them."""
    found: list[str] = []
    with (
        subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving,
        tarfile.open(fileobj=saving.stdout, mode="r|") as archive,
    ):
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is None:
                continue
            if member.size < _SMALL:
                content = stream.read()
                if not _is_tar(content):
                    found += [member.name] if MARK in content else []
                    continue
                stream = io.BytesIO(content)
            found += _in_layer(stream)
    return found


def _in_layer(stream: IO[bytes]) -> list[str]:
    with tarfile.open(fileobj=stream, mode="r|") as layer:
        return [
            member.name
            for member in layer
            if member.isfile() and MARK in (((content := layer.extractfile(member)) and content.read()) or b"")
        ]


def _is_tar(content: bytes) -> bool:
    return content[257:262] == b"ustar"
