"""What the image itself says about its system: one shell script's answers, and the search for secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from dbmirror.hosts.container import ContainerHost
from dbmirror.hosts.interface import Host
from dbmirror.inventory.field_checks import printable
from dbmirror.verify.errors import VerificationFailed
from dbmirror.verify.sent_programs import sent

SEARCH_SECONDS: Final = 20
"""How long each of the two searches for secrets may take."""
_SYSTEM_SECONDS: Final = 240.0
_SHELL: Final = "/bin/sh"
"""Not the first one on the image's PATH, where packages have programs, too."""
_RECORD, _FIELD = "\x1e", "\x1f"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command in the image answered."""

    code: int
    output: str = ""

    @property
    def good(self) -> bool:
        """It ran and ended with 0."""
        return self.code == 0

    @property
    def first_line(self) -> str:
        """The first line of its output, printable."""
        return printable(self.output.strip().partition("\n")[0])

    @property
    def last_line(self) -> str:
        """The last line of its output, printable."""
        return printable(self.output.strip().rpartition("\n")[2])


NO_ANSWER: Final = Answer(127)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A file that looks as if it held a secret."""

    kind: str
    """`Databricks token`, `private key`, …; `stopped` where the search did not come to its end, with the reason."""
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFacts:
    """All answers of verify/sent/system.sh, programs.sh and PROGRAMS by name, and what verify/sent/secrets.sh found."""

    answers: Mapping[str, Answer]
    secrets: tuple[Secret, ...] = ()

    def answer(self, name: str) -> Answer:
        """The answer to `name`; a code of 127 where the image gave none."""
        return self.answers.get(name, NO_ANSWER)

    def has(self, command: str) -> bool:
        """Whether the image has `command` on its PATH."""
        return self.answer(f"command:{command}").good

    @property
    def os_release(self) -> Mapping[str, str]:
        """The fields of /etc/os-release, unquoted."""
        pairs = (line.partition("=") for line in self.answer("os-release").output.splitlines() if "=" in line)
        return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def examine_system(files: Host, programs: Host) -> SystemFacts:
    """Ask, as root, what the rules want to know: three execs.

    `files` is a container of the image that can read every file and change users; nothing of the mirrored packages runs
    in it as root. `programs` is one without any rights. Raises VerificationFailed where the image has no shell,
    HostError where a host fails.
    """
    answers = {**_asked(files, "system.sh", known="os-release"), **_asked(programs, "programs.sh", known="java")}
    searched = files.run(
        [_SHELL, "-s", "--", str(SEARCH_SECONDS)], stdin=sent("secrets.sh"), timeout=4.0 * SEARCH_SECONDS
    )
    return SystemFacts(answers=answers, secrets=parse_secrets(searched.stdout.decode(errors="replace")))


def with_programs(facts: SystemFacts, answers: Mapping[str, Answer]) -> SystemFacts:
    """`facts` with what the programs of `verify.programs` answered."""
    return replace(facts, answers={**facts.answers, **answers})


def _asked(host: Host, script: str, *, known: str) -> dict[str, Answer]:
    """The answers of `script`, of which `known` is always one."""
    completed = host.run([_SHELL, "-s"], stdin=sent("answer.sh") + sent(script), timeout=_SYSTEM_SECONDS)
    answers = parse_answers(completed.stdout.decode(errors="replace"))
    if known not in answers:
        raise VerificationFailed(
            f"The shell in {host.name} did not answer (code {completed.code}).",
            remedy=by_hand(host, "sh"),
        )
    return answers


def by_hand(host: Host, shell: str) -> str:
    """The command that opens a `shell` in the image of `host`; nothing where it is no container of one."""
    if not isinstance(host, ContainerHost):
        return ""
    return f"Look at the image by hand: docker run --rm -it --entrypoint {shell} {host.image}"


def parse_answers(text: str) -> dict[str, Answer]:
    """The records of answer.sh; anything else is left out."""
    answers = {}
    for record in text.split(_RECORD)[1:]:
        fields = record.split(_FIELD, 2)
        if len(fields) == 3 and fields[1].isdecimal():
            answers[fields[0]] = Answer(int(fields[1]), fields[2])
    return answers


def parse_secrets(text: str) -> tuple[Secret, ...]:
    """The finds of secrets.sh, sorted by path, each once."""
    pairs = {tuple(line.split("\t", 1)) for line in text.splitlines() if "\t" in line}
    return tuple(Secret(kind=printable(kind), path=printable(path)) for path, kind in sorted((p, k) for k, p in pairs))
