"""The steps of a build that install Debian packages: what each is asked for, and the files that it is handed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from dbmirror.lock.debs.model import DebFile, DebianLock, DebianStep
from dbmirror.mirror_folder.names import DEBIAN_LOCK
from dbmirror.render.errors import RenderError
from dbmirror.render.file_groups import BuildFile
from dbmirror.render.requirements import safe_url

R_PREFERENCES: Final = "apt/r.preferences"
"""apt's preferences for R, in the build context and then in the image."""
_R: Final = ("r", "r-build", "packages")
"""The steps in whose stages R's preferences lie, where there is R, each after the one below it."""


def debian_steps(files: Mapping[str, bytes]) -> tuple[DebianStep, ...]:
    """The steps of a build context, by its lists (`apt/STEP.txt`), each after the one below it."""
    lists = {
        name.removeprefix("apt/").removesuffix(".txt"): content.decode()
        for name, content in files.items()
        if name.startswith("apt/") and name.endswith(".txt")
    }
    builds = sorted(name for name in lists if name.startswith("build-"))
    order = ["system", "compilers", *builds, *_R]
    return tuple(
        DebianStep(
            name=name,
            below=_below(name, lists),
            packages=tuple(line for line in lists[name].splitlines() if line and not line.startswith("#")),
            preferences="r" in lists and name in _R,
        )
        for name in order
        if name in lists
    )


def debian_groups(lock: DebianLock) -> Mapping[str, tuple[BuildFile, ...]]:
    """The files of each step that has any, as groups `debian-STEP`: see `dbmirror.render.file_groups`."""
    return {f"debian-{step.name}": tuple(map(deb_file, step.files)) for step in lock.steps if step.files}


def deb_file(file: DebFile) -> BuildFile:
    """A file of an archive. Raises RenderError where its address is hostile."""
    return BuildFile(name=file.filename, url=safe_url(file.filename, file.url), sha256=file.sha256, size=file.size)


def require_chosen_for(steps: Iterable[DebianStep], lock: DebianLock, *, mirror: str) -> None:
    """Raises RenderError unless `lock` is of these steps: it may be of another dbmirror, or edited."""
    if tuple(steps) != tuple(step.step for step in lock.steps):
        raise RenderError(
            f"{DEBIAN_LOCK} is not for the Debian packages that this image is made with.",
            remedy=f"Make the lock again with 'dbmirror lock {mirror}'.",
        )


def _below(name: str, lists: Mapping[str, str]) -> str | None:
    if name.startswith("build-"):
        return "compilers"
    if name == "r-build":
        return "r"
    if name == "packages" and "r" in lists:
        return "r"
    return "system" if "system" in lists and name != "system" else None
