"""The build stage of many mirrors at once: one bake file, one bake, and a record of each image."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dbmirror.build.bakefile import SECRET_VARIABLES, BakeTarget, render_bakefile, target_name
from dbmirror.build.image import Built, write_built
from dbmirror.engine.bake import bake
from dbmirror.engine.buildx import BuildResult
from dbmirror.engine.failures import BuildFailed
from dbmirror.files import write_atomically
from dbmirror.progress import SILENT, Observer


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedMirror:
    """A mirror whose build context is written, and what its image is made from."""

    mirror: str
    context: Path
    tags: tuple[str, ...]
    snapshot: str
    lock: str
    """Digests of the snapshot and of the lock."""
    record: Path
    """Where the record of the image is written."""


def write_bakefile(file: Path, mirrors: Sequence[RenderedMirror]) -> bool:
    """Write the bake file of `mirrors`, with paths that start from its folder; False if it stood there already."""
    targets = [
        BakeTarget(
            mirror=mirror.mirror,
            context=PurePosixPath(Path(os.path.relpath(mirror.context, file.parent)).as_posix()),
            tags=mirror.tags,
            labels={},
        )
        for mirror in mirrors
    ]
    return write_atomically(file, render_bakefile(targets))


def bake_images(
    file: Path,
    mirrors: Sequence[RenderedMirror],
    *,
    build_arguments: Mapping[str, str] | None = None,
    contexts: Mapping[str, Mapping[str, Path]] | None = None,
    observer: Observer = SILENT,
) -> Mapping[str, tuple[Built, BuildResult] | BuildFailed]:
    """Build `mirrors`, all of them targets of the bake file `file`, and write the record of each image.

    A mirror that fails has its error as value and keeps the record that it had. The stage of each mirror's progress
    is `build NAME`. `contexts` are the files of each, as for `build_image`.
    Raises EngineError where Docker or buildx cannot be used.
    """
    results = bake(
        file,
        stages={target_name(mirror.mirror): f"build {mirror.mirror}" for mirror in mirrors},
        # Not even the files that the user's own variables name.
        variables=dict.fromkeys(SECRET_VARIABLES.values(), ""),
        build_arguments=build_arguments,
        contexts={target_name(mirror): folders for mirror, folders in (contexts or {}).items()},
        observer=observer,
    )
    outcomes: dict[str, tuple[Built, BuildResult] | BuildFailed] = {}
    for mirror in mirrors:
        result = results[target_name(mirror.mirror)]
        if isinstance(result, BuildFailed):
            outcomes[mirror.mirror] = result
            continue
        built = Built(image_id=result.image_id, tags=mirror.tags, snapshot=mirror.snapshot, lock=mirror.lock)
        write_built(built, mirror.record)
        outcomes[mirror.mirror] = built, result
    return outcomes
