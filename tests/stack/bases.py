"""The base of images that tests make: one text of the step that is slow, so that the engine takes it once."""

from __future__ import annotations

from dbmirror.sandbox.base import ensure_base

WITH_PYTHON = (
    "RUN apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv python3-six"
    " && rm -rf /var/lib/apt/lists/*"
)
"""Python and one distribution that apt owns."""
ENVIRONMENT = (
    "RUN python3 -m venv --without-pip --system-site-packages /databricks/python3"
    " && useradd --shell /bin/sh libraries && usermod --lock libraries"
)
"""A runtime's Python environment with nothing in it, and the user that installs cluster libraries."""


def with_environment() -> str:
    """A Dockerfile of the sandbox's base with Python, the environment, and the user `libraries`."""
    variables = "ENV PYSPARK_PYTHON=/databricks/python3/bin/python3 LANG=C.UTF-8 LC_ALL=C.UTF-8"
    return "\n".join([f"FROM {ensure_base().name}", WITH_PYTHON, ENVIRONMENT, variables, ""])
