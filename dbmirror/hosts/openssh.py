"""What OpenSSH itself makes of the ssh config, where its client is on this machine (`ssh -G`)."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from dbmirror.hosts.ssh_errors import SshConfigInvalid
from dbmirror.hosts.ssh_files import block, check, include_line, starting_folder
from dbmirror.hosts.ssh_tokens import all_tokens, connection_tokens, fill, fill_agent, fill_path
from dbmirror.processes.programs import ProcessFailed, run
from dbmirror.processes.temporary import temporary_folder

_SECONDS: Final = 30.0
"""A `Match exec` that asks the network takes a while; one that hangs must not hang us."""
_NO_FILE: Final = "/dbmirror-no-identity"
"""Stands last among the identity files, so that OpenSSH does not list its own defaults as if they were configured."""


def program() -> str | None:
    """OpenSSH's client; None where this machine has none, or where it would read another home than ours.

    OpenSSH takes the home of the account, whatever HOME says.
    """
    return shutil.which("ssh") if Path.home() == Path(pwd.getpwuid(os.getuid()).pw_dir) else None


def ask_openssh(
    ssh: str, files: Sequence[Path], alias: str, *, first: Mapping[str, object], last: Mapping[str, object]
) -> dict[str, str | list[str]]:
    """The settings that hold for `alias`, names in lower case, tokens and `~` filled in.

    `first` beats the `files`, which beat `last`. A missing file says nothing. Raises SshConfigInvalid with OpenSSH's
    own words, or where OpenSSH would not take a file; nothing of such a file has run then.
    """
    lines = block(first)
    twice = False
    for file in files:
        twice = check(file, alias) or twice
        lines += ["Host *", *include_line(file)]
    # The first value found holds: what `Match final` sets in the second reading must come before the defaults.
    lines += block({**last, "IdentityFile": _NO_FILE}, head="Match final" if twice else "Host *")
    printed: list[str] = []
    with temporary_folder("ssh") as folder:
        file = folder / "config"
        file.write_text("".join(f"{line}\n" for line in lines))
        try:
            done = run(
                [ssh, "-T", "-G", "-F", str(file), "--", alias],
                on_stdout=printed.append,
                folder=starting_folder(),
                timeout=_SECONDS,
                check=False,
            )
        except ProcessFailed as error:
            raise SshConfigInvalid(f"OpenSSH did not read the ssh config: {error.message}") from error
    if done.code != 0:
        said = " ".join(done.stderr.replace(str(file), "the settings of this host").split())
        raise SshConfigInvalid(f"The ssh config cannot be read: {said[:500]}.", remedy=f"ssh -G {alias}")
    return _filled(_parsed(printed), alias)


def _parsed(lines: Iterable[str]) -> dict[str, str | list[str]]:
    found: dict[str, str | list[str]] = {"identityfile": [], "certificatefile": []}
    for line in lines:
        name, _, value = line.partition(" ")
        several = found.get(name)
        if isinstance(several, list):
            if value != _NO_FILE:
                several.append(value)
        else:
            found[name] = value
    return found


def _filled(found: dict[str, str | list[str]], alias: str) -> dict[str, str | list[str]]:
    """`ssh -G` prints these settings as they were written."""
    connection, everything = connection_tokens(found, alias), all_tokens(found, alias)
    filled: dict[str, str | list[str]] = {}
    for setting, value in found.items():
        if isinstance(value, list):
            filled[setting] = [fill_path(each, everything) for each in value]
        elif setting == "proxycommand":
            filled[setting] = fill(value, connection)
        elif setting == "identityagent":
            filled[setting] = fill_agent(value, everything)
        else:
            filled[setting] = value
    return filled
