"""Why a build context cannot be rendered."""

from __future__ import annotations

from dbmirror.errors import UsageError


class RenderError(UsageError):
    """A value has not the form that its place in a file demands, or the base cannot carry the runtime."""
