"""The gate before a push: only an image that this machine built and verified passes."""

from __future__ import annotations

from dbmirror.build.image import Built, built_here
from dbmirror.errors import DifferenceFound
from dbmirror.verify.model import Report


class NotVerified(DifferenceFound):
    """An image was to be pushed that was not verified, or did not pass."""


class NotBuiltHere(DifferenceFound):
    """An image was to be pushed that only a record from elsewhere calls this mirror's, or that is of another lock."""


def require_built_here(built: Built, *, mirror: str, lock: str) -> None:
    """Raise NotBuiltHere unless this machine built the image, and from the lock of that digest.

    Verification finds what is missing or other than locked; what a stranger's image has beyond that it need not find.
    """
    if not built_here(built):
        said = f"A record from elsewhere (build.json, of {mirror}) says that {built.image_id[:19]} is its image"
        message = f"{said}; this machine did not build it, so it is not pushed."
    elif built.lock != lock:
        message = f"{built.tags[0]} was built from another lock than the one {mirror} has now, so it is not pushed."
    else:
        return
    raise NotBuiltHere(
        message,
        remedy=f"'dbmirror build {mirror} --frozen' builds and verifies it from the committed lock.",
    )


def require_verified(built: Built, report: Report | None, *, mirror: str, allow_unverified: bool) -> bool:
    """Whether this very image passed verification. Raises NotVerified where it did not, unless that is allowed."""
    current = report is not None and (report.image_id, report.lock) == (built.image_id, built.lock)
    if report is not None and current and report.passed:
        return True
    if allow_unverified:
        return False
    what = "did not pass verification" if current else "was not verified"
    raise NotVerified(
        f"{built.tags[0]} {what}, so it is not pushed.",
        remedy=f"'dbmirror verify {mirror}' says what is wrong; --allow-unverified pushes it all the same.",
    )
