"""Copy files between the lab's notebooks and the driver, over the tunnel's connection."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import msgspec

from dbmirror.engine import compose
from dbmirror.engine.compose_project import command, docker_environment
from dbmirror.errors import RemoteError, UsageError
from dbmirror.foreign_text.characters import OBEYED
from dbmirror.lab.model import Lab
from dbmirror.lab.paths import lab_paths
from dbmirror.processes.programs import ProcessFailed, run
from dbmirror.progress import Observer

STAGE: Final = "sync"
_PROGRAM: Final = ("/opt/lab/bin/python", "-I", "-m", "dbmirror_lab.sync")
"""Does the copy inside the lab, as the user that the notebooks belong to; it prints one event a line."""


class SyncRefused(UsageError):
    """What is to be copied is not one side of each kind, or is not there."""


class SyncFailed(RemoteError):
    """The copy did not come about, or not whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """A copy that was made, or with `dry_run` that would be."""

    source: str
    target: str
    by: str
    """`rsync`, or `sftp` where one of the sides lacks it."""
    files: int
    """How many files were copied; those that the target had already are not among them."""
    size: int
    """Their bytes."""
    names: tuple[str, ...]
    """The files, relative to a source folder; the first thousand."""
    left_out: tuple[str, ...]
    """What is no file and no folder, such as a symbolic link: none of that is copied. The first thousand."""
    left_out_count: int


class _Begin(msgspec.Struct, tag="begin", tag_field="event"):
    pid: int


class _Progress(msgspec.Struct, tag="progress", tag_field="event"):
    done: int
    total: int


class _End(msgspec.Struct, tag="end", tag_field="event"):
    by: str
    files: int
    size: int
    names: tuple[str, ...]
    left_out: tuple[str, ...]
    left_out_count: int


class _Failed(msgspec.Struct, tag="failed", tag_field="event"):
    message: str
    remedy: str
    usage: bool


_events: Final = msgspec.json.Decoder(_Begin | _Progress | _End | _Failed)  # noqa: TID251 - made once, by who imports this


class _Listener:
    """Understands what the program in the lab says, and tells the observer how far it is."""

    def __init__(self, observer: Observer, *, dry_run: bool) -> None:
        self._observer = observer
        self._dry_run = dry_run
        self.begun: _Begin | None = None
        self.result: _End | _Failed | None = None

    def hear(self, line: str) -> None:
        try:
            event = _events.decode(line)
        except msgspec.DecodeError:
            return
        match event:
            case _Begin():
                self.begun = event
                if not self._dry_run:
                    self._observer.started(STAGE)
            case _Progress():
                percent = min(100, event.done * 100 // max(event.total, 1))
                text = f"{size_in_words(event.done)} of {size_in_words(event.total)} ({percent} %)"
                self._observer.advanced(STAGE, text)
            case _:
                self.result = event


def sync(lab: Lab, source: str, target: str, *, dry_run: bool = False) -> Synced:
    """Make `target` a copy of `source`; one is `driver:PATH`, the other relative to the lab's notebooks folder.

    What is in a folder is added to a folder that is there; nothing is deleted. A file that differs in size or time, in
    whole seconds, is replaced when the whole of the new one is there. Symbolic links are left out. With `dry_run`
    nothing is written.
    Raises SyncRefused; SyncFailed where the tunnel is down, a side cannot be read or written, or not all was copied.
    """
    folder, observer = lab.folder, lab.observer
    project = lab_paths(folder).project
    if not project.is_known:
        raise SyncRefused(f"{folder} has no lab yet.", remedy=f"'dbmirror lab up {lab.mirror}' makes it.")
    outward = target.startswith("driver:")
    if outward == source.startswith("driver:"):
        raise SyncRefused(
            "One side of the copy must be on the driver and one in the notebooks folder.",
            remedy="Write the driver's side as driver:PATH, for example driver:/tmp/data.",
        )
    here = _in_notebooks(source if outward else target)
    there = _checked((target if outward else source).removeprefix("driver:"))
    paths = (here, there) if outward else (there, here)
    argv = [*_PROGRAM, *(["--dry-run"] if dry_run else []), "--", "to" if outward else "from", *paths]
    listener = _Listener(observer, dry_run=dry_run)

    def stop() -> None:
        # Docker does not hand a signal on to what runs in the container.
        if listener.begun is not None and listener.result is None:
            with suppress(ProcessFailed):
                compose.execute(project, "lab", ["sh", "-c", f"kill -TERM {listener.begun.pid}"], timeout=10)

    called = command(project, "exec", "--no-TTY", "lab", *argv)
    finished = run(
        called, environment=docker_environment(), on_stdout=listener.hear, check=False, before_interrupt=stop
    )
    match listener.result:
        case _Failed(message=message, remedy=remedy, usage=usage):
            raise (SyncRefused if usage else SyncFailed)(message, remedy=remedy)
        case _End() as done if finished.code == 0:
            if not dry_run:
                observer.finished(STAGE, f"{files_in_words(done.files)}, {size_in_words(done.size)}")
            return Synced(source=source, target=target, **msgspec.structs.asdict(done))
        case _:
            raise _unheard(finished.stderr, lab.mirror)


def size_in_words(size: int) -> str:
    """`size` in bytes as people read it: `812 bytes`, `3.4 MB`."""
    if size < 1000:
        return f"{size} bytes" if size != 1 else "1 byte"
    amount, unit = size / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if amount < 999.95:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.1f} {unit}"


def files_in_words(count: int) -> str:
    """`count` with its noun."""
    return "1 file" if count == 1 else f"{count} files"


def _unheard(stderr: str, mirror: str) -> UsageError | RemoteError:
    """Why the program in the lab said nothing of its end."""
    said = (stderr.strip().splitlines() or ["it said nothing"])[-1]
    if "is not running" in stderr or "no container found" in stderr:
        return SyncRefused("The lab does not run.", remedy=f"Start it with 'dbmirror lab up {mirror}'.")
    if "No module named" in stderr:
        return SyncRefused(
            "This lab was built by another version of dbmirror.",
            remedy=f"Bring it up to date: 'dbmirror lab up {mirror}'.",
        )
    return SyncFailed(f"The copy ended without a result: {said}")


def _in_notebooks(name: str) -> str:
    path = PurePosixPath(_checked(name))
    if path.is_absolute() or ".." in path.parts:
        raise SyncRefused(f"{name!r} is not below the notebooks folder.", remedy="Name a path relative to notebooks/.")
    return name


def _checked(name: str) -> str:
    if re.search(rf"[\t\n{OBEYED}]", name):
        raise SyncRefused(f"{name!r} holds control characters.")
    return name
