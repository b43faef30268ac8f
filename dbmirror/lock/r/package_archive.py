"""Reads a package's `.tar.gz`: whether it is the package of its name, and what its DESCRIPTION says."""

from __future__ import annotations

import io

from dbmirror.foreign_text.archive_faults import ARCHIVE_FAULTS
from dbmirror.http_client.refused import Cause, Refused
from dbmirror.inventory.model import RPackage
from dbmirror.inventory.parsers.headers import fields
from dbmirror.inventory.parsers.malformed import Malformed
from dbmirror.lock.r.packages_file import described
from dbmirror.lock.r.versions import same_version
from dbmirror.lock.tar_members import opened_tar

_LONGEST_DESCRIPTION = 4 << 20


def read_package_file(content: bytes, *, name: str, version: str) -> tuple[RPackage, str]:
    """What the package file says of itself, and its field Built: empty where it is a source.

    Raises Refused where it is no package file, or one of another name or version: a login page, a damaged download.
    """
    text = _description(content, name)
    package = described(text)
    if isinstance(package, Malformed):
        raise Refused(f"has a file there that is no package: {package.reason}", cause=Cause.GARBAGE)
    if package.name != name or not same_version(package.version, version):
        raise Refused(f"has {package.name} {package.version} under that name", cause=Cause.GARBAGE)
    return package, next((value for field, value in fields(text) if field == "Built"), "")


def _description(content: bytes, name: str) -> str:
    try:
        with opened_tar(io.BytesIO(content)) as (archive, members):
            for member in members:
                if member.name.removeprefix("./") == f"{name}/DESCRIPTION" and member.isfile():
                    stream = archive.extractfile(member)
                    return stream.read(_LONGEST_DESCRIPTION).decode("utf-8", "replace") if stream else ""
    except ARCHIVE_FAULTS as error:
        raise Refused("has a file there that is no package archive", cause=Cause.GARBAGE) from error
    raise Refused("has an archive there without a DESCRIPTION of that package", cause=Cause.GARBAGE)
