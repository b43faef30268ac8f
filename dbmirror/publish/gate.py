"""The push stage: where an image goes, the gate that only verified images pass, and the record of what was sent."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dbmirror.build.foundation import Built, built_here
from dbmirror.engine.docker import client
from dbmirror.errors import DifferenceFound, UsageError
from dbmirror.files import canonical_json
from dbmirror.mirror_folder.files import write_below
from dbmirror.progress import SILENT, Observer
from dbmirror.publish.registries.config import RegistryConfig
from dbmirror.publish.registries.credentials import FoundCredential, find_credential
from dbmirror.publish.registries.push import push
from dbmirror.publish.registries.target import RegistryTarget, resolve_target
from dbmirror.verify.model import Report

_SILENCE = 300.0
"""Seconds that the engine may say nothing during a push: it retries a failing layer for some 50 s by itself."""


class NotVerified(DifferenceFound):
    """An image was to be pushed that was not verified, or did not pass."""


class NotBuiltHere(DifferenceFound):
    """An image was to be pushed that only a record from elsewhere calls this mirror's, or that is of another lock."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A registry that is ready to be pushed to: its credential is there and the registry accepts it."""

    target: RegistryTarget
    found: FoundCredential


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What one push came to."""

    registry: str
    """The name after `--push`."""
    kind: str
    """`dockerhub`, `acr`, `oci`."""
    reference: str
    """`HOST/REPOSITORY:TAG`."""
    repository: str
    """`HOST/REPOSITORY`."""
    digest: str
    image_id: str
    """The engine's id of what was pushed."""
    already_there: bool
    verified: bool
    """False where `--allow-unverified` let it pass."""
    needs_login: bool
    """A cluster needs a credential to pull it."""


def find_destinations(
    names: Sequence[str],
    registries: Mapping[str, RegistryConfig],
    *,
    mirror: str,
    password: str | None = None,
    environ: Mapping[str, str] = os.environ,
    observer: Observer = SILENT,
) -> tuple[Destination, ...]:
    """Every registry of `names` with a credential that it accepts: asked before anything is built.

    `password` is what --password-stdin read, for a single registry. Raises TargetError, RegistryError, UsageError.
    """
    if password is not None and len(names) != 1:
        raise UsageError(
            "--password-stdin is the password of one registry, and several are to be pushed to.",
            remedy="Push to them one after the other, or give the passwords in the environment.",
        )
    targets = [resolve_target(name, registries, environ, mirror=mirror) for name in dict.fromkeys(names)]
    return tuple(
        Destination(target, find_credential(target, environ, password=password, observer=observer))
        for target in targets
    )


def require_built_here(built: Built, *, mirror: str, lock: str) -> None:
    """Raise NotBuiltHere unless this machine built the image, and from the lock of that digest.

    Verification finds what is missing or other than locked; what a stranger's image has beyond that it need not find.
    """
    if not built_here(built):
        said = f"A record from elsewhere (build.json, of {mirror}) says that {built.image_id[:19]} is its image"
        message = f"{said}; this machine did not build it, so it is not pushed."
    elif built.lock != lock:
        message = f"{built.tags[0]} was built from another lock than the one {mirror} has now, so it is not pushed."
    else:
        return
    raise NotBuiltHere(
        message,
        remedy=f"'dbmirror build {mirror} --frozen' builds and verifies it from the committed lock.",
    )


def require_verified(built: Built, report: Report | None, *, mirror: str, allow_unverified: bool) -> bool:
    """Whether this very image passed verification. Raises NotVerified where it did not, unless that is allowed."""
    current = report is not None and (report.image_id, report.lock) == (built.image_id, built.lock)
    if report is not None and current and report.passed:
        return True
    if allow_unverified:
        return False
    what = "did not pass verification" if current else "was not verified"
    raise NotVerified(
        f"{built.tags[0]} {what}, so it is not pushed.",
        remedy=f"'dbmirror verify {mirror}' says what is wrong; --allow-unverified pushes it all the same.",
    )


def publish(
    built: Built,
    destinations: Iterable[Destination],
    *,
    tag: str,
    verified: bool,
    record: Path,
    replace: bool = False,
    observer: Observer = SILENT,
) -> tuple[Pushed, ...]:
    """Push the image to every destination under `tag`, and write the record of all of them to the file `record`.

    What has been pushed stands in the record even where a later one fails. Raises RegistryError.
    """
    pushed: list[Pushed] = []
    with closing(client(timeout=_SILENCE)) as engine:
        for destination in destinations:
            target = destination.target
            result = push(
                built.image_id,
                target,
                tag,
                destination.found.credential,
                engine=engine,
                replace=replace,
                observer=observer,
            )
            pushed.append(
                Pushed(
                    registry=target.name,
                    kind=target.kind,
                    reference=result.reference,
                    repository=target.full_name,
                    digest=result.digest,
                    image_id=built.image_id,
                    already_there=result.already_there,
                    verified=verified,
                    needs_login=bool(destination.found.credential.secret),
                )
            )
            content = canonical_json({"schema": 1, "snapshot": built.snapshot, "pushed": pushed})
            write_below(record.parent, {record.name: content})
    return tuple(pushed)
