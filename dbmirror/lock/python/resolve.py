"""Exact versions for the requirements of a build: uv resolves them against the user's indexes, and builds nothing."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from uv import find_uv_bin

from dbmirror.folders import cache_folder
from dbmirror.http_client.logins import Logins
from dbmirror.http_client.refused import Refused
from dbmirror.lock.errors import IndexUnreachable, LockError
from dbmirror.lock.model import Target
from dbmirror.lock.python.index_location import IndexLocation
from dbmirror.lock.python.index_settings import Choice, IndexSettings
from dbmirror.processes.programs import ProcessFailed, run
from dbmirror.processes.temporary import temporary_folder

DEADLINE: Final = 120.0
"""Seconds: a build has a handful of requirements, and a slow index answers a page in a second or two."""
_KEPT: Final = ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS", "UV_HTTP_TIMEOUT", "UV_INSECURE_HOST")
"""uv's variables that say how to reach an index; all others would change what is found."""
_GLIBC: Final = (17, 28, *range(31, 41))
"""The minor versions of glibc 2 that uv knows platforms of."""
_NO_SOLUTION: Final = "No solution found"
_FORBIDDEN: Final = re.compile(r"hint: An index .*(could not be queried|returned a 40[13])")
"""What uv adds where it takes 401 or 403 for "not here"."""
_PIN: Final = re.compile(r"([a-z0-9][a-z0-9-]*)==([^\s;]+)")


def resolve(
    requirements: Sequence[str],
    *,
    constraints: Sequence[str],
    target: Target,
    settings: IndexSettings,
    ca_bundle: Path | None,
) -> tuple[tuple[str, str], ...]:
    """Name and version of all that `requirements` need in an environment for `target`, sorted by name.

    Wheels alone count: the build of a source distribution would run code of the package on this machine.
    Raises Refused where there is no solution, with uv's reason, IndexUnreachable where an index gives no answer: that
    is no word on a package; and LockError where uv cannot be run.
    """
    with temporary_folder("resolve") as folder:
        (folder / "requirements.in").write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
        (folder / "constraints.txt").write_text("".join(f"{line}\n" for line in constraints), encoding="utf-8")
        argv = [
            *(find_uv_bin(), "pip", "compile", "--quiet", "--no-config", "--no-build", "--no-header", "--no-annotate"),
            # Else uv runs the Python of a .venv that lies in a folder above, which is another account's in /tmp.
            *("--python", sys.executable),
            *("--python-version", ".".join(target.python.split(".")[:2]), "--python-platform", _platform(target)),
            *("--cache-dir", str(cache_folder() / "uv")),
            *("--constraints", "constraints.txt", "--output-file", "pins.txt", "requirements.in"),
        ]
        try:
            finished = run(
                argv, folder=folder, environment=_environment(settings, ca_bundle), check=False, timeout=DEADLINE
            )
        except ProcessFailed as error:
            raise LockError(f"The build requirements cannot be resolved: {error.message}") from error
        absent = 403 in settings.indexes[0].ignored_statuses
        if (
            finished.code == 1
            and _NO_SOLUTION in finished.stderr
            and (absent or not _FORBIDDEN.search(finished.stderr))
        ):
            raise Refused(_reason(finished.stderr))
        if finished.code != 0:
            raise IndexUnreachable(
                f"The package index gave no answer about build requirements: {_reason(finished.stderr)}.",
                remedy="Try again a little later: nothing was changed.",
            )
        return tuple(sorted(_PIN.findall((folder / "pins.txt").read_text("utf-8"))))


def _environment(settings: IndexSettings, ca_bundle: Path | None) -> Mapping[str, str]:
    """This process's environment with the indexes of `settings`, in their order, in place of all else that uv reads.

    Credentials go along in the environment, which nobody but this user can read.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("UV_") or name in _KEPT}
    logins = settings.logins()
    asked = dict.fromkeys(index for group in settings.groups for index in group.indexes if index.folder is None)
    *first, last = (_with_login(index, logins) for index in asked)
    by_name = all(group.choice is Choice.FIRST_INDEX for group in settings.groups)
    clean |= {
        "UV_DEFAULT_INDEX": last,
        "UV_INDEX": " ".join(first),
        "UV_INDEX_STRATEGY": "first-index" if by_name else "unsafe-best-match",
        "UV_PYTHON_DOWNLOADS": "never",
    }
    if ca_bundle is not None:
        clean["SSL_CERT_FILE"] = str(ca_bundle)
    return clean


def _with_login(index: IndexLocation, logins: Logins) -> str:
    login = logins.of(index.url, feed=index.url)
    if login is None:
        return index.url
    scheme, _, rest = index.url.partition("://")
    return f"{scheme}://{':'.join(quote(word, safe='') for word in login)}@{rest}"


def _platform(target: Target) -> str:
    minor = int(target.glibc.partition(".")[2])
    known = max((known for known in _GLIBC if known <= minor), default=_GLIBC[0])
    return f"{target.architecture}-manylinux" + ("2014" if known == _GLIBC[0] else f"_2_{known}")


def _reason(said: str) -> str:
    """What uv explains, in one line, without its drawing and without addresses."""
    text = " ".join(re.sub(r"\S+://\S+", "an address", re.sub(r"[^\x20-\x7e]+", " ", said)).split())
    text = re.sub(r"\A.*?(?=Because )", "", text) if "Because " in text else text
    return re.sub(r" hint:.*", "", text)[:400].rstrip(".") or "uv found no solution"
