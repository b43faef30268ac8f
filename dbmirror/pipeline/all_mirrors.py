"""Every mirror of dbmirror.toml at once: its files side by side, its image in one bake, its verification."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from dbmirror.build.bakefile import FILE_NAME as BAKE_FILE
from dbmirror.build.files import build_contexts
from dbmirror.build.foundation import Built
from dbmirror.build.many import RenderedMirror, bake_images, write_bakefile
from dbmirror.config import FILE_NAME as CONFIG_FILE
from dbmirror.config import ConfigError, LoadedConfig
from dbmirror.engine.buildx import BuildResult
from dbmirror.engine.failures import BuildFailed
from dbmirror.errors import DbmirrorError
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.mirror_folder.files import is_file_below
from dbmirror.mirror_folder.names import BUILT
from dbmirror.parallel import as_ended
from dbmirror.pipeline.line import Choices, Pipeline, Questions
from dbmirror.progress import SILENT, Observer
from dbmirror.snapshot import Snapshot
from dbmirror.verify.model import Report

WORKERS: Final = 4
"""How many mirrors are read, locked or verified at the same time: each of them asks an index with many connections."""
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedMirror:
    """A mirror whose files are made: what is left is to build it."""

    snapshot: Snapshot
    lock: MirrorLock


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltMirror:
    """A mirror that went all the way. Its report may still say that the image is not what it should be."""

    lock: MirrorLock
    built: Built
    result: BuildResult
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedMirror:
    """A mirror that did not, and why; the others went on."""

    error: DbmirrorError


class AllMirrors:
    """The pipelines of every mirror that dbmirror.toml names, and their stages for all of them.

    A context manager: leaving it closes the connections to all drivers. With `dry_run` the mirrors' files are made in
    copies of their folders. Progress is told with the mirror's name behind the stage's; questions are asked one at a
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
        self._stopping = threading.Event()
        self._connecting = threading.Lock()
        self._dry_run = dry_run
        self._resources = ExitStack()
        asked = _one_at_a_time(questions or Questions())
        self.pipelines = {
            name: Pipeline(
                name,
                loaded,
                choices=choices or Choices(),
                observer=_Named(observer, name, self._stopping),
                questions=asked,
            )
            for name in sorted(loaded.config.mirrors)
        }
        self.bake_file: Path = loaded.root / BAKE_FILE
        """Written by `build`, for other machines and builders too."""

    def __enter__(self) -> Self:
        for pipeline in self.pipelines.values():
            self._resources.enter_context(pipeline)
            if self._dry_run:
                self._resources.enter_context(pipeline.rehearsal())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def prepare(self, *, frozen: bool = False) -> dict[str, PreparedMirror | FailedMirror]:
        """Snapshot, lock and build context of every mirror, several at a time; with `frozen` from its files alone."""

        def one(name: str) -> PreparedMirror:
            pipeline = self.pipelines[name]
            if frozen:
                snapshot, lock = pipeline.snapshot(), pipeline.lock()
            else:
                self._connect(pipeline)
                snapshot = pipeline.take_snapshot()
                lock = pipeline.make_lock(snapshot)
            pipeline.render(lock)
            return PreparedMirror(snapshot=snapshot, lock=lock)

        return self._each(one, self.pipelines)

    def build(self, prepared: dict[str, PreparedMirror | FailedMirror]) -> dict[str, BuiltMirror | FailedMirror]:
        """One bake of all that `prepare` gave, then the verification of each image; failures are carried along.

        The bake file names the mirrors that failed before, too, where their last lock and context stand. Raises
        EngineError where Docker cannot be used.
        """
        ready = {name: mirror for name, mirror in prepared.items() if isinstance(mirror, PreparedMirror)}
        outcomes: dict[str, BuiltMirror | FailedMirror] = {
            name: mirror for name, mirror in prepared.items() if isinstance(mirror, FailedMirror)
        }
        rendered = {name: self._rendered(name, mirror.lock) for name, mirror in ready.items()}
        write_bakefile(self.bake_file, [*rendered.values(), *self._earlier(outcomes)])
        if not rendered:
            return outcomes
        any_pipeline = next(iter(self.pipelines.values()))
        logins = [self.pipelines[name].r_netrc(mirror.lock) for name, mirror in ready.items()]
        with build_contexts(
            {name: self.pipelines[name].build_files(mirror.lock) for name, mirror in ready.items()},
            indexes=any_pipeline.indexes,
            ca_bundle=any_pipeline.ca_bundle,
            observer=self._observer,
        ) as contexts:
            baked = bake_images(
                self.bake_file,
                list(rendered.values()),
                indexes=any_pipeline.indexes,
                ca_bundle=any_pipeline.ca_bundle,
                netrc=b"".join(dict.fromkeys(filter(None, logins))) or None,
                build_arguments={"KEEP_GOING": "1"} if any_pipeline.choices.keep_going else {},
                contexts=contexts,
                observer=self._observer,
            )

        def verified(name: str) -> BuiltMirror:
            image, mirror = baked[name], ready[name]
            if isinstance(image, BuildFailed):
                raise image
            built, result = image
            report = self.pipelines[name].verify(built, mirror.lock, mirror.snapshot)
            return BuiltMirror(lock=mirror.lock, built=built, result=result, report=report)

        outcomes |= self._each(verified, ready)
        return {name: outcomes[name] for name in prepared}

    def _connect(self, pipeline: Pipeline) -> None:
        """Start the cluster if need be, all of them at a time; then first contact, one by one.

        A pin is added to the file of known hosts by writing the whole file: two at a time would lose one.
        """
        _ = pipeline.access.cluster
        with self._connecting:
            _ = pipeline.access.driver

    def _rendered(self, name: str, lock: MirrorLock) -> RenderedMirror:
        pipeline = self.pipelines[name]
        return RenderedMirror(
            mirror=name,
            context=pipeline.context_folder,
            tags=(pipeline.tag(lock),),
            snapshot=lock.snapshot,
            lock=lock.digest,
            record=pipeline.folder / BUILT,
        )

    def _earlier(self, names: Iterable[str]) -> list[RenderedMirror]:
        """Those of `names` that an earlier run left ready to be built."""
        found = []
        for name in names:
            with suppress(DbmirrorError):
                found.append(self._rendered(name, self.pipelines[name].lock()))
        return [mirror for mirror in found if is_file_below(mirror.context, "Dockerfile")]

    def _each(self, stage: Callable[[str], T], names: Iterable[str]) -> dict[str, T | FailedMirror]:
        """What `stage` gives for each of `names`, several at a time; a documented error is that mirror's outcome."""

        def guarded(name: str) -> T | FailedMirror:
            try:
                return stage(name)
            except DbmirrorError as error:
                return FailedMirror(error=error)

        pool = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="dbmirror-mirror")
        try:
            futures = {name: pool.submit(guarded, name) for name in names}
            for ended in as_ended(futures.values()):
                ended.result()
        except BaseException:
            self._stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()
        return {name: future.result() for name, future in futures.items()}


class _Stopped(BaseException):
    """Another mirror's stage, or the user, ended the command: no error of this one, so that nothing handles it."""


class _Named(Observer):
    """Tells of one mirror's stages under its name, and ends its thread at the next word once all are to stop."""

    def __init__(self, observer: Observer, mirror: str, stopping: threading.Event) -> None:
        self._observer = observer
        self._mirror = mirror
        self._stopping = stopping

    def started(self, stage: str, *, total: int | None = None) -> None:
        self._go_on()
        self._observer.started(f"{stage} {self._mirror}", total=total)

    def advanced(self, stage: str, text: str = "", *, steps: int = 1) -> None:
        self._go_on()
        self._observer.advanced(f"{stage} {self._mirror}", text, steps=steps)

    def finished(self, stage: str, text: str = "") -> None:
        self._go_on()
        self._observer.finished(f"{stage} {self._mirror}", text)

    def note(self, text: str) -> None:
        self._go_on()
        self._observer.note(f"{self._mirror}: {text}")

    def warn(self, text: str) -> None:
        self._go_on()
        self._observer.warn(f"{self._mirror}: {text}")

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise _Stopped


def _one_at_a_time(questions: Questions) -> Questions:
    """`questions`, of which the second waits until the first is answered."""
    turn = threading.Lock()

    def in_turn(question: Callable[[U], bool] | None) -> Callable[[U], bool] | None:
        if question is None:
            return None

        def ask(about: U) -> bool:
            with turn:
                return question(about)

        return ask

    return Questions(host_key=in_turn(questions.host_key), start=in_turn(questions.start))
