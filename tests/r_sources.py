"""Source packages of R that tests make, or read out of an archive."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

from dbmirror.inventory.parsers.headers import fields
from dbmirror.sandbox.r_repository import SourcePackage


def make_package(name: str, version: str, description: Mapping[str, str] | None = None) -> SourcePackage:
    """A package with nothing in it but a DESCRIPTION of these further fields."""
    lines = {"Package": name, "Version": version, "License": "Apache License 2.0", **(description or {})}
    text = "".join(f"{field}: {value}\n" for field, value in lines.items())
    return SourcePackage(name=name, version=version, files={"DESCRIPTION": text.encode(), "NAMESPACE": b""})


def from_archive(content: bytes) -> SourcePackage:
    """The package in a source archive of any compression and root folder: CRAN's, or Debian's `.orig.tar`.

    Raises ValueError where it holds no R package.
    """
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            _, _, path = member.name.removeprefix("./").partition("/")
            if stream is not None and path:
                found[path] = stream.read()
    description = dict(fields(found.get("DESCRIPTION", b"").decode("utf-8", "replace")))
    if "Package" not in description or "Version" not in description:
        raise ValueError("the archive holds no R package")
    return SourcePackage(name=description["Package"], version=description["Version"], files=found)
