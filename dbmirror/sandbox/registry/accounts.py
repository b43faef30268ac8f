"""Who may log in to the sandbox's registry, and what they may do there."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

PULL_AND_PUSH = frozenset({"pull", "push"})


@dataclass(frozen=True, slots=True)
class Account:
    """A user; on the ACR side a service principal or the admin account is just that too."""

    username: str
    password: str = field(repr=False)
    actions: frozenset[str] = PULL_AND_PUSH
    """Of every repository."""


def new_account(username: str = "sandbox", *, actions: frozenset[str] = PULL_AND_PUSH) -> Account:
    """An account with a random password, which only ever works on this machine's loopback."""
    return Account(username, secrets.token_urlsafe(18), actions)
