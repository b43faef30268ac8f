"""The errors of the filters."""

from __future__ import annotations

from dbmirror.errors import UsageError


class FilterError(UsageError):
    """A filter list has an unknown name or an entry that cannot be used, or a package is not in the selection."""
