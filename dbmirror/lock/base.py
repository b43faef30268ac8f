"""The image that a mirror is built on, and what it already has: read once with the collector, kept by image id."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

import msgspec

from dbmirror.engine.images import ImageFacts, ensure_image
from dbmirror.files import canonical_json, write_atomically
from dbmirror.folders import cache_folder
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.hosts.container import ContainerHost
from dbmirror.inventory.collect import collect
from dbmirror.inventory.errors import NoPythonFound
from dbmirror.inventory.model import SCHEMA_VERSION, Inventory, Text
from dbmirror.inventory.parsers.os_release import parse_os_release
from dbmirror.lock.errors import LockError
from dbmirror.lock.model import BaseImage, BaseKind
from dbmirror.progress import SILENT, Observer

_OFFICIAL = re.compile(r"\A(docker\.io/|index\.docker\.io/)?databricksruntime/")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contents:
    """What the cache keeps of a base image."""

    os_id: Text
    os_version: Text
    inventory: Inventory | None
    """None where the image has no Python."""


def is_official(reference: str) -> bool:
    """Whether `reference` names an image of Databricks' own: whatever a lock says of it, the name decides."""
    return _OFFICIAL.match(reference) is not None


def read_base(reference: str, *, observer: Observer = SILENT) -> tuple[BaseImage, Inventory | None]:
    """The base image `reference`, pulled if it is not here, and its inventory; None if it has no Python at all.

    The reference is pinned to the digest under which the image came from a registry, where it did. The inventory is
    read in a container without network and kept in the cache under the image's id.
    Raises EngineError where the engine can neither find nor pull the image, LockError where it is not for linux/amd64.
    """
    facts = ensure_image(reference, observer=observer)
    if (facts.os, facts.architecture) != ("linux", "amd64"):
        raise LockError(
            f"The base image {reference} is for {facts.os}/{facts.architecture}.",
            remedy="Databricks runs linux/amd64 images alone (rule L01): choose another with --base.",
        )
    contents = _contents(reference, facts, observer)
    base = BaseImage(
        reference=_pinned(reference, facts),
        kind=BaseKind.OFFICIAL if is_official(reference) else BaseKind.BARE,
        image_id=facts.image_id,
        os_id=contents.os_id,
        os_version=contents.os_version,
    )
    return base, contents.inventory


def _pinned(reference: str, facts: ImageFacts) -> str:
    """`reference` with the digest of its repository's manifest, where the image was pulled from one."""
    if "@" in reference:
        return reference
    repository = re.sub(r":[^:/]*\Z", "", reference)
    for digest in facts.repo_digests:
        name, _, value = digest.partition("@")
        if name.removeprefix("docker.io/") == repository.removeprefix("docker.io/"):
            return f"{reference}@{value}"
    return reference


def _contents(reference: str, facts: ImageFacts, observer: Observer) -> _Contents:
    """What the base has, from the cache, else read in a container and put there."""
    path = cache_folder() / "bases" / f"{facts.image_id.removeprefix('sha256:')}-{_collector_digest()}.json"
    try:
        return decode_json(path.read_bytes(), _Contents)
    except (OSError, msgspec.DecodeError):
        pass
    observer.note(f"Reading what {reference} already has.")
    with ContainerHost(facts.image_id) as host:
        release = parse_os_release(host.fetch("/etc/os-release").decode("utf-8", "replace"))
        try:
            inventory: Inventory | None = collect(host)
        except NoPythonFound:
            inventory = None
    contents = _Contents(os_id=release.get("ID", ""), os_version=release.get("VERSION_ID", ""), inventory=inventory)
    write_atomically(path, canonical_json(contents))
    return contents


def _collector_digest() -> str:
    """Twelve digits that change with the collector: what an older one read is read again."""
    sent = files("dbmirror.inventory.sent")
    content = b"".join(entry.read_bytes() for entry in sorted(sent.iterdir(), key=str) if entry.name.endswith(".py"))
    return hashlib.sha256(content + str(SCHEMA_VERSION).encode()).hexdigest()[:12]
