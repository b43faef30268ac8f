"""The magics of a Databricks notebook: %sql, %fs, %sh, %md, %python; and a sentence for %r and %scala."""

from __future__ import annotations

import shlex
import subprocess
import sys

from dbmirror_shim.errors import Unavailable
from dbmirror_shim.shown import display

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dbmirror_shim.utilities import Utilities

_INTERRUPTED_SECONDS = 2.0


def register(shell: Any, utilities: Utilities) -> None:
    """Give IPython's `shell` the magics; each takes its line, or line and cell."""

    def sql(line: str, cell: str | None = None) -> None:
        """Run a query with `spark` and show the result, which `_sqldf` keeps."""
        query = f"{line}\n{cell or ''}".strip().rstrip(";")
        result = shell.user_ns["spark"].sql(query)
        shell.user_ns["_sqldf"] = result
        if result.columns:
            display(result)

    def fs(line: str, cell: str | None = None) -> None:
        """Call a function of `dbutils.fs`: %fs ls file:/tmp."""
        name, *arguments = shlex.split(f"{line} {cell or ''}") or ["ls"]
        if name.startswith("_"):
            raise Unavailable(f"%fs has no {name!r}.")
        result = getattr(utilities.fs, name)(*arguments)
        print(result) if isinstance(result, str) else display(result)

    def sh(line: str, cell: str | None = None) -> None:
        """Run a script with bash where this kernel runs; with -e in front its failure is the cell's."""
        options, script = (line.strip(), cell) if cell is not None else ("", line)
        run_script(script, strict=options == "-e")

    def md(line: str, cell: str | None = None) -> None:
        """Show Markdown."""
        from IPython.display import display_markdown  # noqa: PLC0415

        display_markdown(f"{line}\n{cell or ''}".strip(), raw=True)  # type: ignore[no-untyped-call]

    def python(line: str, cell: str | None = None) -> Any:
        """Run Python, which is what this kernel does anyway."""
        shell.run_cell(cell if cell is not None else line).raise_error()

    def elsewhere(language: str) -> Any:
        def refuse(line: str, cell: str | None = None) -> None:
            raise Unavailable(
                f"%{language}: this kernel runs Python. A cell in another language needs a notebook of its own."
            )

        return refuse

    for function in (sql, fs, sh, md, python):
        shell.register_magic_function(function, magic_kind="line_cell", magic_name=function.__name__)
    for language in ("r", "scala"):
        shell.register_magic_function(elsewhere(language), magic_kind="line_cell", magic_name=language)


def run_script(script: str, *, strict: bool) -> None:
    """Run `script` with bash and print what it writes as it comes; an interrupt ends it.

    Raises Unavailable where `strict` is set and it fails.
    """
    options = ["-e"] if strict else []
    process = subprocess.Popen(
        ["bash", *options, "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    try:
        for line in process.stdout or ():
            sys.stdout.write(line)
        process.wait()
    except KeyboardInterrupt:
        process.terminate()
        try:
            process.wait(_INTERRUPTED_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
    if strict and process.returncode:
        raise Unavailable(f"%sh: the script ended with exit status {process.returncode}.")
