"""Attempts in an image: imports and programs that foreign code is a part of, each in a process of its own user."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import msgspec

from dbmirror.foreign_text.decoding import decode_json
from dbmirror.hosts.container import ContainerHost
from dbmirror.hosts.interface import Host
from dbmirror.verify.errors import VerificationFailed
from dbmirror.verify.sent_programs import sent
from dbmirror.verify.system_facts import Answer, by_hand

PYTHON: Final = "/databricks/python3/bin/python"
ATTEMPT_SECONDS: Final = 60.0
"""How long one attempt may take."""
_ALL_SECONDS: Final = 1800.0
_LONGEST_LINE: Final = 4096
CHANGES_USERS: Final = ("SETGID", "SETUID")
"""What the process that starts attempts needs; the attempts themselves have no rights."""
USERS: Final = (2_100_100_000, 20_000)
"""The first user number of the attempts: one that no account of the machine has; where the engine maps users to others
there are some 65,000, and none of them is an account's."""
MOST_ALONE: Final = 40
"""Attempts that are tried again in a container of their own, about a second each."""
_OF_THE_USER = re.compile(r"PermissionError|[Pp]ermission denied|[Nn]ot permitted|getpwuid|uid not found")
"""What fails because the attempt's user is not root, as a cluster's is, or has no account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program to run."""

    argv: tuple[str, ...]
    stdin: str = ""
    told: str = ""
    """What is said when it begins; nothing where this is empty."""


class NotStarted(VerificationFailed):
    """The image's Python does not start."""


class _Results(msgspec.Struct, forbid_unknown_fields=True):
    imports: dict[str, str | None]
    programs: dict[str, tuple[int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What came of the attempts, each by its name."""

    imports: Mapping[str, str | None] = field(default_factory=dict)
    """The last line of the traceback, None where the module imports."""
    programs: Mapping[str, Answer] = field(default_factory=dict)


def attempt_all(
    host: Host,
    imports: Iterable[str],
    programs: Mapping[str, Program] | None = None,
    *,
    alone: Callable[[], AbstractContextManager[Host]] | None = None,
    users: Sequence[int] = USERS,
    python: str = PYTHON,
    tell: Callable[[str], object] = lambda _: None,
) -> Results:
    """Import each of the modules `imports` and run each of `programs` in `host`, which can change users.

    `tell` hears which import begins (`import 3 of 176: numpy`) and what programs say of themselves, in a container as
    they begin.
    An import that fails for it is not root is tried again as root in a host of its own that `alone` makes, one at a
    time. Raises VerificationFailed where the Python at `python` does not run or answers nonsense, HostError where the
    host fails.
    """
    results = _attempt(host, sorted(set(imports)), programs or {}, users, python, tell)
    found = dict(results.imports)
    if alone is not None:
        refused = [name for name, error in found.items() if error is not None and _OF_THE_USER.search(error)]
        for name in refused[:MOST_ALONE]:
            with alone() as other:
                found[name] = _attempt(other, [name], {}, (), python, lambda _: None).imports.get(name)
    return Results(imports=found, programs=results.programs)


def _attempt(
    host: Host,
    imports: Sequence[str],
    programs: Mapping[str, Program],
    users: Sequence[int],
    python: str,
    tell: Callable[[str], object],
) -> Results:
    wanted: dict[str, Any] = {
        "imports": imports,
        "programs": {name: asdict(each) for name, each in programs.items()},
        "seconds": ATTEMPT_SECONDS,
        "users": users,
    }
    nonce = secrets.token_hex(16)
    program = sent("attempts.py").decode()
    for place, value in (("NONCE", nonce), ("WANTED", json.dumps(wanted))):
        program = program.replace(f'\n{place} = ""\n', f"\n{place} = {value!r}\n", 1)
    # The shell says by its code that there is no such program.
    argv, stdin = ["sh", "-c", 'exec "$0" -I -S -B -', python], program.encode()
    if isinstance(host, ContainerHost):
        heard = Heard(f"{nonce} ".encode(), tell)
        completed = host.run(argv, stdin=stdin, timeout=_ALL_SECONDS, on_stdout=heard.piece)
    else:
        completed = host.run(argv, stdin=stdin, timeout=_ALL_SECONDS)
    answer_mark = f"{nonce}{{".encode()
    line = next((line for line in completed.stdout.splitlines() if line.startswith(answer_mark)), None)
    if line is None:
        said = completed.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        kind = NotStarted if completed.code in {126, 127} else VerificationFailed
        raise kind(
            f"The imports could not be tried with {python} in {host.name} (code {completed.code}): {said[0]}.",
            remedy=by_hand(host, "bash"),
        )
    try:
        answer = decode_json(line[len(nonce) :], _Results)
    except msgspec.DecodeError as error:
        raise VerificationFailed(f"The imports in {host.name} gave an answer of unknown form: {error}.") from error
    if set(answer.imports) != set(imports) or set(answer.programs) != set(programs):
        raise VerificationFailed(f"The imports in {host.name} gave an answer to another question.")
    return Results(
        imports=answer.imports, programs={name: Answer(code, text) for name, (code, text) in answer.programs.items()}
    )


class Heard:
    """Tells of the lines that begin with `mark`, out of pieces that end anywhere."""

    def __init__(self, mark: bytes, tell: Callable[[str], object]) -> None:
        self._mark = mark
        self._tell = tell
        self._rest = b""

    def piece(self, content: bytes) -> None:
        """Take the next piece."""
        *lines, rest = (self._rest + content).split(b"\n")
        # A line without an end is none of dbmirror's own program.
        self._rest = rest[-_LONGEST_LINE:]
        for line in lines:
            if line.startswith(self._mark):
                self._tell(line[len(self._mark) :].decode(errors="replace"))
