"""The way with rsync: its processes on both sides speak through the tunnel's connection."""

from __future__ import annotations

import os
import posixpath
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from dbmirror_lab.sync import quiet_ssh
from dbmirror_lab.sync.job import Job
from dbmirror_lab.sync.limits import SILENT_SECONDS
from dbmirror_lab.sync.report import Problem, Report, Tally, together

_LOOK = """
command -v rsync >/dev/null 2>&1 || { echo none; exit; }
if [ -d "$1" ]; then echo folder; elif [ -f "$1" ]; then echo file; elif [ -e "$1" ]; then echo other
else echo missing; fi
"""
_KINDS = {"folder": "folder", "file": "file", "other": "other", "missing": None}
_ONLY_SOME = 23
_VANISHED = 24
"""Exit codes: not all could be copied; files went away meanwhile, which is no failure."""
_READING = ("link_stat", "send_files", "opendir", "change_dir", "readdir", "read errors", "file has vanished")


def look(control: Path, path: str) -> tuple[bool, str | None]:
    """Whether rsync can be used, and what kind of thing the driver has at `path` if so."""
    if shutil.which("rsync") is None:
        return False, None
    said = quiet_ssh.run(control, ["sh", "-c", _LOOK, "sh", path]).stdout.decode(errors="replace").strip()
    return said in _KINDS, _KINDS.get(said)


def copy(job: Job, report: Report) -> Tally:
    """Copy with rsync. Files grow under another name and are renamed when they are whole. Raises Problem.

    Neither links nor devices are copied: what comes from a driver cannot lead out of the target.
    """
    folder, name = (job.target, "") if job.folder else posixpath.split(job.target)
    if not job.dry_run:
        if job.to_driver:
            _make_folder_on_driver(job.control, folder)
        else:
            _make_folder_in_lab(folder)
    token = secrets.token_hex(8)
    first = job.source + "/" if job.folder else job.source
    # Told the folder, rsync takes whatever has the file's name in it for the file's old self, and follows no link.
    second = posixpath.join(folder, "" if name == posixpath.basename(job.source) else name)
    first, second = (first, f"driver:{second}") if job.to_driver else (f"driver:{first}", second)
    wrapper = [sys.executable, "-I", quiet_ssh.__file__, str(job.control)]
    argv = [
        *("rsync", f"--timeout={SILENT_SECONDS:.0f}", "--recursive", "--times", "--omit-dir-times", "--executability"),
        # The names go through the connection, not through the driver's shell.
        *("--protect-args", "--8-bit-output", f"--out-format={token}%i %l %n", "--rsh", shlex.join(wrapper)),
        # A link that was named itself is followed; those in a folder are left out.
        *([] if job.folder else ["--copy-links"]),
        # The whole list first: only then is the total known.
        *(["--dry-run"] if job.dry_run else ["--no-inc-recursive", "--info=progress2", "--outbuf=L"]),
        *("--", first, second),
    ]
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    errors: deque[str] = deque(maxlen=200)
    reader = threading.Thread(target=_keep, args=(child.stderr, errors), daemon=True)
    reader.start()
    tally = Tally()
    try:
        for line in _lines(child.stdout):
            _understand(line, token, tally, report)
        code = child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
    reader.join(5.0)
    if code not in {0, _VANISHED}:
        raise explain(code, list(errors), job)
    return tally


def explain(code: int, lines: list[str], job: Job) -> Problem:
    """What rsync's exit `code` and its errors mean, in one sentence."""
    found = [sentence for line in lines if (sentence := _sentence(line, job))]
    if found:
        roots = (job.source, job.target)
        if code != _ONLY_SOME:
            return Problem(found[0])
        return together(found, roots=roots, others=job.folder and not job.dry_run)
    said = next((line for line in lines if line.startswith("rsync")), "") or (lines or ["it said nothing"])[-1]
    return Problem(f"rsync stopped with exit code {code}: {said}")


def _sentence(line: str, job: Job) -> str:
    if in_the_way := re.fullmatch(r"could not make way for new regular file: (.*)", line):
        path = posixpath.join(job.target, in_the_way[1]) if job.folder else job.target
        return f"{path} is a folder, and a file is to take its place."
    match = re.match(r'rsync: (?:\[(\w+)\] )?(.*?) ?"(.*)"(?: \(in [^)]*\))?[^"]*?: ([^:"]+?) \(\d+\)$', line)
    if match is None:
        return ""
    role, what, path, reason = match.groups()
    reading = role == "sender" if role else what.startswith(_READING)
    on_driver = reading != job.to_driver
    # Its own temporary name for a file is of no interest.
    folder, _, name = path.rpartition("/")
    if not reading and (temporary := re.fullmatch(r"\.(.+)\.\w{6}", name)):
        path = f"{folder}/{temporary[1]}"
    what, where = "read" if reading else "written", "on the driver" if on_driver else "in the lab"
    return f"{path} could not be {what} {where}: {reason}."


def _understand(line: str, token: str, tally: Tally, report: Report) -> None:
    if line.startswith(token):
        # "<f+++++++++ 123 name": an arrow says that the content goes over.
        change, _, rest = line[len(token) :].partition(" ")
        size, _, name = rest.partition(" ")
        if change[:1] in {"<", ">"} and change[1:2] == "f" and size.isdigit():
            tally.add(_unescaped(name), int(size))
    elif (skipped := re.fullmatch(r'skipping non-regular file "(.*)"', line)) is not None:
        tally.leave_out(_unescaped(skipped[1]))
    elif (moved := re.match(r"\s*([\d,]+)\s+(\d+)%", line)) is not None:
        done, percent = int(moved[1].replace(",", "")), int(moved[2])
        if percent:
            report.progress(done, done * 100 // percent)


def _unescaped(name: str) -> str:
    r"""`name` without rsync's way to write a control character, `\#012`."""
    return re.sub(r"\\#([0-7]{3})", lambda match: chr(int(match[1], 8)), name)


def _make_folder_on_driver(control: Path, folder: str) -> None:
    done = quiet_ssh.run(control, ["mkdir", "-p", "--", folder])
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise Problem(f"{folder} could not be made on the driver: {said[0].rpartition(': ')[2]}.")


def _make_folder_in_lab(folder: str) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"{folder} could not be made in the lab: {error.strerror}.") from None


def _lines(stream: IO[bytes] | None) -> Iterator[str]:
    """The lines as they come; progress is drawn over itself, with a carriage return in place of a line end."""
    if stream is None:
        return
    rest = b""
    with stream:
        while True:
            block = os.read(stream.fileno(), 1 << 16)
            if not block:
                break
            *whole, rest = re.split(rb"[\r\n]", rest + block)
            for line in whole:
                yield line.decode("utf-8", "surrogateescape")
    if rest:
        yield rest.decode("utf-8", "surrogateescape")


def _keep(stream: IO[bytes] | None, lines: deque[str]) -> None:
    if stream is not None:
        with stream:
            for line in stream:
                if line.strip():
                    lines.append(line.decode(errors="replace").strip())
