"""Makes distributions of the package folders that the collector sent, and a problem of each entry that is none."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from dbmirror.foreign_text.decoding import convert
from dbmirror.inventory.collector_answer import Entry, Folder
from dbmirror.inventory.field_checks import normalised, printable
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import DirectUrl, Distribution, Problem
from dbmirror.inventory.parsers.direct_url import parse_direct_url
from dbmirror.inventory.parsers.installer import parse_installer
from dbmirror.inventory.parsers.malformed import Malformed
from dbmirror.inventory.parsers.metadata import Metadata, parse_metadata
from dbmirror.inventory.parsers.requires_txt import parse_requires_txt
from dbmirror.inventory.parsers.wheel import parse_wheel


def distributions(folders: Sequence[Folder]) -> Iterator[Distribution | Problem]:
    """One value for each entry of `folders` (in the order of the path): a distribution, or why there is none.

    Of two entries of one name in one folder, the one counts that importlib.metadata finds first; of two folders
    in one layer, the first. The folders of the notebook layer are environments of their own. What describes itself
    twice counts once: the source tree of an editable installation, a Debian package with .dist-info and .egg-info.
    """
    known: dict[tuple[str, str], Distribution] = {}
    links = _links(folders)
    for folder in folders:
        for entry in folder.entries:
            if entry.kind == "egg-link" and entry.files.get("target", "") in links:
                continue
            found = _distribution(folder, entry)
            if isinstance(found, Problem):
                yield found
                continue
            first = known.setdefault((_notebook_environment(folder) or folder.layer.value, found.name), found)
            if first is found:
                yield found
            elif not _is_same_again(first, found, folder):
                yield _problem(
                    folder, entry, f"it is hidden by {first.name} {first.version} in {first.location}", found.name
                )


def _notebook_environment(folder: Folder) -> str | None:
    """The notebook environment that `folder` belongs to: itself, or the one whose .pth or .egg-link file adds it."""
    if folder.layer is not Layer.NOTEBOOK:
        return None
    return posixpath.dirname(folder.via) if folder.via else folder.path


def _links(folders: Sequence[Folder]) -> set[str]:
    """The folders that were read and hold metadata: an .egg-link to one of them has said all it has to say."""
    return {folder.path for folder in folders if folder.entries}


def _is_same_again(first: Distribution, second: Distribution, folder: Folder) -> bool:
    by_apt = first.apt_package is not None and first.apt_package == second.apt_package
    return first.version == second.version and (bool(folder.via) or by_apt)


def _distribution(folder: Folder, entry: Entry) -> Distribution | Problem:
    if entry.problems:
        file, why = min(entry.problems.items())
        return _problem(folder, entry, f"its {file} could not be read: {why}")
    if entry.name.startswith("~"):
        return _problem(folder, entry, "it is what an interrupted pip left behind")
    if entry.kind == "egg-link":
        target = entry.files.get("target", "nothing")
        return _problem(folder, entry, f"it points to {target}, where no metadata is")
    read = _read(entry)
    if isinstance(read, Malformed):
        return _problem(folder, entry, read.reason)
    metadata, values = read
    if folder.via and entry.kind == "egg-info" and values.get("direct_url") is None:
        values["direct_url"] = DirectUrl(url="file://" + quote(folder.path), editable=True)
    direct_url = values.get("direct_url")
    hashed = entry.record is not None and entry.record[1] > 0 and sum(entry.record[1:]) >= entry.record[0] - 1
    values |= {
        "name": metadata.name,
        "spelling": metadata.spelling,
        "version": metadata.version,
        "requires_python": metadata.requires_python,
        "layer": folder.layer,
        "location": _notebook_environment(folder) or folder.path,
        "capturable": hashed
        and bool(values.get("wheel_tags"))
        and not (direct_url is not None and direct_url.editable),
        "apt_package": entry.owner,
    }
    try:
        return convert(values, Distribution)
    except msgspec.ValidationError as error:
        return _problem(folder, entry, f"it has a value that is not valid: {error}", metadata.name)


def _read(entry: Entry) -> tuple[Metadata, dict[str, Any]] | Malformed:
    """What the entry's files say: the metadata, and the fields of a Distribution that come from other files."""
    name = "METADATA" if entry.kind == "dist-info" else "PKG-INFO"
    if name not in entry.files:
        return Malformed(f"its {name} is missing")
    metadata = parse_metadata(entry.files[name])
    if isinstance(metadata, Malformed):
        return metadata
    values: dict[str, Any] = {"requires": metadata.requires}
    parsers = {
        "requires": ("requires.txt", parse_requires_txt),
        "installer": ("INSTALLER", parse_installer),
        "direct_url": ("direct_url.json", parse_direct_url),
        "wheel_tags": ("WHEEL", parse_wheel),
    }
    for field, (file, parse) in parsers.items():
        if file in entry.files:
            value: Any = parse(entry.files[file])
            if isinstance(value, Malformed):
                return value
            values[field] = value.tags if file == "WHEEL" else value
    return metadata, values


def _problem(folder: Folder, entry: Entry, reason: str, name: str | None = None) -> Problem:
    return Problem(
        path=printable(f"{folder.path}/{entry.name}"),
        reason=printable(reason),
        name=name or normalised(entry.name[: -len(entry.kind) - 1].lstrip("~").partition("-")[0]),
        layer=folder.layer,
    )
