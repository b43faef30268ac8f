"""What the ssh config says of one host where there is no OpenSSH client: paramiko's reading, and Include lines."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import paramiko
from paramiko.config import SSHConfigDict

from dbmirror.hosts.ssh_errors import SshConfigInvalid
from dbmirror.hosts.ssh_files import DEEPEST, block, check, included_files, read
from dbmirror.hosts.ssh_tokens import all_tokens, fill, fill_agent, fill_path

_YOUNGER: Final = frozenset({"tagged", "localnetwork", "version", "sessiontype", "command"})
"""Criteria of Match that paramiko passes over, as if they were met."""
_PERCENT: Final = "\x01"
"""Stands in a ProxyCommand behind a `%` that is meant as one, where paramiko would take what follows for a token."""


def parse(
    files: Iterable[Path], alias: str, *, first: Mapping[str, object], last: Mapping[str, object]
) -> dict[str, str | list[str]]:
    """The settings that hold for `alias`, names in lower case, tokens filled in.

    `first` beats the `files`, which beat `last`: in an ssh config the first value found holds. A missing file says
    nothing. Raises SshConfigInvalid where a file is damaged.
    """
    lines = list(block(first))
    files = tuple(files)
    twice = any(check(file, alias) for file in files)
    for file in files:
        lines += ["Host *", *_lines(file, alias, before=lines, depth=0, twice=twice)]
    lines += block(last)
    found: dict[str, str | list[str]] = dict(_parse(lines, alias))
    found["identityfile"] = list(dict.fromkeys(found.get("identityfile", ())))
    # What paramiko leaves as it is written.
    tokens = all_tokens(found, alias)
    if isinstance(command := found.get("proxycommand"), str):
        left = {_PERCENT: "%", "k": tokens["k"], "n": tokens["n"]}
        found["proxycommand"] = fill(command, left)
    if isinstance(agent := found.get("identityagent"), str):
        found["identityagent"] = fill_agent(agent.strip('"'), tokens)
    certificate = found.get("certificatefile")
    found["certificatefile"] = [fill_path(certificate.strip('"'), tokens)] if isinstance(certificate, str) else []
    return found


def _lines(file: Path, alias: str, *, before: list[str], depth: int, twice: bool) -> list[str]:
    """The lines of `file`, with those of the files that it includes where `alias` is meant.

    Paramiko reads everything twice, OpenSSH only where there is a `Match final`: elsewhere a Match is decided here, by
    the lines before it alone.
    """
    text = read(file)
    if text is None:
        return []
    found: list[str] = []
    block = before[-1] if depth else "Host *"
    for line in map(_as_paramiko_reads, text.splitlines()):
        keyword, _, value = line.strip().replace("=", " ", 1).partition(" ")
        if keyword.lower() == "match" and not twice:
            line = "Host *" if _holds([*before, *found], line, alias) else "Host !*"  # noqa: PLW2901
        if keyword.lower() in {"host", "match"}:
            block = line
        if keyword.lower() != "include":
            found.append(line.replace("%%", f"%{_PERCENT}") if keyword.lower() == "proxycommand" else line)
        elif depth < DEEPEST and _holds([*before, *found], block, alias):
            for included in _files_of(value, file):
                found += _lines(included, alias, before=[*before, *found, block], depth=depth + 1, twice=twice)
                found.append(block)
    return found


def _as_paramiko_reads(line: str) -> str:
    """`line` without its trailing comment; a Match with criteria that paramiko does not know never holds."""
    words = re.findall(r"\"[^\"]*\"?|[^\s\"]+|\s+", line)
    outside = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
    line = "".join(words[:outside]).rstrip()
    keyword, *criteria = line.replace("=", " ", 1).lower().split(maxsplit=1) or [""]
    if keyword == "match":
        plain = re.sub(r"\"[^\"]*\"|'[^']*'", "x", criteria[0] if criteria else "")
        if set(re.findall(r"[a-z]+", plain)) & _YOUNGER:
            return "Host !*"
    return line


def _holds(lines: list[str], block: str, alias: str) -> bool:
    """Whether the Host or Match line `block`, coming after `lines`, is about `alias`."""
    return "dbmirrorprobe" in _parse([*lines, block, "  DbmirrorProbe yes"], alias)


def _files_of(value: str, including: Path) -> list[Path]:
    try:
        patterns = shlex.split(value, comments=True)
    except ValueError as error:
        raise SshConfigInvalid(f"The ssh config {including} has an Include that cannot be read: {error}.") from error
    return [file for pattern in patterns for file in included_files(pattern, including)]


def _parse(lines: Iterable[str], alias: str) -> SSHConfigDict:
    try:
        with _nothing_on_stdin():
            return paramiko.SSHConfig.from_text("\n".join(lines)).lookup(alias)
    except (paramiko.SSHException, ValueError, ImportError) as error:
        raise SshConfigInvalid(
            f"The ssh config cannot be read: {error}.", remedy="'ssh -G HOST' says what OpenSSH makes of it."
        ) from error


@contextmanager
def _nothing_on_stdin() -> Iterator[None]:
    """OpenSSH gives the command of a `Match exec` no stdin; paramiko would hand it the terminal."""
    stdin = sys.stdin
    with Path(os.devnull).open() as nothing:
        sys.stdin = nothing
        try:
            yield
        finally:
            sys.stdin = stdin
