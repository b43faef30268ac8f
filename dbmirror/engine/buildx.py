"""Build an image: `docker buildx build` as a child process, its events as progress, its failures in plain words."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from docker.context import ContextAPI

from dbmirror.engine.docker import client, plugin_version, require_buildx, run_docker
from dbmirror.engine.errors import EngineError
from dbmirror.engine.failures import BuildFailed, diagnose
from dbmirror.engine.images import inspect_image
from dbmirror.engine.proxies import without_proxies
from dbmirror.engine.rawjson import STAGE, BuildProgress, Step
from dbmirror.processes.programs import Ending, Finished, ProcessFailed
from dbmirror.processes.temporary import temporary_folder
from dbmirror.progress import SILENT, Observer

BUILD_SECONDS: Final = 12 * 3600.0
"""How long one build, or all of a bake, may take: the longest known, which compiles pandas, takes 18 minutes on two
processors, and compiling torch or Arrow for R some hours."""
SETTLE_SECONDS: Final = 0.6
"""How long a step must have run before the build is cancelled: within 0.1 s of its start BuildKit (Engine 26.1) ends
the build and leaves the step's process running for good."""


class Feedable(Protocol):
    """What follows the event stream of a child process."""

    @property
    def last_start(self) -> float:
        """When the last step began, by the monotonic clock."""

    def feed(self, line: str) -> None:
        """Take one line of the stream."""

    def end(self) -> None:
        """The stream ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """An image that was built."""

    image_id: str
    """`sha256:…`, as the engine's inspect gives it."""
    digest: str | None
    """Digest of its manifest; None on an image store that makes one only at a push (overlay2)."""
    seconds: float
    steps: int
    """How many instructions of the Dockerfile other than FROM this build had."""
    cached_steps: int
    """How many of them came from the cache."""


def build(
    context: Path,
    *,
    tags: Sequence[str],
    labels: Mapping[str, str],
    secrets: Mapping[str, Path],
    build_arguments: Mapping[str, str] | None = None,
    contexts: Mapping[str, Path] | None = None,
    platform: str = "linux/amd64",
    load: bool = True,
    no_cache: bool = False,
    observer: Observer = SILENT,
    dockerfile: str = "Dockerfile",
) -> BuildResult:
    """Build the folder `context` into an image with `tags` and `labels`; with `load` it is in the engine afterwards.

    `secrets` maps the id of a BuildKit secret mount to the file that holds it. `build_arguments` are visible in the
    image's history: no secrets. `contexts` are named build contexts, each in place of the stage of that name. No step
    is given a proxy: one that needs it reads it from a secret. Without `load` the build runs and its result stays in
    the cache. Ctrl-C cancels the build.
    Raises BuildFailed where a step fails, EngineError where Docker or buildx cannot be used.
    """
    require_buildx(plugin_version("buildx"))
    with temporary_folder("build") as scratch:
        metadata_file = scratch / "metadata.json"
        argv = [
            "docker",
            *("buildx", "build", "--progress", "rawjson", "--provenance=false", "--sbom=false"),
            *("--builder", builder(), "--platform", platform, "--metadata-file", str(metadata_file)),
            *("--file", str(context / dockerfile)),
            *(argument for tag in tags for argument in ("--tag", tag)),
            *(argument for name, value in sorted(labels.items()) for argument in ("--label", f"{name}={value}")),
            *(argument for name, path in sorted(secrets.items()) for argument in ("--secret", f"id={name},src={path}")),
            *(argument for empty in without_proxies() for argument in ("--build-arg", empty)),
            *(
                argument
                for name, path in sorted((contexts or {}).items())
                for argument in ("--build-context", f"{name}={path}")
            ),
            *(
                argument
                for name, value in sorted((build_arguments or {}).items())
                for argument in ("--build-arg", f"{name}={value}")
            ),
            *(["--load"] if load else []),
            *(["--no-cache"] if no_cache else []),
            str(context),
        ]
        progress = BuildProgress(observer)
        finished = run_build(argv, progress)
        if finished.code != 0:
            explain_silence(progress.failed)
            raise diagnose(progress, code=finished.code)
        metadata = read_metadata(metadata_file)
    result = built(progress, metadata, seconds=finished.seconds, image=tags[0] if load and tags else None)
    observer.finished(STAGE, in_brief(result))
    return result


def run_build(
    argv: Sequence[str],
    progress: Feedable,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a command of buildx to its end, its event stream fed to `progress`; a code other than 0 is no error here.

    Raises BuildFailed after BUILD_SECONDS.
    """
    try:
        finished = run_docker(
            argv,
            on_stderr=progress.feed,
            on_stdout=progress.feed,
            folder=folder,
            environment=environment,
            check=False,
            timeout=BUILD_SECONDS,
            before_interrupt=lambda: time.sleep(max(0.0, progress.last_start + SETTLE_SECONDS - time.monotonic())),
        )
    except EngineError as error:
        if isinstance(error.__cause__, ProcessFailed) and error.__cause__.ending is Ending.LATE:
            raise BuildFailed(
                f"The build did not end within {BUILD_SECONDS / 3600:g} hours and was stopped.",
                step="",
                log=(),
                remedy="Build again: steps that ended come from the cache. A package whose build hangs shows as the "
                "last step; blacklist it.",
            ) from error
        raise
    progress.end()
    return finished


def built(progress: BuildProgress, metadata: Mapping[str, Any], *, seconds: float, image: str | None) -> BuildResult:
    """What the metadata that buildx wrote says of an image; `image` is its name where the engine has it.

    Raises BuildFailed where the engine has it not.
    """
    counted = progress.counted()
    config_digest = str(metadata.get("containerimage.config.digest", ""))
    image_id = config_digest
    if image is not None:
        found = inspect_image(image)
        if found is None:
            raise BuildFailed(f"The build ended well, but the engine has no image {image}.", step="", log=())
        image_id = found.image_id
    digest = metadata.get("containerimage.digest")
    return BuildResult(
        image_id=image_id,
        digest=digest if digest != config_digest else None,
        seconds=seconds,
        steps=len(counted),
        cached_steps=sum(step.cached for step in counted),
    )


def in_brief(result: BuildResult) -> str:
    """The result on one line, for the observer."""
    return f"{result.steps} steps, {result.cached_steps} of them from the cache"


def builder() -> str:
    """The builder to use: BUILDX_BUILDER, else the engine's own.

    A builder in a container of its own, which `docker buildx use` may have chosen, does not see the engine's images:
    a base that was made on this machine would be looked for in a registry.
    """
    named = os.environ.get("BUILDX_BUILDER")
    if named:
        return named
    if os.environ.get("DOCKER_HOST"):
        return "default"
    return os.environ.get("DOCKER_CONTEXT") or ContextAPI.get_current_context().name


def explain_silence(failed: Step | None) -> None:
    """Raises EngineUnavailable where a build failed at no step because there is no engine to build it."""
    if failed is None:
        client().close()


def read_metadata(path: Path) -> dict[str, Any]:
    """The document that buildx wrote to its `--metadata-file`. Raises EngineError where it wrote none."""
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise EngineError(f"buildx did not say what it built: {error}.") from error
    return document
