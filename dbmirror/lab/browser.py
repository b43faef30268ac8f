"""JupyterLab in the user's browser, with no token on a command line."""

from __future__ import annotations

import html
import webbrowser

from dbmirror.errors import UsageError
from dbmirror.files import write_atomically
from dbmirror.lab.model import Lab
from dbmirror.lab.paths import lab_paths
from dbmirror.lab.status import url


class NoBrowser(UsageError):
    """This machine has no browser that could be opened."""


def open_lab(lab: Lab) -> None:
    """Open JupyterLab by a page that only this user can read and that leads there, as Jupyter itself does.

    An address with its token would stand in the process list. Raises NoBrowser; UsageError where the lab has no token.
    """
    page = lab_paths(lab.folder).private / "open.html"
    address = html.escape(url(lab), quote=True)
    content = f'<!DOCTYPE html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={address}">\n'
    write_atomically(page, content.encode(), mode=0o600)
    if not webbrowser.open(page.as_uri()):
        raise NoBrowser(
            "This machine has no browser that could be opened.",
            remedy=f"'dbmirror lab url {lab.mirror}' prints the address.",
        )
