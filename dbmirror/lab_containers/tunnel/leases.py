"""Kernels on the driver whose lab is gone: found by the leases that nobody holds, and told to end.

A lab that starts a kernel on the driver first makes a file `lease-NAME` beside the control socket and keeps a lock on
it. The lock goes with the lab's process, however that ends, and what the lab itself has cleared it removes: a lease
without a lock is a kernel that nobody will come back to, in the folder `dbmirror-kernel-NAME` of the driver.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import stat
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

LOOK_SECONDS = 1.0
"""How often the leases are looked at."""
ANSWER_SECONDS = 5.0
"""How long the driver has for an answer; the supervisor waits for it."""
LAUNCH_SECONDS = 60.0
"""How long after its lease was made a kernel may still appear on the driver, whatever became of its lab."""
STUBBORN_SECONDS = 20.0
"""A kernel's folder that is still there that long after the kernel was told to end has nobody to remove it."""
LONGEST_PAUSE = 60.0
"""How often a driver that gives no answer is asked at the least, and a folder that cannot be removed tried again."""
MOST = 500
"""How many leases one command is about."""

Ask = Callable[[Path, Sequence[str], Sequence[str]], "frozenset[str] | None"]

_LEASE = re.compile(r"lease-([0-9a-f]{16})")
# The keeper of a kernel ends it when its socket is called `end`: without a process id there is no wrong process.
_SCRIPT = (
    "while [ $# -gt 1 ]; do "
    'for folder in "${TMPDIR:-/tmp}/dbmirror-kernel-$2" "/tmp/dbmirror-kernel-$2"; do '
    'if [ -d "$folder" ]; then echo "there $2"; '
    'if [ "$1" = remove ]; then rm -rf -- "$folder"; '
    'else mv -f -- "$folder/link" "$folder/end" 2>/dev/null; fi; fi; done; shift 2; done; echo looked'
)
_THERE = re.compile(r"there ([0-9a-f]{16})$", re.MULTILINE)


def unheld(folder: Path) -> dict[str, float]:
    """The names in the leases of `folder` that no process holds, each with when it was made, in seconds since 1970.

    Only a regular file is a lease; a folder that cannot be read holds none.
    """
    try:
        matches = [match for path in sorted(folder.iterdir()) if (match := _LEASE.fullmatch(path.name))]
    except OSError:
        return {}
    found = {}
    for match in matches:
        try:
            descriptor = os.open(folder / match[0], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                continue
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found[match[1]] = about.st_mtime
        except OSError:
            continue
        finally:
            os.close(descriptor)
    return found


def ask(control: Path, end: Sequence[str], remove: Sequence[str]) -> frozenset[str] | None:
    """Tell the kernels `end` to end and remove the folders of the kernels `remove`, over the connection at `control`.

    The names of those that were there when the driver looked; None where it gave no answer.
    """
    words = [word for name in end for word in ("end", name)] + [word for name in remove for word in ("remove", name)]
    # Without a master ssh would connect on its own: the proxy command that fails keeps it from that.
    fixed = ("BatchMode=yes", "ControlMaster=no", "ProxyCommand=false", "LogLevel=ERROR")
    argv = ["ssh", "-F", "none", "-T", "-S", str(control), *(word for option in fixed for word in ("-o", option))]
    argv += ["driver", " ".join(shlex.quote(word) for word in ("sh", "-c", _SCRIPT, "dbmirror", *words))]
    try:
        completed = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError):
        return None
    said = completed.stdout.decode(errors="replace")
    if completed.returncode != 0 or not said.endswith("looked\n"):
        return None
    return frozenset(_THERE.findall(said))


class Orphans:
    """The kernels that nobody holds, and what was done about them."""

    def __init__(self, control: Path, *, ask: Ask = ask) -> None:
        """The leases lie beside the socket `control`."""
        self._control = control
        self._ask = ask
        self._told: dict[str, float] = {}
        """Those that were seen on the driver: when they were told to end, on the monotonic clock."""
        self._removed: set[str] = set()
        """Those whose folder the driver was told to remove: what it answers then is from before the removal."""
        self._forgotten: set[str] = set()
        """Those that are done with, and whose lease cannot be removed."""
        self._due = 0.0
        self._pause = LOOK_SECONDS
        self._stuck_due = 0.0
        self._stuck_pause = LOOK_SECONDS
        self.stuck: frozenset[str] = frozenset()
        """Those whose folder was still there after the driver had been told to remove it."""
        self.left = False
        """Whether the driver has answered and has not yet cleared everything that it can."""

    def look(self, *, now: float, at: float, at_once: bool = False) -> int:
        """Do what is due at `now`, on the monotonic clock, or `at_once`; how many kernels have been ended by that.

        `at` is the same moment in seconds since 1970. Call it while there is a connection.
        """
        if now < self._due and not at_once:
            return 0
        found = self._found()
        self._due, self.left = now + LOOK_SECONDS, False
        hopeful = at_once or now >= self._stuck_due
        names = [name for name in found if hopeful or name not in self.stuck][:MOST]
        if not names:
            return 0
        remove = [name for name in names if now - self._told.get(name, now) > STUBBORN_SECONDS]
        there = self._ask(self._control, [name for name in names if name not in remove], remove)
        if there is None:
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._due = now + self._pause
            return 0
        self._pause = LOOK_SECONDS
        there &= frozenset(names)
        ended = [name for name in names if name in self._told and name not in there]
        for name in names:
            if name in there:
                self._told.setdefault(name, now)
            elif name in self._told or not 0 <= at - found[name] < LAUNCH_SECONDS:
                self._forget(name)
            else:
                self.left = True
        self.stuck = (self.stuck - frozenset(names)) | (there & self._removed)
        self._removed.update(remove)
        if not self.stuck:
            self._stuck_pause = LOOK_SECONDS
        elif self.stuck.intersection(remove):
            self._stuck_pause = min(2 * self._stuck_pause, LONGEST_PAUSE)
            self._stuck_due = now + self._stuck_pause
        self.left = self.left or bool(there - self.stuck)
        return len(ended)

    def _found(self) -> dict[str, float]:
        """What `unheld` finds, without what is done with; of the rest nothing is kept in mind any more."""
        found = unheld(self._control.parent)
        self._told = {name: since for name, since in self._told.items() if name in found}
        self._removed &= found.keys()
        self._forgotten &= found.keys()
        self.stuck &= found.keys()
        return {name: made for name, made in found.items() if name not in self._forgotten}

    def _forget(self, name: str) -> None:
        try:
            (self._control.parent / f"lease-{name}").unlink(missing_ok=True)
        except OSError:
            self._forgotten.add(name)
