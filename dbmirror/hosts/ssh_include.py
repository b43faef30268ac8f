"""What the ssh config files say of one host, with the Include lines that paramiko.SSHConfig does not follow."""

from __future__ import annotations

import getpass
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from glob import glob
from pathlib import Path

import paramiko
from paramiko.config import SSHConfigDict

from dbmirror.hosts.ssh_errors import SshConfigInvalid

_DEEPEST = 16
"""As deep as OpenSSH follows an Include."""


def look_up(
    files: Iterable[Path], alias: str, *, first: Mapping[str, object], last: Mapping[str, object]
) -> SSHConfigDict:
    """The settings that hold for `alias`, names in lower case, tokens filled in.

    `first` beats the `files`, which beat `last`: in an ssh config the first value found holds. A missing file says
    nothing. Raises SshConfigInvalid where a file is damaged.
    """
    lines = list(_block(first))
    for file in files:
        lines += ["Host *", *_lines(file, alias, before=lines, depth=0)]
    lines += _block(last)
    return _parse(lines, alias)


def _block(settings: Mapping[str, object]) -> Iterator[str]:
    yield "Host *"
    for name, value in settings.items():
        text = str(value)
        if not re.fullmatch(r"[^\s\"#]+", text):
            raise SshConfigInvalid(f"{text!r} cannot be a value of {name}.")
        yield f"  {name} {text}"


def _lines(file: Path, alias: str, *, before: list[str], depth: int) -> list[str]:
    """The lines of `file`, with those of the files that it includes where `alias` is meant."""
    text = _read(file)
    if text is None:
        return []
    found: list[str] = []
    block = before[-1] if depth else "Host *"
    for line in text.splitlines():
        keyword, _, value = line.strip().replace("=", " ", 1).partition(" ")
        if keyword.lower() in {"host", "match"}:
            block = line
        if keyword.lower() != "include":
            found.append(line)
        elif depth < _DEEPEST and _holds([*before, *found], block, alias):
            for included in _files_of(value, file):
                found += _lines(included, alias, before=[*before, *found, block], depth=depth + 1)
                found.append(block)
    return found


def _read(file: Path) -> str | None:
    """The text of `file`; None where it is missing. Raises SshConfigInvalid where OpenSSH would not take it either.

    OpenSSH (readconf.c, SSHCONF_CHECKPERM) takes the user's files, included ones too, only where they are the user's
    or root's and nobody else can write them: they name programs (ProxyCommand, Match exec) that run as the user.
    """
    try:
        with file.open(errors="replace") as opened:
            status = os.fstat(opened.fileno())
            if status.st_uid not in {0, os.getuid()} or status.st_mode & 0o022:
                raise SshConfigInvalid(
                    f"OpenSSH refuses the ssh config {file}, and so does dbmirror: somebody else owns it or can write "
                    "it, and what it says runs as you.",
                    remedy=f"chown {getpass.getuser()} {shlex.quote(str(file))} && chmod 600 {shlex.quote(str(file))}",
                )
            return opened.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SshConfigInvalid(f"The ssh config {file} cannot be read: {error.strerror or error}.") from error


def _holds(lines: list[str], block: str, alias: str) -> bool:
    """Whether the Host or Match line `block`, coming after `lines`, is about `alias`."""
    return "dbmirrorprobe" in _parse([*lines, block, "  DbmirrorProbe yes"], alias)


def _files_of(value: str, including: Path) -> list[Path]:
    """The files that an Include line names; relative names start from ~/.ssh, or /etc/ssh for the system's config."""
    base = including.parent if including.is_relative_to("/etc/ssh") else Path.home() / ".ssh"
    try:
        patterns = shlex.split(value, comments=True)
    except ValueError as error:
        raise SshConfigInvalid(f"The ssh config {including} has an Include that cannot be read: {error}.") from error
    return [Path(name) for pattern in patterns for name in sorted(glob(str(base / Path(pattern).expanduser())))]  # noqa: PTH207


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
