"""The way over SFTP, with rsync's rules: what differs in size or time is copied, and nothing is deleted."""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from dbmirror_lab.sync.job import Job
from dbmirror_lab.sync.limits import DEEPEST
from dbmirror_lab.sync.report import FileProblem, Problem, Report, Tally, together
from dbmirror_lab.sync.side import UMASK, Entry, Side


def copy(job: Job, source: Side, target: Side, report: Report) -> Tally:
    """Copy what differs. One file that cannot be copied stops no other; they are named together. Raises Problem."""
    tally = Tally()
    problems: list[FileProblem] = []
    wanted = list(_differing(job, source, target, tally, problems))
    total, done = sum(entry.size for _, entry, _ in wanted if entry.is_file), 0
    if not job.dry_run:
        if not job.to_driver:
            _require_room(job, total)
        _make_folders(job, target)
    for name, entry, there in wanted:
        path = posixpath.join(job.target, name) if name else job.target
        try:
            if entry.is_folder:
                if not job.dry_run:
                    target.make_folder(path, entry.mode & 0o777 & ~UMASK | 0o700)
                continue
            if there is not None and there.is_folder:
                problems.append(FileProblem(f"{path} is a folder, and a file is to take its place."))
                continue
            if not job.dry_run:
                origin = posixpath.join(job.source, name) if name else job.source
                with closing(source.read(origin, entry.size)) as blocks:
                    counted = _counted(blocks, done, total, report)
                    target.write(path, counted, mode=mode_for(entry, there), mtime=entry.mtime)
            done += entry.size
            tally.add(name or posixpath.basename(job.source), entry.size)
        except FileProblem as problem:
            problems.append(problem)
    if problems:
        sentences = [problem.message for problem in problems]
        raise together(sentences, roots=(job.source, job.target), others=job.folder and not job.dry_run)
    return tally


def mode_for(source: Entry, there: Entry | None) -> int:
    """The mode of the copy: the source's own where it is new, else what is there, executable if the source is."""
    if there is None or not there.is_file:
        return source.mode & 0o777 & ~UMASK
    mode = there.mode & 0o777
    if not source.mode & 0o111:
        return mode & ~0o111
    return mode if mode & 0o111 else mode | (mode & 0o444) >> 2


def _differing(
    job: Job, source: Side, target: Side, tally: Tally, problems: list[FileProblem]
) -> Iterator[tuple[str, Entry, Entry | None]]:
    """Folders and the files that differ, parents first: the name relative to the source, the entry, the target's."""
    if not job.folder:
        # A link that was named itself is followed.
        entry = source.look(job.source, follow=True)
        if entry is None:
            raise Problem(f"{job.source} went away.")
        there = target.look(job.target)
        if not _same(entry, there):
            yield "", entry, there
        return
    waiting = [("", target.look(job.target) is not None)]
    while waiting:
        folder, exists = waiting.pop()
        try:
            found = source.entries(posixpath.join(job.source, folder) if folder else job.source)
            others = target.entries(posixpath.join(job.target, folder) if folder else job.target) if exists else {}
        except FileProblem as problem:
            problems.append(problem)
            continue
        for name, entry in sorted(found.items()):
            path, there = posixpath.join(folder, name), others.get(name)
            if entry.is_folder:
                if path.count("/") >= DEEPEST:
                    raise Problem(f"{job.source} has more than {DEEPEST} folders within each other.")
                yield path, entry, there
                waiting.append((path, there is not None and there.is_folder))
            elif not entry.is_file:
                tally.leave_out(path)
            elif not _same(entry, there):
                yield path, entry, there


def _same(entry: Entry, there: Entry | None) -> bool:
    return there is not None and there.is_file and (there.size, there.mtime) == (entry.size, entry.mtime)


def _require_room(job: Job, size: int) -> None:
    """Raise Problem where the lab's disk has no room for `size` bytes, before any of them is asked for."""
    folder = Path(job.target)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if size > free:
        raise Problem(
            f"{job.source} has {size >> 20} MB that are to be copied, and this machine has {free >> 20} MB free.",
            remedy="Free some space, or name a smaller folder.",
        )


def _make_folders(job: Job, target: Side) -> None:
    """Make the folder that the copy goes to, and those above it."""
    path = job.target if job.folder else posixpath.dirname(job.target)
    missing = []
    while path not in {"", ".", "/"} and target.look(path, follow=True) is None:
        missing.append(path)
        path = posixpath.dirname(path)
    for each in reversed(missing):
        target.make_folder(each, 0o777 & ~UMASK)


def _counted(blocks: Iterator[bytes], before: int, total: int, report: Report) -> Iterator[bytes]:
    for block in blocks:
        before += len(block)
        report.progress(before, total)
        yield block
