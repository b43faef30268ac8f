"""Run one of the sent programs in a Python of a host, in one exec, and give back its payload."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from dbmirror.hosts.bundled import bundled
from dbmirror.hosts.interface import Completed, Host
from dbmirror.inventory.errors import NoPythonFound, PayloadDamaged, ScriptFailed
from dbmirror.inventory.field_checks import printable
from dbmirror.inventory.framing import unframe
from dbmirror.processes.programs import LARGEST_OUTPUT

CANDIDATES = (
    "/databricks/python3/bin/python3",
    "/databricks/python/bin/python",
    "python3",
    *(f"python3.{minor}" for minor in range(20, 7, -1)),
    "/usr/local/bin/python3",
    "/usr/bin/python3",
    "python",
)
"""Where a host's Python is looked for, best first; names without a slash on its PATH."""

_NONE_FOUND = 44
_TOO_OLD = 45
PICK = r"""
old=
while [ "$1" != -- ]; do
  if path=$(command -v "$1" 2>/dev/null); then
    "$path" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 8) and 45)' </dev/null >/dev/null 2>&1
    case $? in
      0) while [ "$1" != -- ]; do shift; done; shift; exec "$path" -I -S -B - "$@" ;;
      45) old="$old $path" ;;
    esac
  fi
  shift
done
[ -z "$old" ] && exit 44
echo "$old" >&2; exit 45
"""
"""A shell that starts the first candidate before `--` that is Python 3.8 or later, with the arguments after it."""


def run_program(
    host: Host,
    program: str,
    arguments: Sequence[str],
    *,
    interpreter: str | None,
    timeout: float,
    limit: int = LARGEST_OUTPUT,
) -> bytes:
    """The payload that the module `program` of inventory/sent gives back from `host`; one exec, `timeout` in seconds,
    `limit` in bytes.

    `interpreter` is a path or name on the host; without one the best of CANDIDATES is taken.
    Raises NoPythonFound, ScriptFailed, PayloadDamaged, and HostError where the host itself fails.
    """
    nonce = secrets.token_hex(16)
    candidates = CANDIDATES if interpreter is None else (interpreter,)
    completed = host.run(
        ["sh", "-c", PICK, "dbmirror", *candidates, "--", nonce, *arguments],
        stdin=bundle(program),
        timeout=timeout,
        limit=limit,
    )
    if b"dbmirror-begin " + nonce.encode("ascii") in completed.stdout:
        return unframe(completed.stdout, nonce, host=host.name)
    raise _failure(host, completed, interpreter)


def _failure(host: Host, completed: Completed, interpreter: str | None) -> Exception:
    said = [printable(line) for line in completed.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    asked = f"The Python {interpreter}" if interpreter else "A Python"
    if completed.code == _NONE_FOUND:
        return NoPythonFound(
            f"{asked} of 3.8 or later was not found on {host.name}.",
            remedy="Name its interpreter by its absolute path, or take a cluster or image that has Python.",
        )
    if completed.code == _TOO_OLD:
        found = said[-1].strip() if said else "older ones"
        return NoPythonFound(
            f"{host.name} has only Pythons before 3.8 ({found}).",
            remedy="Name a newer interpreter by its absolute path; Databricks Runtime 9.1 is the oldest that has one.",
        )
    if completed.code == 0:
        return PayloadDamaged(f"{host.name} ran the collector, but its answer is missing from the output.")
    last = " | ".join(said[-3:]) or "it said nothing"
    return ScriptFailed(
        f"The program sent to the Python of {host.name} ended with exit status {completed.code}: {last}.",
        remedy="This is likely a defect of dbmirror, or the host ran out of memory; the text above says which.",
    )


def bundle(program: str) -> bytes:
    """The module `program` of inventory/sent with the modules it imports, as one script without further imports."""
    return bundled(f"{__package__}.sent.{program}")
