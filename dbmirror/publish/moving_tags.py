"""Tags that move from image to image beside the immutable one, as `also_tag` of a mirror asks for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from dbmirror.clones.agreements import Ask, Claim, require_agreement
from dbmirror.config import FILE_NAME
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.progress import SILENT, Observer
from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.errors import UnexpectedAnswer
from dbmirror.publish.registries.registry_api import RegistryClient
from dbmirror.publish.registries.retries import Patience
from dbmirror.publish.registries.target import RegistryTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class AlsoTagged:
    """A moving tag, and what it names since a push."""

    reference: str
    """`HOST/REPOSITORY:TAG`."""
    digest: str
    before: str | None
    """The digest that it named until then; None where there was no such tag."""


MIRROR_LABEL: Final = "io.dbmirror.mirror"
"""The label by which an image says which mirror it is of (see render/image_labels.py)."""

MayMove: TypeAlias = Callable[[RegistryTarget, str, str], None]
"""Raises where a tag that names another image, of the digest that comes last, must stay."""


def move_tags(
    tags: Sequence[str],
    digest: str,
    target: RegistryTarget,
    credential: Credential,
    *,
    mirror: str,
    may_move: MayMove,
    observer: Observer = SILENT,
) -> tuple[AlsoTagged, ...]:
    """Let each of `tags` name the image `digest` of the target's repository, which is there already.

    A tag that names an earlier image of `mirror` moves: that is what the setting is for. `may_move` is asked about one
    that names anything else. Raises NotAgreed where that must stay, RegistryError, UnexpectedAnswer.
    """
    registry = RegistryClient(target, credential)
    patience = Patience(attempts=3, sleep=time.sleep, observer=observer)
    moved = []
    for tag in tags:
        before = patience.apply(lambda tag=tag: registry.digest_of(tag))  # type: ignore[misc]
        reference = target.reference(tag)
        if before != digest:
            if before is not None and not patience.apply(
                lambda before=before: _is_of(mirror, before, registry)  # type: ignore[misc]
            ):
                may_move(target, tag, before)
            patience.apply(lambda tag=tag: registry.tag(digest, tag))  # type: ignore[misc]
            now = patience.apply(lambda tag=tag: registry.digest_of(tag))  # type: ignore[misc]
            if now != digest:
                raise UnexpectedAnswer(
                    f"{reference} is {now or 'not there'} after it was let name {digest}.",
                    remedy="Somebody else may have moved this tag at the same time: push again.",
                )
            observer.note(f"{reference} names {digest} now" + (f", before it was {before}." if before else "."))
        moved.append(AlsoTagged(reference=reference, digest=digest, before=before))
    return tuple(moved)


class _Config(msgspec.Struct):
    Labels: dict[str, str] | None = None


class _Image(msgspec.Struct):
    config: _Config | None = None


def _is_of(mirror: str, digest: str, registry: RegistryClient) -> bool:
    """Whether the image `digest` is one of `mirror`, by its label: only who may push there can have put it there."""
    configuration = registry.manifest(digest).config_digest
    if configuration is None:
        return False
    try:
        image = decode_json(registry.blob(configuration), _Image)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return image.config is not None and (image.config.Labels or {}).get(MIRROR_LABEL) == mirror


def require_may_move(
    target: RegistryTarget, tag: str, before: str, *, root: Path, ask: Ask | None, keep: bool = True
) -> None:
    """Raises NotAgreed unless the user agreed that this tag, of somebody else's image, moves to this mirror's."""
    reference = target.reference(tag)
    claim = Claim(
        root=root,
        kind="tag",
        bound_to=reference,
        text=f"{reference} names an image that is none of this mirror ({before}), and 'also_tag' of {FILE_NAME} lets "
        "it name this one: a cluster that starts from this tag gets other packages.",
        remedy="If it should, add --move-tag; on a terminal you are asked once.",
    )
    require_agreement(claim, ask=ask, keep=keep)
