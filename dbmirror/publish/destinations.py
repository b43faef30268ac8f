"""The push stage: where an image goes, and the record of what was sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from functools import partial
from pathlib import Path

from dbmirror.build.image import Built
from dbmirror.ca_bundle import hand_to_libraries
from dbmirror.clones.agreements import Ask
from dbmirror.config import LoadedConfig
from dbmirror.engine.docker import client
from dbmirror.errors import UsageError
from dbmirror.files import canonical_json
from dbmirror.mirror_folder.files import write_below
from dbmirror.progress import SILENT, Observer
from dbmirror.publish.moving_tags import AlsoTagged, MayMove, move_tags
from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.find_credential import FoundCredential, find_credential
from dbmirror.publish.registries.hand_over import require_named_host
from dbmirror.publish.registries.push import push
from dbmirror.publish.registries.resolve import resolve_target
from dbmirror.publish.registries.target import RegistryTarget

_SILENCE = 300.0
"""Seconds that the engine may say nothing during a push: it retries a failing layer for some 50 s by itself."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A registry that is ready to be pushed to: its credential is there and the registry accepts it."""

    target: RegistryTarget
    found: FoundCredential
    renew: Callable[[], Credential] | None = None
    """Looks for the credential anew, where it runs out in the middle of a push."""


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
    also: tuple[AlsoTagged, ...] = ()
    """The moving tags that name it, too."""


def find_destinations(
    names: Sequence[str],
    loaded: LoadedConfig,
    *,
    mirror: str,
    ask: Ask | None = None,
    keep: bool = True,
    password: str | None = None,
    ca_bundle: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    observer: Observer = SILENT,
) -> tuple[Destination, ...]:
    """Every registry of `names` with a credential that it accepts: asked before anything is built.

    `password` is what --password-stdin read, for a single registry. `ask` asks the user about a host that only
    dbmirror.toml names; with `keep` a yes is remembered. The authorities of `ca_bundle`, a PEM
    file, vouch for the registries in place of the usual ones. Raises TargetError, RegistryError, UsageError.
    """
    if password is not None and len(names) != 1:
        raise UsageError(
            "--password-stdin is the password of one registry, and several are to be pushed to.",
            remedy="Push to them one after the other, or give the passwords in the environment.",
        )
    hand_to_libraries(ca_bundle)
    environ = loaded.registry_environment(environ)
    registries = loaded.registries()
    targets = [
        resolve_target(name, registries, environ, mirror=mirror, ca_bundle=ca_bundle) for name in dict.fromkeys(names)
    ]
    hand_over = partial(require_named_host, root=loaded.root, ask=ask, keep=keep)

    def destination(target: RegistryTarget) -> Destination:
        def find() -> FoundCredential:
            return find_credential(target, environ, password=password, hand_over=hand_over, observer=observer)

        return Destination(target, find(), renew=lambda: find().credential)

    return tuple(destination(target) for target in targets)


def push_to_all(
    built: Built,
    destinations: Iterable[Destination],
    *,
    tag: str,
    mirror: str,
    verified: bool,
    record: Path,
    also_tags: Sequence[str] = (),
    may_move: MayMove = lambda *_: None,
    replace: bool = False,
    observer: Observer = SILENT,
) -> tuple[Pushed, ...]:
    """Push the image to every destination under `tag`, and write the record of all of them to the file `record`.

    Each of `also_tags` is moved to it there, from an image of `mirror` or where `may_move` raises nothing. What has
    been pushed stands in the record even where something later fails. Raises RegistryError, and what `may_move` raises.
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
                renew=destination.renew,
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
            _write(record, built, pushed)
            if also_tags:
                credential = destination.found.credential
                also = move_tags(
                    also_tags, result.digest, target, credential, mirror=mirror, may_move=may_move, observer=observer
                )
                pushed[-1] = replace_fields(pushed[-1], also=also)
                _write(record, built, pushed)
    return tuple(pushed)


def _write(record: Path, built: Built, pushed: Sequence[Pushed]) -> None:
    content = canonical_json({"schema": 1, "snapshot": built.snapshot, "pushed": pushed})
    write_below(record.parent, {record.name: content})
