"""A login that runs out in the middle of a long wait, asked for anew where it can be."""

from __future__ import annotations

from typing import Final

from dbmirror.workspace.client import WorkspaceClient

_FIXED: Final = frozenset({"pat", "basic"})
"""Logins that are one secret: asked anew, they give the same."""


def renew_login(w: WorkspaceClient) -> bool:
    """Whether the login of `w` could be made anew: by the CLI, by OAuth, by Entra ID, as at its start.

    The SDK asks for a new token once the old one says that its time is over. Where the workspace refuses one before
    that (it was revoked, or the clocks differ), the SDK does not.
    """
    if w.config.auth_type in _FIXED:
        return False
    try:
        w.config.init_auth()  # type: ignore[no-untyped-call]
    except (ValueError, OSError):
        return False
    return True
