"""Runs what foreign code is a part of, each attempt in a process of its own user; runs inside the image under test.

Python 3.8's standard library only, started with -I -S so that no code of a package runs in this process: what `site`
would start, a child starts. NONCE and WANTED are set by who sends this. WANTED is a JSON object:

- `imports`: modules; `programs`: name to {argv, stdin, told};
- `seconds`: deadline for one attempt, without the time in which it waited for a processor;
- `users`: the first user number of the attempts, first choice first; none where this process cannot change users.

Prints a line with the nonce, a blank and words for each import that begins, and for each program that has words to be
told; at the end the nonce and one JSON object on
a line: `imports` maps each module to its error or null, `programs` each name to [exit code, end of its output].

An attempt speaks for itself alone: it holds no descriptor but its own, it belongs to a user that no other process has,
and so it can neither write to, nor trace, nor end this process or another attempt.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NONCE = ""
WANTED = ""
LARGEST_FILE = 256 << 20
"""Bytes of the largest file that an import may write."""
LARGEST_OUTPUT = 8 << 20
"""Bytes that a program may print."""
TAIL = 3000
"""Bytes of a program's output that are told."""
PROCESSES = 1024
"""Processes and threads of one attempt: so many that no package needs more, so few that the others have room."""
AT_ONCE = 8
"""Attempts at one time at most: each may take a gigabyte."""
LONGEST_WAIT = 10
"""So many times its deadline an attempt may take on a machine whose processors are busy with other work."""
NO_SUCH_PROGRAM = 127
SHARED = "/dev/shm"  # noqa: S108 - in the image under test


def attempt(module: str) -> str:
    """The last line of the traceback of importing `module`; empty where it imports."""
    try:
        import site  # noqa: PLC0415  under -S the import does nothing

        site.main()
        __import__(module)
    except BaseException as error:  # a module may raise SystemExit, or worse
        lines = str(error).strip().splitlines()
        return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return ""


class Running:
    """A child with one attempt."""

    def __init__(self, name: str, wanted: dict[str, Any] | None, number: int, users: list[int]) -> None:
        """Start it: a program as `wanted` says, else the import of the module `name`."""
        self.name, self.number, self.users = name, number, users
        # Of this process's user: an attempt can open neither its own nor another's anew.
        self.words = unnamed_file()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                self.run(wanted)
                code = 0
            finally:
                os._exit(code)
        self.started = time.monotonic()

    def run(self, wanted: dict[str, Any] | None) -> None:
        """In the child: become a user of its own, keep nothing of this process, and try."""
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        become(self.users, self.number)
        words = os.dup(self.words)
        given = os.open(os.devnull, os.O_RDWR)
        if wanted is not None and wanted["stdin"]:
            given = unnamed_file()
            os.write(given, wanted["stdin"].encode("utf-8"))
            os.lseek(given, 0, os.SEEK_SET)
        os.dup2(given, 0)
        for descriptor in (1, 2):
            os.dup2(words if wanted is not None else os.open(os.devnull, os.O_RDWR), descriptor)
        os.dup2(words, 3, inheritable=False)
        os.closerange(4, 1 << 16)
        home()
        os.chdir("/")
        if wanted is None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
            # Between two zero bytes: whatever the module itself wrote there comes before.
            os.write(3, b"\0" + attempt(self.name).encode("utf-8", "replace")[:2000] + b"\0")
            return
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_OUTPUT, LARGEST_OUTPUT))
        try:
            os.execvp(wanted["argv"][0], wanted["argv"])  # noqa: S606 - an argument vector of dbmirror's
        except OSError as error:
            os.write(1, f"{wanted['argv'][0]}: {error.strerror}\n".encode())
            os._exit(NO_SUCH_PROGRAM)

    def ended(self) -> int | None:
        """Its status; None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return status if pid else None

    def late(self, seconds: float) -> bool:
        """Whether it has had `seconds`; what it waited for a processor is the machine's time, not its own."""
        taken = time.monotonic() - self.started
        return taken > seconds and taken - min(self.waited(), (LONGEST_WAIT - 1) * seconds) > seconds

    def waited(self) -> float:
        """Seconds in which the one of its threads that waited longest was ready to run and did not."""
        longest = 0
        tasks = f"/proc/{self.pid}/task"
        with contextlib.suppress(OSError, ValueError, IndexError):
            for task in os.listdir(tasks):  # noqa: PTH208
                with open(f"{tasks}/{task}/schedstat") as file:  # noqa: PTH123
                    longest = max(longest, int(file.read().split()[1]))
        return longest / 1e9

    def clear(self) -> None:
        """End it, and whatever it left behind."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        if not self.users:
            return
        reaper = os.fork()
        if reaper == 0:
            try:
                become(self.users, self.number)
                # All processes of this user but the one that calls, at once: none of them makes another afterwards.
                os.kill(-1, signal.SIGKILL)
            finally:
                os._exit(0)
        os.waitpid(reaper, 0)

    def said(self, size: int) -> bytes:
        """The last `size` bytes of its words."""
        length = os.lseek(self.words, 0, os.SEEK_END)
        content = os.pread(self.words, size, max(0, length - size))
        os.close(self.words)
        return content


def become(users: list[int], number: int) -> None:
    """Take the first of the user numbers that the kernel knows, one for each attempt, and no group besides."""
    if not users:
        return
    os.setgroups([])
    for position, first in enumerate(users):
        try:
            os.setgid(first + number)
            os.setuid(first + number)
        except OSError:
            if position + 1 == len(users):
                raise
            continue
        break
    resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))


def home() -> None:
    """A new folder for what a package keeps where its user's files are; the names are those of a cluster's user."""
    with contextlib.suppress(OSError):
        os.environ["HOME"] = os.environ["TMPDIR"] = tempfile.mkdtemp()
    os.environ["USER"] = os.environ["LOGNAME"] = "root"


def unnamed_file() -> int:
    """A new file in memory that has no name."""
    descriptor, path = tempfile.mkstemp(dir=SHARED if os.path.isdir(SHARED) else None)  # noqa: PTH112
    os.unlink(path)  # noqa: PTH108
    return descriptor


def last_words(running: Running, status: int) -> str | None:
    """What an ended import said; how it ended, where it said nothing."""
    said = running.said(4096)
    if said.endswith(b"\0"):
        return said[:-1].rpartition(b"\0")[2].decode("utf-8", "replace") or None
    if os.WIFSIGNALED(status):
        return f"it was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"it ended the interpreter with code {os.WEXITSTATUS(status)}"


def output(running: Running, status: int) -> list[Any]:
    """The exit code of an ended program, 128 + N after signal N, and the end of what it printed."""
    code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return [code, running.said(TAIL).decode("utf-8", "replace")]


def try_all(wanted: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each attempt's result; as many at once as there are processors."""
    programs = wanted["programs"]
    waiting = [*((False, name) for name in wanted["imports"]), *((True, name) for name in programs)][::-1]
    results: dict[str, dict[str, Any]] = {"imports": {}, "programs": {}}
    running: list[tuple[bool, Running]] = []
    number = 0
    while waiting or running:
        while waiting and len(running) < min(AT_ONCE, max(2, os.cpu_count() or 2)):
            is_program, name = waiting.pop()
            number += 1
            told = programs[name]["told"] if is_program else f"import {number} of {len(wanted['imports'])}: {name}"
            if told:
                print(f"{NONCE} {told}", flush=True)
            try:
                started = Running(name, programs[name] if is_program else None, number, wanted["users"])
            except OSError as error:  # those before it left processes behind, and no more may be started
                why = f"no process could be started for it: {error.strerror}"
                results["programs" if is_program else "imports"][name] = [NO_SUCH_PROGRAM, why] if is_program else why
                continue
            running.append((is_program, started))
        for each in list(running):
            is_program, child = each
            status = child.ended()
            if status is None and not child.late(wanted["seconds"]):
                continue
            child.clear()
            running.remove(each)
            if status is None:
                os.waitpid(child.pid, 0)
                why = "it did not end within {:g} s".format(wanted["seconds"])
                os.close(child.words)
                result: Any = [124, why] if is_program else why
            else:
                result = output(child, status) if is_program else last_words(child, status)
            results["programs" if is_program else "imports"][child.name] = result
        time.sleep(0.002)
    return results


def main() -> None:
    """Try what is wanted, and print."""
    answer = try_all(json.loads(WANTED))
    sys.stdout.write(f"\n{NONCE}{json.dumps(answer)}\n")


if __name__ == "__main__":
    main()
