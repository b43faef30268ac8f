"""The program: python -m dbmirror_lab.sync to|from SOURCE TARGET [--dry-run]; what it says is lines of JSON."""

from __future__ import annotations

import argparse
import os
import posixpath
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

from dbmirror_lab.control import DEFAULT, ControlSocket
from dbmirror_lab.sync import rsync, sftp
from dbmirror_lab.sync.job import FOLDER, Job, aim, in_lab, kind_in_lab, kind_of, on_driver
from dbmirror_lab.sync.report import Problem, Report, Tally
from dbmirror_lab.sync.side import Side

if TYPE_CHECKING:
    from paramiko import SFTPClient

    from dbmirror_lab.sync.session import Carrier

NOTEBOOKS = Path("/home/lab/notebooks")
_SECONDS_TO_DISCARD = 20
_LOST = subprocess.CompletedProcess([], 255, b"", b"it is closed")


def main(arguments: list[str] | None = None) -> int:
    """Copy, and say how it went; the exit status is 0 only where all was copied."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=["to", "from"])
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--root", type=Path, default=NOTEBOOKS)
    parser.add_argument("--control", type=Path, default=DEFAULT)
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupted)
    report = Report()
    report.begin(pid=os.getpid())
    try:
        tally, way = _copy(given, report)
        report.end(tally, by=way)
    except Problem as problem:
        report.failed(problem)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _copy(given: argparse.Namespace, report: Report) -> tuple[Tally, str]:
    outward, control = given.way == "to", given.control
    lab, driver = (given.source, given.target) if outward else (given.target, given.source)
    lab, driver = in_lab(given.root, lab), on_driver(driver)
    if outward and kind_in_lab(lab) is None:
        raise Problem(f"There is no {given.source} in the notebooks folder.", usage=True)
    if not ControlSocket(control).alive():
        raise _lost(control)
    try:
        return _by_either_way(given, lab, driver, report)
    except Problem:
        if not _reaches(control):
            raise _lost(control) from None
        raise


def _by_either_way(given: argparse.Namespace, lab: str, driver: str, report: Report) -> tuple[Tally, str]:
    usable, kind = rsync.look(given.control, driver)
    if usable:
        return rsync.copy(_job(given, lab, driver, kind), report), "rsync"
    # Loaded only where it is needed: its import takes longer than most copies with rsync.
    from dbmirror_lab.sync.driver_side import DriverSide  # noqa: PLC0415
    from dbmirror_lab.sync.lab_side import LabSide  # noqa: PLC0415
    from dbmirror_lab.sync.session import open_session  # noqa: PLC0415

    with open_session(given.control) as session:
        another = partial(open_session, given.control)
        here, there = LabSide(), DriverSide(session, another=another, lost=lambda: _lost(given.control))
        found = there.look(driver, follow=True)
        job = _job(given, lab, driver, None if found is None else kind_of(found.mode))
        source, target = (here, there) if job.to_driver else (there, here)
        signal.signal(signal.SIGTERM, lambda *_: _end(session, target))
        return sftp.copy(job, source, target, report), "sftp"


def _job(given: argparse.Namespace, lab: str, driver: str, on_the_driver: str | None) -> Job:
    outward, here = given.way == "to", kind_in_lab(lab)
    source, target = (lab, driver) if outward else (driver, lab)
    kinds = (here, on_the_driver) if outward else (on_the_driver, here)
    # The name as it was given: in the lab, the source is what a link leads to.
    name = posixpath.basename(given.source.rstrip("/"))
    final = aim(source, kinds[0], target, kinds[1], name=name, to_driver=outward)
    return Job(outward, source.rstrip("/") or "/", final, kinds[0] == FOLDER, given.dry_run, given.control)


def _reaches(control: Path) -> bool:
    """Whether the driver still answers."""
    socket = ControlSocket(control)
    return socket.alive() and socket.state() in {"", "connected"}


def _lost(control: Path) -> Problem:
    remedy = "Copy again when the tunnel is connected: what is there already is not copied twice."
    return Problem(str(ControlSocket(control).failure(_LOST)), remedy=remedy)


def _end(session: SFTPClient, target: Side) -> NoReturn:
    """End here and now, in a signal that comes at any moment.

    Were it an exception, it would most often come in the middle of a packet; the server takes what is said after that
    for the rest of the packet, and its answer never comes.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # A driver that answers no more keeps nobody waiting.
    signal.alarm(_SECONDS_TO_DISCARD)
    try:
        cast("Carrier", session.get_channel()).kill()
        target.discard()
    finally:
        os._exit(130)


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
