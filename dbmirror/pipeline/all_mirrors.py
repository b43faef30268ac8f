"""Every mirror of dbmirror.toml at once: the line of each side by side, their images in one bake."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, ParamSpec, Self, TypeVar

from dbmirror.build.bake_images import RenderedMirror, bake_images, write_bakefile
from dbmirror.build.bakefile import FILE_NAME as BAKE_FILE
from dbmirror.build.fetched_files import build_contexts
from dbmirror.config import FILE_NAME as CONFIG_FILE
from dbmirror.config import ConfigError, LoadedConfig
from dbmirror.engine.failures import BuildFailed
from dbmirror.errors import DbmirrorError
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.mirror_folder.files import is_file_below
from dbmirror.mirror_folder.names import BUILT
from dbmirror.parallel import side_by_side
from dbmirror.pipeline.cluster_access import Questions
from dbmirror.pipeline.line import Failed, Finished, Image, Prepared, Wanted, run
from dbmirror.pipeline.mirror import Choices, Mirror
from dbmirror.pipeline.stages import build_files, logins
from dbmirror.progress import SILENT, Observer

WORKERS: Final = 4
"""How many mirrors are read, locked or verified at the same time: each of them asks an index with many connections."""
T = TypeVar("T")
U = TypeVar("U")
P = ParamSpec("P")


class AllMirrors:
    """The mirrors that dbmirror.toml names, opened for one run.

    A context manager: leaving it closes the connections to all drivers. With `dry_run` the mirrors' files are made in
    copies of their folders. Progress names the mirror behind the stage; questions are asked one at a
    time. Raises ConfigError where no mirror is named.
    """

    def __init__(
        self,
        loaded: LoadedConfig,
        *,
        choices: Choices | None = None,
        observer: Observer = SILENT,
        questions: Questions | None = None,
        dry_run: bool = False,
    ) -> None:
        if not loaded.config.mirrors:
            raise ConfigError(
                f"No mirror is named: there is no [mirrors.NAME] section in {loaded.origin or f'a {CONFIG_FILE}'}.",
                remedy="Name each mirror that '--all' is to build in such a section.",
            )
        self._observer = observer
        self._resources = ExitStack()
        asked = _one_at_a_time(questions or Questions())
        self.mirrors = {
            name: Mirror(
                name,
                loaded,
                choices=choices or Choices(),
                observer=_Named(observer, name),
                questions=asked,
                dry_run=dry_run,
            )
            for name in sorted(loaded.config.mirrors)
        }
        self.bake_file: Path = loaded.root / BAKE_FILE
        """Written by `run`, for other machines and builders too."""

    def __enter__(self) -> Self:
        for mirror in self.mirrors.values():
            self._resources.enter_context(mirror)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def run(self, wanted: Wanted) -> dict[str, Prepared | Finished | Failed]:
        """The line of each mirror; a documented error is that mirror's outcome, and the others go on.

        Raises EngineError where Docker cannot be used.
        """
        return run(self.mirrors, wanted, each=self._each, build=self._bake)

    def _each(self, stage: Callable[[str], T], names: Collection[str]) -> dict[str, T | Failed]:
        """What `stage` gives for each of `names`, several at a time; a documented error is that mirror's outcome."""

        def guarded(name: str) -> T | Failed:
            try:
                return stage(name)
            except DbmirrorError as error:
                return Failed(error=self.mirrors[name].explained(error))

        return side_by_side(guarded, names, workers=WORKERS, name="dbmirror-mirror")

    def _bake(self, mirrors: Mapping[str, Mirror], prepared: Mapping[str, Prepared]) -> Mapping[str, Image | Failed]:
        """One bake of all that is `prepared`.

        The bake file names the mirrors that failed before, too, where their last lock and context stand.
        """
        rendered = [_rendered(mirrors[name], mirror.lock) for name, mirror in prepared.items()]
        write_bakefile(
            self.bake_file, [*rendered, *_earlier(mirrors[name] for name in mirrors if name not in prepared)]
        )
        if not rendered:
            return {}
        any_mirror = next(iter(mirrors.values()))
        failed: dict[str, Image | Failed] = {}
        with ExitStack() as folders:
            contexts: dict[str, Mapping[str, Path]] = {}
            for name, mirror in prepared.items():
                try:
                    contexts |= folders.enter_context(self._contexts(mirrors[name], mirror.lock))
                except DbmirrorError as error:
                    failed[name] = Failed(error=error.of_mirror(name))
            fetched = [mirror for mirror in rendered if mirror.mirror not in failed]
            if not fetched:
                return failed
            baked = bake_images(
                self.bake_file,
                fetched,
                build_arguments={"KEEP_GOING": "1"} if any_mirror.choices.keep_going else {},
                contexts=contexts,
                observer=self._observer,
            )
        images: dict[str, Image | Failed] = {
            n: Failed(error=image.of_mirror(n)) if isinstance(image, BuildFailed) else image
            for n, image in baked.items()
        }
        return {name: (images | failed)[name] for name in prepared}

    def _contexts(self, mirror: Mirror, lock: MirrorLock) -> AbstractContextManager[Mapping[str, Mapping[str, Path]]]:
        """The fetched files of one mirror: another mirror's file that is missing is not this one's failure."""
        return build_contexts(
            {mirror.name: build_files(mirror, lock)},
            logins=mirror.indexes.logins().with_those_of(logins(mirror, lock)),
            indexes=mirror.indexes,
            ca_bundle=mirror.ca_bundle,
            observer=self._observer,
        )


def _rendered(mirror: Mirror, lock: MirrorLock) -> RenderedMirror:
    return RenderedMirror(
        mirror=mirror.name,
        context=mirror.context_folder,
        tags=(mirror.tag(lock),),
        snapshot=lock.snapshot,
        lock=lock.digest,
        record=mirror.folder / BUILT,
    )


def _earlier(mirrors: Iterable[Mirror]) -> list[RenderedMirror]:
    """Those of `mirrors` that an earlier run left ready to be built."""
    found = []
    for mirror in mirrors:
        with suppress(DbmirrorError):
            found.append(_rendered(mirror, mirror.lock()))
    return [mirror for mirror in found if is_file_below(mirror.context, "Dockerfile")]


class _Named(Observer):
    """Tells of one mirror's stages under its name."""

    def __init__(self, observer: Observer, mirror: str) -> None:
        self._observer = observer
        self._mirror = mirror

    def started(self, stage: str, *, total: int | None = None) -> None:
        self._observer.started(f"{stage} {self._mirror}", total=total)

    def advanced(self, stage: str, text: str = "", *, steps: int = 1) -> None:
        self._observer.advanced(f"{stage} {self._mirror}", text, steps=steps)

    def finished(self, stage: str, text: str = "") -> None:
        self._observer.finished(f"{stage} {self._mirror}", text)

    def note(self, text: str) -> None:
        self._observer.note(f"{self._mirror}: {text}")

    def warn(self, text: str) -> None:
        self._observer.warn(f"{self._mirror}: {text}")


def _one_at_a_time(questions: Questions) -> Questions:
    """`questions`, of which the second waits until the first is answered."""
    turn = threading.Lock()

    def in_turn(question: Callable[P, U] | None) -> Callable[P, U] | None:
        if question is None:
            return None

        def ask(*about: P.args, **named: P.kwargs) -> U:
            with turn:
                return question(*about, **named)

        return ask

    return Questions(
        host_key=in_turn(questions.host_key),
        start=in_turn(questions.start),
        claim=in_turn(questions.claim),
        cluster=in_turn(questions.cluster),
    )
