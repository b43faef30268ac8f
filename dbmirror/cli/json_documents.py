"""The values of the line as the commands' JSON documents hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbmirror.foreign_text.redaction import without_credentials

if TYPE_CHECKING:
    from dbmirror.build.image import Built
    from dbmirror.errors import DbmirrorError
    from dbmirror.lab.status import LabStatus
    from dbmirror.lock.mirror_lock import MirrorLock
    from dbmirror.verify.model import Report


def lock_document(lock: MirrorLock, report: Report | None = None) -> dict[str, Any]:
    """A lock, with the fates as the image of `report` turned out."""
    from dbmirror.lock.r.renv import fate_rows
    from dbmirror.verify.r_facts import as_built

    turned = as_built(lock, report) if report is not None else lock
    return {
        "snapshot": lock.snapshot,
        "lock": lock.digest,
        "flavour": lock.flavour,
        "counts": {kind.value: count for kind, count in turned.counts().items()},
        "fates": turned.python.fates,
        "r_fates": fate_rows(turned.r) if turned.r is not None else (),
    }


def image_document(built: Built) -> dict[str, Any]:
    """An image that was built."""
    return {"tag": built.tags[0], "id": built.image_id}


def report_document(report: Report) -> dict[str, Any]:
    """A verification's report."""
    obstacles = [{"rule": finding.rule, "reason": finding.message} for finding in report.boot_obstacles]
    return {
        "passed": report.passed,
        "matches_cluster": report.matches,
        "can_boot": not obstacles,
        "boot_obstacles": obstacles,
        "report": report,
    }


def error_document(error: DbmirrorError) -> dict[str, Any]:
    """An error, as every command that fails has it."""
    return {
        "message": without_credentials(error.message),
        "remedy": without_credentials(error.remedy),
        "exit_code": error.exit_code,
    }


def lab_document(found: LabStatus) -> dict[str, Any]:
    """How a lab stands."""
    return {
        "mirror": found.mirror,
        "folder": found.folder,
        "url": found.url,
        "running": found.running,
        "services": found.services,
        "tunnel": found.tunnel,
        "bridge": found.bridge,
        "kernels": found.kernels,
    }
