"""Try the top-level imports of distributions, each in a process of its own; runs inside the image under test.

Python 3.8's standard library only. Argument 1 is a nonce, argument 2 a JSON object: `distributions` (PEP 503 names),
`modules` (imports to try besides), `seconds` (deadline for one import). Prints a line with the nonce, a blank and words
for each import that begins; at the end the nonce and one JSON object on a line:
`distributions` maps each name to a list of [module, error or null, why it was not tried or null], `modules` maps each
module to its error or null. Children are forked from this small process, which spares an interpreter's start for each.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable

SKIPPED = (
    (re.compile(r"(^|\.)_"), "private module"),
    (re.compile(r"(^|\.)(tests?|testing|conftest|test_[a-z0-9_]*)$"), "tests"),
    (
        re.compile(r"(^|\.)(examples?|docs?|benchmarks?|scripts?|samples?|tools|bin|build|dist|setup)$"),
        "no module to use",
    ),
    (re.compile(r"(^|\.)(win32\w*|winreg\w*|pythoncom|pywin\w*|nt|msvcrt|darwin|cygwin)$"), "for another platform"),
)
LARGEST_FILE = 256 << 20
"""Bytes of the largest file that an import may write."""
AT_ONCE = 8
"""Imports at one time at most: each may take a gigabyte."""
MODULE_FILE = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)(\.py|(\.(cpython|abi3|pypy)[^/]*)?\.so)$")
IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


def modules_of(distribution: importlib.metadata.Distribution) -> list[str]:
    """The importable names nearest to the top: of a namespace package (no __init__) the names below it."""
    files = distribution.files
    if files is None:
        text = distribution.read_text("top_level.txt") or ""
        return sorted({line.strip() for line in text.splitlines() if line.strip()})
    packages: set[tuple[str, ...]] = set()
    others: set[tuple[str, ...]] = set()
    for file in files:
        parts = tuple(file.parts)
        match = MODULE_FILE.match(parts[-1])
        if match is None or not all(IDENTIFIER.match(part) for part in parts[:-1]):
            continue
        if match.group(1) == "__init__":
            packages.add(parts[:-1])
        else:
            others.add((*parts[:-1], match.group(1)))
    found = {parts for parts in packages | others if parts and not has_ancestor(parts, packages)}
    return sorted(".".join(parts) for parts in found)


def has_ancestor(parts: tuple[str, ...], packages: set[tuple[str, ...]]) -> bool:
    """Whether a package above `parts` is one of `packages`: importing that one is enough."""
    return any(parts[:end] in packages for end in range(1, len(parts)))


def reason_to_skip(module: str) -> str | None:
    """Why `module` is not tried, if it is not."""
    for pattern, reason in SKIPPED:
        if pattern.search(module):
            return reason
    return None


def attempt(module: str) -> str:
    """The last line of the traceback of importing `module`; empty where it imports."""
    try:
        __import__(module)
    except BaseException as error:  # a module may raise SystemExit, or worse
        lines = str(error).strip().splitlines()
        return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return ""


def start(module: str) -> tuple[int, int]:
    """A child that imports `module`, and the pipe on which it leaves its last words and a zero byte."""
    reader, writer = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if pid == 0:
        code = 1
        try:
            os.setsid()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
            quiet = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(quiet, descriptor)
            os.close(reader)
            os.chdir("/")
            os.write(writer, attempt(module).encode("utf-8", "replace")[:2000] + b"\0")
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    return pid, reader


def last_words(reader: int, status: int) -> str | None:
    """What the ended child said; how it ended, where it said nothing. Whoever it left behind is not waited for."""
    os.set_blocking(reader, False)
    try:
        said = os.read(reader, 4096)
    except BlockingIOError:
        said = b""
    os.close(reader)
    if said.endswith(b"\0"):
        return said[:-1].decode("utf-8", "replace") or None
    if os.WIFSIGNALED(status):
        return f"it was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"it ended the interpreter with code {os.WEXITSTATUS(status)}"


def try_all(modules: Iterable[str], seconds: float, tell: Callable[[str], object]) -> dict[str, str | None]:
    """Each module's error, None where it imports; as many at once as there are processors. `tell` hears what begins."""
    waiting = list(modules)[::-1]
    number = len(waiting)
    running: dict[int, tuple[str, int, float]] = {}
    results: dict[str, str | None] = {}
    while waiting or running:
        while waiting and len(running) < min(AT_ONCE, max(2, os.cpu_count() or 2)):
            module = waiting.pop()
            tell(f"import {number - len(waiting)} of {number}: {module}")
            try:
                pid, reader = start(module)
            except OSError as error:  # those before it left processes behind, and no more may be started
                results[module] = f"no process could be started for it: {error.strerror}"
                continue
            running[pid] = (module, reader, time.monotonic() + seconds)
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid in running:
            module, reader, _ = running.pop(pid)
            kill(pid)
            results[module] = last_words(reader, status)
            continue
        for pid, (module, reader, deadline) in list(running.items()):
            if time.monotonic() > deadline:
                kill(pid)
                os.waitpid(pid, 0)
                os.close(reader)
                del running[pid]
                results[module] = f"it did not end within {seconds:g} s"
        time.sleep(0.002)
    return results


def kill(group: int) -> None:
    """End whatever a child left behind in its session."""
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)


def main() -> None:
    """Read the arguments, try, print."""
    wanted = json.loads(sys.argv[2])
    if not os.access(os.environ.get("HOME", "/"), os.W_OK):
        # Packages may want to write where their user's files are.
        os.environ["HOME"] = "/tmp"  # noqa: S108 - in the image under test
    names = set(wanted["distributions"])
    modules: dict[str, list[str]] = {}
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if name in names and name not in modules:
            modules[name] = modules_of(distribution)
    skipped = {module: reason_to_skip(module) for found in modules.values() for module in found}
    tried = [module for found in modules.values() for module in found if skipped[module] is None]
    results = try_all(
        dict.fromkeys(tried + wanted["modules"]),
        wanted["seconds"],
        lambda words: print(f"{sys.argv[1]} {words}", flush=True),
    )
    answer = {
        "distributions": {
            name: [[module, results.get(module), skipped[module]] for module in found]
            for name, found in modules.items()
        },
        "modules": {module: results[module] for module in wanted["modules"]},
    }
    sys.stdout.write(f"\n{sys.argv[1]}{json.dumps(answer)}\n")


if __name__ == "__main__":
    main()
