"""The programs of the mirrored Python that the rules ask about: each speaks for itself alone."""

from __future__ import annotations

from typing import Final

from dbmirror.verify.attempts import PYTHON, Program

_PERIODIC_UPDATE = """
script=$(command -v virtualenv) || exit 127
interpreter=$(sed -n '1s/^#! *//p' "$script" | cut -d' ' -f1)
code='from virtualenv.seed.embed.base_embed import PERIODIC_UPDATE_ON_BY_DEFAULT as on; print(on)'
exec "$interpreter" -c "$code"
"""
PROGRAMS: Final = {
    "python": Program(argv=(PYTHON, "-V")),
    "python-lsp": Program(argv=("/databricks/python-lsp/bin/python", "-c", "import pylsp; print(pylsp.__version__)")),
    "pip-check": Program(argv=(PYTHON, "-I", "-m", "pip", "check", "--disable-pip-version-check", "--no-input")),
    "virtualenv:periodic-update": Program(argv=("sh", "-c", _PERIODIC_UPDATE)),
}
"""By the name of their answer."""
