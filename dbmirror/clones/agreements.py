"""What only a file of the repository names and would meet a secret: used once the user said so, and remembered then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from dbmirror.clones.allowed_settings import SettingNotAllowed, repository_of
from dbmirror.clones.own_records import Kind, is_own, remember
from dbmirror.files import canonical_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Something that a file of the repository names. A stranger may have written that file."""

    root: Path
    """A folder of the repository that the file came with."""
    kind: str
    """`base`, `apt`, `image`, `lock`, `registry`."""
    bound_to: str
    """What the user agrees to: once the repository names anything else, the question is asked again."""
    text: str
    """Who names what, and what it would see: whole sentences."""
    remedy: str
    """How the user says yes where nobody can be asked."""


Ask: TypeAlias = Callable[[Claim], bool]
"""Asks the user about a claim."""


class NotAgreed(SettingNotAllowed):
    """A file of the repository names what would meet a secret, and the user has not agreed to it."""


def require_agreement(claim: Claim, *, ask: Ask | None, keep: bool = True) -> None:
    """Raises NotAgreed unless the user agreed to `claim` before, or does now.

    `ask` is None where nobody can answer. With `keep` a yes is remembered in the state folder, for this repository's
    place on this machine and for what the claim is bound to.
    """
    if is_agreed(claim):
        return
    if ask is None or not ask(claim):
        raise NotAgreed(claim.text, remedy=claim.remedy)
    if keep:
        remember_agreement(claim)


def is_agreed(claim: Claim) -> bool:
    """Whether the user agreed to `claim` before."""
    return is_own(Kind.AGREEMENT, _record(claim))


def remember_agreement(claim: Claim) -> None:
    """Remember that the user named it himself, or said yes to it."""
    remember(Kind.AGREEMENT, _record(claim))


def _record(claim: Claim) -> bytes:
    place = str(repository_of(claim.root))
    return canonical_json({"kind": claim.kind, "repository": place, "bound_to": claim.bound_to})
