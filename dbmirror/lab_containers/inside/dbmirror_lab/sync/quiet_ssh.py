"""ssh over the tunnel's connection, rid of what the driver's login shell prints before a command's own output.

As a program it is what rsync calls in place of ssh: quiet_ssh CONTROL_SOCKET HOST COMMAND...
"""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

MOST_NOISE = 1 << 20
"""How many bytes of what a login shell prints are kept while the command has not started."""
_BLOCK = 1 << 18
_START = 'printf %s "$1"; printf %s "$1" >&2; shift; exec "$@"'
"""Says the mark on both streams and becomes the command; both are read from the mark on."""


def ssh(control: Path) -> list[str]:
    """The command line that uses the connection, or fails at once where there is none."""
    fixed = ("BatchMode=yes", "ControlMaster=no", "ProxyCommand=false", "LogLevel=ERROR")
    return ["ssh", "-F", "none", "-T", "-S", str(control), *(part for option in fixed for part in ("-o", option))]


def marked(command: str) -> tuple[str, bytes]:
    """The login shell's command line that says a mark and runs `command` (words for a shell); and the mark."""
    mark = secrets.token_hex(16)
    return f"exec sh -c {shlex.quote(_START)} sh {mark} {command}", mark.encode()


def run(control: Path, argv: Sequence[str], *, timeout: float = 30.0) -> subprocess.CompletedProcess[bytes]:
    """Run `argv` on the driver; its own output on both streams. Exit status 255 is ssh's own failure, or a time-out."""
    command, mark = marked(shlex.join(argv))
    try:
        done = subprocess.run(
            [*ssh(control), "driver", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 255, b"", f"no answer within {timeout:.0f} s".encode())
    _, _, done.stdout = done.stdout.partition(mark)
    before, found, after = done.stderr.partition(mark)
    done.stderr = after if found else before
    return done


def main(arguments: Sequence[str]) -> int:
    """Be ssh to the one who calls; the driver's noise is dropped."""
    control, host, *words = arguments
    # As ssh does it: the words are joined, and are for the shell to read.
    command, mark = marked(" ".join(words))
    child = subprocess.Popen([*ssh(Path(control)), host, command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if child.stdout is None or child.stderr is None:
        return 255
    errors = threading.Thread(target=_hand_on, args=(child.stderr.fileno(), 2, mark), kwargs={"all_else": True})
    # rsync hands them over so that a write may be refused for now.
    os.set_blocking(1, True)
    os.set_blocking(2, True)
    errors.start()
    try:
        _hand_on(child.stdout.fileno(), 1, mark)
    except BrokenPipeError:
        # Whoever called is gone.
        child.terminate()
    os.close(1)
    code = child.wait()
    errors.join(2.0)
    return code if code >= 0 else 255


def _hand_on(source: int, sink: int, mark: bytes, *, all_else: bool = False) -> None:
    """Copy what comes after `mark`; with `all_else` everything, if it never comes."""
    before, found = b"", False
    while True:
        block = os.read(source, _BLOCK)
        if not block:
            break
        if not found:
            before += block
            at = before.find(mark)
            if at < 0:
                before = before[-MOST_NOISE:]
                continue
            block, found = before[at + len(mark) :], True
        _write(sink, block)
    if all_else and not found:
        _write(sink, before)


def _write(sink: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(sink, rest) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
