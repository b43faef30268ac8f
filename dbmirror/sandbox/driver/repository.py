"""A git repository as plain files for git's dumb HTTP protocol: always the same commit, made without git."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_AUTHOR: Final = "Sandbox <sandbox@dbmirror.example> 1704067200 +0000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A bare repository with one commit on `main`."""

    commit: str
    """The commit's id, 40 hexadecimal digits."""
    files: Mapping[str, bytes]
    """Path in the repository's folder (`HEAD`, `objects/ab/…`) to content."""


def make_repository(sources: Mapping[str, str], *, tag: str) -> Repository:
    """A repository whose one commit has `sources` (path to text; at most one folder deep) and the light tag `tag`."""
    objects: dict[str, bytes] = {}
    top: dict[str, dict[str, str]] = {}
    for path, text in sources.items():
        folder, _, name = path.rpartition("/")
        top.setdefault(folder, {})[name] = _store(objects, "blob", text.encode())
    entries = [("100644", name, identity) for name, identity in top.pop("", {}).items()]
    for folder, names in top.items():
        tree = _tree([("100644", name, identity) for name, identity in names.items()])
        entries.append(("40000", folder, _store(objects, "tree", tree)))
    root = _store(objects, "tree", _tree(entries))
    message = f"tree {root}\nauthor {_AUTHOR}\ncommitter {_AUTHOR}\n\nRelease {tag}\n"
    commit = _store(objects, "commit", message.encode())
    files = {f"objects/{identity[:2]}/{identity[2:]}": content for identity, content in objects.items()}
    references = f"{commit}\trefs/heads/main\n{commit}\trefs/tags/{tag}\n"
    files |= {
        "HEAD": b"ref: refs/heads/main\n",
        "config": b"[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
        "info/refs": references.encode(),
        "objects/info/packs": b"\n",
        "refs/heads/main": f"{commit}\n".encode(),
        f"refs/tags/{tag}": f"{commit}\n".encode(),
    }
    return Repository(commit=commit, files=files)


def metrics() -> Repository:
    """The package that the driver has from git, `dbmirror-sandbox-metrics` 0.9.2."""
    project = (
        '[build-system]\nrequires = ["setuptools>=61,<82"]\nbuild-backend = "setuptools.build_meta"\n\n'
        '[project]\nname = "dbmirror-sandbox-metrics"\nversion = "0.9.2"\n'
        'description = "A package installed from git."\nrequires-python = ">=3.8"\n\n'
        '[tool.setuptools]\npackages = ["dbmirror_sandbox_metrics"]\n'
    )
    module = '"""Measures."""\n\n\ndef mean(values):\n    values = list(values)\n    return sum(values) / len(values)\n'
    return make_repository({"pyproject.toml": project, "dbmirror_sandbox_metrics/__init__.py": module}, tag="v0.9.2")


def _tree(entries: list[tuple[str, str, str]]) -> bytes:
    # git orders a tree by name, a folder as if its name ended in a slash.
    ordered = sorted(entries, key=lambda entry: entry[1] + ("/" if entry[0] == "40000" else ""))
    return b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(identity) for mode, name, identity in ordered)


def _store(objects: dict[str, bytes], kind: str, content: bytes) -> str:
    framed = f"{kind} {len(content)}\0".encode() + content
    identity = hashlib.sha1(framed, usedforsecurity=False).hexdigest()
    objects[identity] = zlib.compress(framed)
    return identity
