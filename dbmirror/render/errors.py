"""Why a build context cannot be rendered."""

from __future__ import annotations

from dbmirror.errors import UsageError


class RenderError(UsageError):
    """A value is not valid where it would stand in a file, or the base cannot carry the runtime."""
