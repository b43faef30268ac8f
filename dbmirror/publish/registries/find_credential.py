"""Finds the credential for a registry: asks each source in order, and notes the outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from dbmirror.progress import SILENT, Observer
from dbmirror.publish.registries.credential import Credential, Unserved
from dbmirror.publish.registries.docker_config import credential_from_docker_config
from dbmirror.publish.registries.errors import AuthenticationFailed, CredentialExpired, InsufficientScope, NoCredential
from dbmirror.publish.registries.given_credentials import credential_from_environment, credential_from_stdin
from dbmirror.publish.registries.hand_over import HandOver, require_named_host
from dbmirror.publish.registries.kind import RegistryKind, Source
from dbmirror.publish.registries.kinds import kind_named
from dbmirror.publish.registries.registry_api import RegistryClient
from dbmirror.publish.registries.retries import Patience
from dbmirror.publish.registries.target import RegistryTarget


@dataclass(frozen=True, slots=True)
class Attempt:
    """A source of credentials that was tried."""

    source: str
    outcome: str
    """`used`, or why it did not serve."""


@dataclass(frozen=True, slots=True)
class FoundCredential:
    """The credential that the registry accepts, and the way to it."""

    credential: Credential
    attempts: tuple[Attempt, ...]
    """In the order in which they were tried; the last is the one that is used."""


def find_credential(
    target: RegistryTarget,
    environ: Mapping[str, str],
    *,
    password: str | None = None,
    kind: RegistryKind | None = None,
    log_in: Callable[[RegistryTarget, Credential], None] | None = None,
    hand_over: HandOver = require_named_host,
    observer: Observer = SILENT,
) -> FoundCredential:
    """The first credential that there is for `target` and that the registry accepts.

    The order: `password` (from stdin), the environment, the user's docker config, the sources of the target's kind.
    The observer notes every attempt.
    A credential that the registry refuses is passed over for the next one (a docker config often holds an old one),
    unless the user handed it over for this push: then the refusal is raised. `kind` replaces the one
    that the target names, `log_in` the question to the registry. `hand_over` is asked before a credential goes there.

    Raises NoCredential naming every source and why it did not serve; NotAgreed where only a file of the repository says
    where a password would go; TargetError where a password has no user; the
    RegistryError of a registry that refused what was handed over, or could not be asked.
    """
    kind = kind or kind_named(target.kind)
    patience = Patience(attempts=3, sleep=time.sleep, observer=observer)
    log_in = log_in or (lambda target, found: patience.apply(RegistryClient(target, found).log_in))
    attempts: list[Attempt] = []
    for name, source in _sources(target, environ, password, kind):
        found = source()
        if isinstance(found, Unserved):
            attempts.append(Attempt(name, found.reason))
            observer.note(f"Credential for {target.host}: {name}: {found.reason}.")
            continue
        hand_over(target, found)
        try:
            log_in(target, found)
        except (AuthenticationFailed, CredentialExpired, InsufficientScope) as error:
            if found.explicit:
                raise
            attempts.append(Attempt(name, error.message.rstrip(".")))
            observer.note(f"Credential for {target.host}: {name}: {error.message}")
            continue
        attempts.append(Attempt(name, "used"))
        observer.note(f"Credential for {target.host}: {name}: used.")
        return FoundCredential(found, tuple(attempts))
    tried = "; ".join(f"{attempt.source}: {attempt.outcome}" for attempt in attempts)
    remedy = f"{kind.login(target.host)}, or set the variables named above."
    raise NoCredential(f"There is no credential that {target.host} accepts. Tried {tried}.", remedy=remedy)


def _sources(
    target: RegistryTarget, environ: Mapping[str, str], password: str | None, kind: RegistryKind
) -> Iterator[tuple[str, Source]]:
    if password is not None:
        yield "--password-stdin", lambda: credential_from_stdin(target, environ, password, kind=kind)
    yield "environment", lambda: credential_from_environment(target, environ)
    yield "docker config", lambda: credential_from_docker_config(target, environ)
    yield from kind.sources(target, environ)
