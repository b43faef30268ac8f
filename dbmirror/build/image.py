"""The build stage of one mirror: the tag of its image, and the record of what was built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from dbmirror.clones.own_records import Kind, is_own, remember
from dbmirror.engine.buildx import BuildResult, build
from dbmirror.errors import UsageError
from dbmirror.files import canonical_json
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.mirror_folder.files import read_below, write_below
from dbmirror.progress import SILENT, Observer

BUILD_SCHEMA: Final = 1
ImageId = Annotated[str, Meta(pattern=r"\Asha256:[0-9a-f]{64}\Z")]
Tag = Annotated[
    str, Meta(pattern=r"\A[a-z0-9]+([._/:-][a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z", max_length=512)
]
"""`REPOSITORY:TAG`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An image, and what it was built from."""

    image_id: ImageId
    """`sha256:…`: the engine's id."""
    tags: Annotated[tuple[Tag, ...], Meta(min_length=1)]
    snapshot: str
    lock: str
    """Digests of the snapshot and of the lock."""
    schema: Literal[1] = BUILD_SCHEMA


def image_tag(repository: str, *, runtime: str, snapshot: str, lock: str) -> str:
    """`dbmirror/demo:15.4-0123456789ab-012345`: names mirror, runtime, and by their digests snapshot and lock.

    The lock's six digits tell images of one snapshot apart that were made with another filter, base or flavour.
    """
    return f"{repository}:{runtime}-{snapshot.removeprefix('sha256:')[:12]}-{lock.removeprefix('sha256:')[:6]}"


def build_image(
    context: Path,
    *,
    tags: Sequence[str],
    snapshot: str,
    lock: str,
    record: Path,
    build_arguments: Mapping[str, str] | None = None,
    contexts: Mapping[str, Path] | None = None,
    observer: Observer = SILENT,
) -> tuple[Built, BuildResult]:
    """Build the rendered `context` with the files in `contexts`, and write the record of it to the file `record`.

    `contexts` stand in for all stages that fetch: no step has a network, and the build is given no secret. Those for
    which the Dockerfile has mounts are a plain `docker build`'s. Raises BuildFailed.
    """
    result = build(
        context,
        tags=tags,
        labels={},
        secrets={},
        build_arguments=build_arguments,
        contexts=contexts,
        observer=observer,
    )
    built = Built(image_id=result.image_id, tags=tuple(tags), snapshot=snapshot, lock=lock)
    write_built(built, record)
    return built, result


def built_here(built: Built) -> bool:
    """Whether this machine built that image; a record that came with the repository is no more than a claim."""
    return is_own(Kind.BUILD, canonical_json(built))


def write_built(built: Built, record: Path) -> None:
    """Write the record of what was just built to the file `record`, and remember that it was built here."""
    remember(Kind.BUILD, canonical_json(built))
    write_below(record.parent, {record.name: canonical_json(built)})


def read_built(record: Path) -> Built:
    """What was built last. Raises UsageError where nothing was, or the record is damaged."""
    try:
        return decode_json(read_below(record.parent, record.name), Built)
    except FileNotFoundError:
        raise UsageError(
            f"No image was built yet: there is no {record}.", remedy="Build it with 'dbmirror build MIRROR'."
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{record} is not usable: {error}.", remedy="Build the image again.") from error
