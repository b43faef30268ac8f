"""The names that a Databricks notebook has, for a kernel in the lab and for one on the driver: an IPython extension."""

from __future__ import annotations

import os

from dbmirror_shim.cells import databricks_cell
from dbmirror_shim.engines import engines
from dbmirror_shim.magics import register
from dbmirror_shim.session import LazySession
from dbmirror_shim.shown import display, display_html
from dbmirror_shim.utilities import Utilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["display", "display_html", "engines", "is_remote", "load_ipython_extension"]


def is_remote() -> bool:
    """Whether this notebook's kernel runs on the driver, and not in the lab."""
    return os.environ.get("DBMIRROR_SIDE") == "driver"


def load_ipython_extension(shell: Any) -> None:
    """Give the notebook its names and magics."""
    utilities = Utilities()
    names = {
        "spark": LazySession(shell.user_ns),
        "dbutils": utilities,
        "display": display,
        "displayHTML": display_html,
        "is_remote": is_remote,
        "engines": engines,
    }
    shell.push(names, interactive=False)
    shell.input_transformers_cleanup.append(databricks_cell)
    register(shell, utilities)
