"""Build many images at once: `docker buildx bake` as a child process, with a result for each target.

One solve for all targets: what their Dockerfiles have in common is built once, the rest in parallel. A step that
fails makes bake cancel every other target and report on none. So the targets that have the failed step are set
aside with their error, and the rest is baked again together: finished steps come from the cache, and what was
cancelled runs again. Two failing targets thus cost two further solves, and the good ones are all built. Where no step
names the culprit (a Dockerfile that cannot be read), each target is baked alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dbmirror.engine.bake_progress import BakeProgress
from dbmirror.engine.buildx import (
    BuildResult,
    builder,
    built,
    explain_silence,
    in_brief,
    read_metadata,
    run_build,
)
from dbmirror.engine.docker import plugin_version, require_buildx
from dbmirror.engine.failures import BuildFailed, diagnose
from dbmirror.engine.proxies import without_proxies
from dbmirror.processes.temporary import temporary_folder
from dbmirror.progress import SILENT, Observer

NO_QUESTIONS: Final = {"BUILDX_BAKE_ENTITLEMENTS_FS": "0"}
"""From 0.20 on buildx wants a word for every file outside of the working folder that a bake file names; the secrets
are such files, and older ones do not know the option that says it."""


def bake(
    file: Path,
    *,
    stages: Mapping[str, str],
    variables: Mapping[str, str] | None = None,
    build_arguments: Mapping[str, str] | None = None,
    contexts: Mapping[str, Mapping[str, Path]] | None = None,
    no_cache: bool = False,
    observer: Observer = SILENT,
) -> dict[str, BuildResult | BuildFailed]:
    """Build targets of the bake file `file`, in its folder, from which its paths start; what became of each.

    `stages` maps each wanted target to the name of its stage for `observer`. `variables` are the file's own;
    `build_arguments` are for all Dockerfiles, and one that does not know an argument passes it over. Both are handed
    on in the environment: no value stands on a command line. `contexts` are the named build contexts of each target,
    each in place of the stage of that name. The images are put where the file says, and their
    ids are those of the engine where it has them. `seconds` of a result reach to that target's own end.
    A target that fails hides no other: its value is the error. Raises EngineError where Docker or buildx cannot be
    used. Ctrl-C cancels all.
    """
    require_buildx(plugin_version("buildx"))
    results: dict[str, BuildResult | BuildFailed] = {}
    waiting = [tuple(stages)]
    while waiting:
        together = waiting.pop(0)
        solved = _solve(
            file,
            {target: stages[target] for target in together},
            variables=variables or {},
            build_arguments=build_arguments or {},
            contexts=contexts or {},
            no_cache=no_cache,
            observer=observer,
        )
        results |= solved
        left = tuple(target for target in together if target not in solved)
        if left and solved:
            observer.note(f"{', '.join(solved)} failed; {', '.join(left)} is baked without.")
            waiting.append(left)
        elif left:
            waiting += [(target,) for target in left]
    return {target: results[target] for target in stages}


def _solve(
    file: Path,
    stages: Mapping[str, str],
    *,
    variables: Mapping[str, str],
    build_arguments: Mapping[str, str],
    contexts: Mapping[str, Mapping[str, Path]],
    no_cache: bool,
    observer: Observer,
) -> dict[str, BuildResult | BuildFailed]:
    """One run of bake: every target if it ended well, else those that are known to have failed, which may be none."""
    with temporary_folder("bake") as scratch:
        metadata_file = scratch / "metadata.json"
        argv = [
            *("docker", "buildx", "bake", "--progress", "rawjson", "--builder", builder()),
            *("--file", file.name, "--metadata-file", str(metadata_file)),
            *(argument for name in [*without_proxies(), *build_arguments] for argument in ("--set", f"*.args.{name}")),
            *(
                argument
                for target in stages
                for name, path in sorted(contexts.get(target, {}).items())
                for argument in ("--set", f"{target}.contexts.{name}={path}")
            ),
            *(["--no-cache"] if no_cache else []),
            *stages,
        ]
        progress = BakeProgress(stages, observer)
        began = time.monotonic()
        environment = {**os.environ, **NO_QUESTIONS, **variables, **build_arguments}
        finished = run_build(argv, progress, folder=file.parent, environment=environment)
        if finished.code != 0:
            failed = progress.failed or (tuple(stages) if len(stages) == 1 else ())
            if not failed:
                explain_silence(None)
            for target in failed:
                explain_silence(progress.builds[target].failed)
            return {target: diagnose(progress.builds[target], code=finished.code) for target in failed}
        metadata = read_metadata(metadata_file)
    results: dict[str, BuildResult | BuildFailed] = {}
    for target, stage in stages.items():
        said = metadata.get(target, {})
        # The engine has what the exporter of the docker driver or `type=docker` loaded; then its own name is stated.
        name = str(said.get("image.name", "")).partition(",")[0] or None
        result = built(
            progress.builds[target],
            said,
            seconds=progress.last_event.get(target, began) - began,
            image=name,
        )
        observer.finished(stage, in_brief(result))
        results[target] = result
    return results
