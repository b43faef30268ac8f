"""The top-level imports of an image's distributions, tried in the image."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from dbmirror.foreign_text.decoding import decode_json
from dbmirror.hosts.container import ContainerHost
from dbmirror.hosts.interface import Host
from dbmirror.inventory.field_checks import printable
from dbmirror.inventory.model import Name
from dbmirror.lock.model import Fate
from dbmirror.verify.errors import VerificationFailed
from dbmirror.verify.expected_failures import judge_failure
from dbmirror.verify.model import ImportAttempt
from dbmirror.verify.sent_programs import sent

PYTHON: Final = "/databricks/python3/bin/python"
IMPORT_SECONDS: Final = 60.0
"""How long one import may take."""
_ALL_SECONDS: Final = 600.0
_LONGEST_LINE: Final = 4096
NOT_TRIED: Final = "not tried"
"""The error of an attempt that a rule of the probe left out; its reason is the attempt's `expected`."""


class _Answer(msgspec.Struct):
    distributions: dict[Name, list[tuple[str, str | None, str | None]]]
    modules: dict[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What the probe found."""

    distributions: Mapping[str, Sequence[tuple[str, str | None, str | None]]]
    """For each distribution of the image that was asked for: (module, last line of the traceback, why not tried)."""
    modules: Mapping[str, str | None]
    """For each further module: the last line of the traceback, None where it imported."""


def try_imports(
    host: Host,
    names: Iterable[str],
    *,
    modules: Iterable[str] = (),
    python: str = PYTHON,
    tell: Callable[[str], object] = lambda _: None,
) -> Tried:
    """Try in `host` every top-level import of the distributions `names`, and `modules` besides, each in a process.

    `tell` hears which import begins (`import 3 of 176: numpy`), in a container as it does.
    A Python that does not run at all gives no attempts. Raises VerificationFailed where the probe answers nonsense,
    HostError where the host fails.
    """
    wanted = {"distributions": sorted(names), "modules": sorted(modules), "seconds": IMPORT_SECONDS}
    nonce = secrets.token_hex(16)
    argv, answer_mark = [python, "-I", "-", nonce, json.dumps(wanted)], f"{nonce}{{".encode()
    if isinstance(host, ContainerHost):
        heard = Heard(f"{nonce} ".encode(), tell)
        completed = host.run(argv, stdin=sent("imports.py"), timeout=_ALL_SECONDS, on_stdout=heard.piece)
    else:
        completed = host.run(argv, stdin=sent("imports.py"), timeout=_ALL_SECONDS)
    line = next((line for line in completed.stdout.splitlines() if line.startswith(answer_mark)), None)
    if line is None:
        said = completed.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise VerificationFailed(
            f"The imports could not be tried with {python} in {host.name} (code {completed.code}): {said[0]}.",
            remedy="Look at the image by hand: docker run --rm -it IMAGE bash",
        )
    try:
        answer = decode_json(line[len(nonce) :], _Answer)
    except msgspec.DecodeError as error:
        raise VerificationFailed(f"The imports in {host.name} gave an answer of unknown form: {error}.") from error
    return Tried(distributions=answer.distributions, modules=answer.modules)


class Heard:
    """Tells of the lines that begin with `mark`, out of pieces that end anywhere."""

    def __init__(self, mark: bytes, tell: Callable[[str], object]) -> None:
        self._mark = mark
        self._tell = tell
        self._rest = b""

    def piece(self, content: bytes) -> None:
        """Take the next piece."""
        *lines, rest = (self._rest + content).split(b"\n")
        # A line without an end is no word of the probe's.
        self._rest = rest[-_LONGEST_LINE:]
        for line in lines:
            if line.startswith(self._mark):
                self._tell(line[len(self._mark) :].decode(errors="replace"))


def attempts(tried: Tried, names: Iterable[str], *, fates: Mapping[str, Sequence[Fate]]) -> tuple[ImportAttempt, ...]:
    """An attempt for each module of the distributions `names`, sorted, each failure judged.

    A distribution that the image has not, or that has no module, gives none to try and says so where it is there.
    """
    found: list[ImportAttempt] = []
    for name in sorted(names):
        modules = tried.distributions.get(name)
        if modules is None:
            continue
        if not modules:
            found.append(
                ImportAttempt(distribution=name, module="-", error=NOT_TRIED, expected="it has no importable module")
            )
        for module, error, skipped in sorted(modules):
            if skipped is not None:
                found.append(
                    ImportAttempt(distribution=name, module=printable(module), error=NOT_TRIED, expected=skipped)
                )
            elif error is None:
                found.append(ImportAttempt(distribution=name, module=printable(module), error=None))
            else:
                judged = judge_failure(printable(error), fates=fates)
                found.append(
                    ImportAttempt(
                        distribution=name, module=printable(module), error=judged.error, expected=judged.expected
                    )
                )
    return tuple(found)
