"""Why a verification cannot be made; what it finds is no error."""

from __future__ import annotations

from dbmirror.errors import DockerError, UsageError


class VerificationFailed(DockerError):
    """The image could not be examined: a probe did not run in it, or answered nonsense."""


class ReportError(UsageError):
    """A verification report is missing, damaged, or of another schema version."""
