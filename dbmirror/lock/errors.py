"""The errors of the lock."""

from __future__ import annotations

from dbmirror.errors import RemoteError, UsageError


class LockError(UsageError):
    """A file of the lock is missing, damaged or was changed into something that no lock holds."""


class IndexConfigurationError(UsageError):
    """The package index that the configuration names has no usable address."""


class IndexUnreachable(RemoteError):
    """The package index cannot be used at all: it is down, refuses, is not trusted, or answers something else."""


class AptUnavailable(RemoteError):
    """The base image's own package lists could not be read."""


class Unaccounted(RuntimeError):
    """A defect of dbmirror: a package has no fate, or two. Never raised by anything that a user or a cluster does."""
