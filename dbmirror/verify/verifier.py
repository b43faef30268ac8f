"""Identifies the verification that made a report: a newer one may have more rules, or look more closely."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from dbmirror import __version__
from dbmirror.files import sha256_hex
from dbmirror.verify.model import Outcome, Report


@cache
def verifier() -> str:
    """The version of dbmirror and a digest of all that verification consists of, as one line."""
    folder = Path(__file__).parent
    parts = [
        f"{path.relative_to(folder).as_posix()} {sha256_hex(path.read_bytes())}\n"
        for path in sorted(folder.rglob("*.py"))
    ]
    return f"dbmirror {__version__}, rules {sha256_hex(''.join(parts).encode())[:12]}"


def still_holds(
    report: Report, *, image_id: str, lock: str, snapshot: str, waivers: Mapping[str, str], purpose: str = "cluster"
) -> bool:
    """Whether verifying that image against these digests again would find just what `report` says.

    `waivers` are the reasons by rule that the configuration waives them for, `purpose` is what the mirror is for.
    """
    same = (report.image_id, report.lock, report.snapshot, report.verifier) == (image_id, lock, snapshot, verifier())
    return (same and report.purpose == purpose) and all(
        finding.waiver == waivers.get(finding.rule)
        for finding in report.findings
        if finding.outcome in {Outcome.WAIVED, Outcome.FAILED}
    )
