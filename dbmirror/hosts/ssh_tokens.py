"""Tokens, `~` and variables in the values of an ssh config, filled in as ssh_config(5) says."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

Found = Mapping[str, "str | list[str]"]
"""Settings of one host, names in lower case."""


def connection_tokens(found: Found, alias: str) -> dict[str, object]:
    """The tokens of ProxyCommand."""
    name = str(found.get("hostkeyalias", alias))
    return {"%": "%", "h": found["hostname"], "k": name, "n": alias, "p": found["port"], "r": found["user"]}


def all_tokens(found: Found, alias: str) -> dict[str, object]:
    """Those of the names of files, too."""
    return connection_tokens(found, alias) | {
        "d": str(Path.home()),
        "i": str(os.getuid()),
        "l": socket.gethostname(),
        "L": socket.gethostname().partition(".")[0],
        "u": getpass.getuser(),
    }


def fill(text: str, tokens: Mapping[str, object]) -> str:
    """`text` with its tokens filled in; one that is unknown stays."""
    return re.sub(r"%(.)", lambda match: str(tokens.get(match[1], match[0])), text)


def fill_path(text: str, tokens: Mapping[str, object]) -> str:
    """The same of a file's name, with `~` and `${VARIABLE}`."""
    with_variables = re.sub(r"\$\{(\w+)\}", lambda match: os.environ.get(match[1], ""), text)
    return str(Path(fill(with_variables, tokens)).expanduser())


def fill_agent(text: str, tokens: Mapping[str, object]) -> str:
    """The value of IdentityAgent: `none`, `SSH_AUTH_SOCK`, or the path of a socket, which `$VARIABLE` can name."""
    if text in {"none", "SSH_AUTH_SOCK"}:
        return text
    if re.fullmatch(r"\$\w+", text):
        return os.environ.get(text[1:], "") or "none"
    return fill_path(text, tokens)
