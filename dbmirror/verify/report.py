"""The report of a verification as a file: canonical JSON, without a clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from dbmirror.clones.own_records import Kind, is_own, remember
from dbmirror.files import canonical_json
from dbmirror.foreign_text.decoding import convert, decode_json
from dbmirror.mirror_folder.files import read_below, write_below
from dbmirror.verify.errors import ReportError
from dbmirror.verify.model import Comparison, Finding, ImportAttempt, Report, RFailure, RPackageCheck

SCHEMA_VERSION: Final = 1


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    schema: int
    passed: bool
    image_id: str
    snapshot: str
    lock: str
    comparisons: tuple[Comparison, ...]
    imports: tuple[ImportAttempt, ...]
    findings: tuple[Finding, ...]
    extra: tuple[tuple[str, str], ...]
    r_packages: tuple[RPackageCheck, ...] = ()
    r_failed: tuple[RFailure, ...] = ()
    verifier: str = ""
    purpose: str = "cluster"


def encode_report(report: Report) -> bytes:
    """The file's content: the same report gives the same bytes."""
    return canonical_json({"schema": SCHEMA_VERSION, "passed": report.passed, **msgspec.to_builtins(report)})


def made_here(report: Report) -> bool:
    """Whether this machine verified what `report` says; one that came with the repository is no more than a claim."""
    return is_own(Kind.VERIFICATION, encode_report(report))


def remember_report(report: Report) -> None:
    """Remember that this machine has just verified what `report` says."""
    remember(Kind.VERIFICATION, encode_report(report))


def write_report(report: Report, path: Path) -> bool:
    """Write `report` to `path`; False if the file already held just that. Raises UsageError."""
    return bool(write_below(path.parent, {path.name: encode_report(report)}))


def read_report(path: Path) -> Report:
    """The report in the file `path`. Raises ReportError where there is none, or it is damaged or changed by hand."""
    try:
        content = read_below(path.parent, path.name)
    except FileNotFoundError:
        raise ReportError(
            f"There is no verification report at {path}.", remedy="Make one with 'dbmirror verify MIRROR'."
        ) from None
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror or error}.") from error
    again = "Verify again with 'dbmirror verify MIRROR'."
    try:
        version = decode_json(content, dict[str, Any]).get("schema")
        if version != SCHEMA_VERSION:
            raise ReportError(
                f"{path} has schema version {version!r}; this dbmirror reads version {SCHEMA_VERSION}.", remedy=again
            )
        document = decode_json(content, _Document)
        body = {field: getattr(document, field) for field in document.__struct_fields__}
        stated = (body.pop("schema"), body.pop("passed"))
        report = convert(body, Report, from_attributes=True)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ReportError(f"{path} is not a valid verification report: {error}.", remedy=again) from error
    if stated[1] != report.passed:
        raise ReportError(f"{path} was changed by hand: its verdict is not that of its findings.", remedy=again)
    return report
