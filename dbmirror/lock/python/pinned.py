"""Pinned requirements with hashes, as pip and uv read them, and the files that they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from dbmirror.foreign_text.pep508 import ONE_PARSER
from dbmirror.lock.errors import LockError
from dbmirror.lock.model import IndexFile, Missing, Target
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.sources import from_index

_PINNED: Final = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)[ ]?(?:;([^#]*?))?((?:\s+--hash=sha256:[0-9a-f]{64})+)"
)


@dataclass(frozen=True, slots=True)
class Pin:
    """One release, and which of its files will do."""

    name: str
    """In PEP 503's form."""
    version: str
    hashes: frozenset[str] = frozenset()
    """SHA-256 of each of its files; none where any will do."""


def read_pins(text: str, *, target: Target) -> tuple[Pin, ...]:
    """The pins of the requirements file `text` whose markers hold on `target`.

    Lines without a pin and a hash (comments) are passed over.
    """
    environment = _environment(target)
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        pinned = _PINNED.fullmatch(line.strip())
        if pinned is None:
            continue
        name, version, marker, hashes = pinned.groups()
        if marker:
            with ONE_PARSER:
                holds = Marker(marker.strip()).evaluate(environment)
            if not holds:
                continue
        digests = frozenset(word.removeprefix("--hash=sha256:") for word in hashes.split())
        found.append(Pin(canonicalize_name(name), version, digests))
    return tuple(found)


def pinned_files(
    pins: Iterable[Pin],
    *,
    index: Index,
    target: Target,
    known: Mapping[str, IndexFile] | None = None,
    purpose: str = "to build the image",
) -> tuple[IndexFile, ...]:
    """The file of each of `pins` that an installer on `target` takes, from the indexes or out of `known` (by hash).

    Raises LockError where an index does not have one of them.
    """
    files = []
    for pin in pins:
        file = next((known[sha256] for sha256 in sorted(pin.hashes) if known and sha256 in known), None)
        if file is None:
            found = from_index(pin, index=index, target=target, hashes=pin.hashes)
            if isinstance(found, Missing) or not isinstance(found.source, IndexFile):
                reason = found.reason if isinstance(found, Missing) else "it is not there as a file"
                raise LockError(
                    f"{pin.name} {pin.version} is needed {purpose}, and cannot be locked: {reason}.",
                    remedy="Add it to the package index, or name a further index in [index] extra_urls.",
                )
            file = found.source
        files.append(file)
    return tuple(files)


def _environment(target: Target) -> dict[str, str]:
    """The marker variables (PEP 508) of CPython on `target`."""
    return {
        "implementation_name": "cpython",
        "implementation_version": target.python,
        "os_name": "posix",
        "platform_machine": target.architecture,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": target.python,
        "python_version": ".".join(target.python.split(".")[:2]),
        "sys_platform": "linux",
        "extra": "",
    }
