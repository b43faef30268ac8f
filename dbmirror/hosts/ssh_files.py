"""The files of the ssh config, with those that they include, and whether OpenSSH would take them."""

from __future__ import annotations

import getpass
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from glob import escape, glob
from pathlib import Path

from dbmirror.hosts.ssh_errors import SshConfigInvalid

DEEPEST = 16
"""As deep as OpenSSH follows an Include."""


def starting_folder() -> Path:
    """Where programs that an ssh config names are started: at home, or at the root for who has no home.

    A relative name is so never looked up in the working folder, which may be a clone's.
    """
    home = Path.home()
    return home if home.is_dir() else Path("/")


def read(file: Path) -> str | None:
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


def check(file: Path, alias: str, *, depth: int = 0) -> bool:
    """Read `file` and whatever it includes for `alias`, and run nothing of it. Raises SshConfigInvalid as `read` does.

    A Match block counts as met: what it includes is checked before anything decides whether it is. True where one of
    the files has a `Match final`, for which OpenSSH reads everything twice.
    """
    active, final = True, False
    for words in _lines(file):
        keyword, *values = words
        if keyword == "host":
            active = _matches(alias, values)
        elif keyword == "match":
            active = True
            final = final or "final" in (value.lower() for value in values)
        elif keyword == "include" and active and depth < DEEPEST:
            for pattern in values:
                for included in included_files(pattern, file):
                    final = check(included, alias, depth=depth + 1) or final
    return final


def directives(file: Path, *, depth: int = 0) -> Iterator[list[str]]:
    """Each line of `file` and of all that it includes as words, the first in lower case; no condition is looked at.

    Raises SshConfigInvalid as `read` does.
    """
    for words in _lines(file):
        if words[0] != "include":
            yield words
        elif depth < DEEPEST:
            for pattern in words[1:]:
                for included in included_files(pattern, file):
                    yield from directives(included, depth=depth + 1)


def included_files(pattern: str, including: Path) -> list[Path]:
    """The files that one word of an Include line names; relative ones start from ~/.ssh, the system's from /etc/ssh."""
    base = including.parent if including.is_relative_to("/etc/ssh") else Path.home() / ".ssh"
    return [Path(name) for name in sorted(glob(str(base / Path(pattern).expanduser())))]  # noqa: PTH207


def _lines(file: Path) -> Iterator[list[str]]:
    for line in (read(file) or "").splitlines():
        try:
            words = shlex.split(line.strip().replace("=", " ", 1), comments=True)
        except ValueError:
            continue  # OpenSSH says what is wrong with the line
        if words:
            yield [words[0].lower(), *words[1:]]


def _matches(alias: str, patterns: list[str]) -> bool:
    matched = False
    for pattern in patterns:
        plain = pattern.removeprefix("!").replace("[", "[[]")
        if fnmatchcase(alias, plain):
            if pattern.startswith("!"):
                return False
            matched = True
    return matched


def block(settings: Mapping[str, object], *, head: str = "Host *") -> list[str]:
    """`settings` as lines that hold for every host, or as `head` says. Raises SshConfigInvalid for odd values."""
    lines = [head]
    for name, value in settings.items():
        text = str(value)
        if not re.fullmatch(r"[^\s\"#]+", text):
            raise SshConfigInvalid(f"{text!r} cannot be a value of {name}.")
        lines.append(f"  {name} {text}")
    return lines


def include_line(file: Path) -> list[str]:
    """The lines that include `file` in another config, where relative names would start from ~/.ssh alone."""
    if any(character in str(file) for character in '"\\\n'):
        raise SshConfigInvalid(f"The ssh config {str(file)!r} has a name that OpenSSH could not include.")
    if not file.is_relative_to("/etc/ssh"):
        return [f'Include "{escape(str(file))}"']
    lines = (read(file) or "").splitlines()
    return [re.sub(r"(?i)^(\s*include[\s=]+)(\"?)(?![/~\"])", rf"\1\2{file.parent}/", line) for line in lines]
