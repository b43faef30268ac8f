"""The errors of R's half of the lock."""

from __future__ import annotations

from dbmirror.errors import RemoteError, UsageError
from dbmirror.lock.errors import LockError


class RepositoryConfigurationError(UsageError):
    """A CRAN-like repository that the configuration or the environment names has no usable address."""


class RepositoryUnreachable(RemoteError):
    """A CRAN-like repository cannot be used at all: it is down, refuses, is not trusted, or answers something else."""


class NoR(LockError):
    """The cluster's snapshot has R packages and does not say of which R."""


class CircularDependencies(LockError):
    """R packages require each other in a circle: there is no order in which they can be installed."""
