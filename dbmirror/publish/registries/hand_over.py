"""A password that was handed over for a push goes to a host that the user named, or agreed to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from dbmirror.clones.agreements import Ask, Claim, require_agreement
from dbmirror.config import FILE_NAME
from dbmirror.config.registries import host_variable
from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.resolve import answers_for_itself
from dbmirror.publish.registries.target import RegistryTarget

HandOver: TypeAlias = Callable[[RegistryTarget, Credential], None]
"""Raises where the credential must not go to the target's host."""


def require_named_host(
    target: RegistryTarget,
    credential: Credential,
    *,
    root: Path | None = None,
    ask: Ask | None = None,
    keep: bool = True,
) -> None:
    """Raises NotAgreed where only dbmirror.toml, below `root`, names the host that the user's password would go to.

    Only a password of the environment or from stdin needs it: nothing else binds that to a host. What `docker login`
    keeps is bound to one, and what Azure gives goes to Azure. Docker Hub and Azure answer for their names themselves:
    whoever owns a repository there does not see the password.
    """
    if not credential.explicit or target.named_by_user or answers_for_itself(target.host):
        return
    claim = Claim(
        root=root or Path.cwd(),
        kind="registry",
        bound_to=f"{target.name} {target.host}",
        text=f"[registries.{target.name}] of {FILE_NAME} names the host {target.host}, and the password of "
        f"{credential.source} would go there.",
        remedy=f"If it should, set {host_variable(target.name)}={target.host}; on a terminal you are asked once.",
    )
    require_agreement(claim, ask=ask if root is not None else None, keep=keep)
