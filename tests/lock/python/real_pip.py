"""The real pip, imported once: each run is a fork of the process that has it, with an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

PROGRAM = """
import json, os, sys
import pip._internal.commands.install
from pip._internal.cli.main import main
from pip._internal.network.session import user_agent

user_agent()  # imports what each run would import anew to say who asks

for line in sys.stdin:
    run = json.loads(line)
    child = os.fork()
    if not child:
        log = os.open(run["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.clear()
        os.environ.update(run["environment"])
        os.chdir(run["folder"])
        code = 1
        try:
            code = main(run["arguments"])
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""
_lock = threading.Lock()
_started: list[subprocess.Popen[str]] = []


def run_pip(arguments: list[str], *, environment: dict[str, str], folder: Path) -> str:
    """Run pip in `folder` with this environment and no other; what it printed."""
    log = folder / ".pip.log"
    run = {"arguments": arguments, "environment": environment, "folder": str(folder), "log": str(log)}
    with _lock:
        if not _started:
            command = [sys.executable, "-c", PROGRAM]
            _started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        process = _started[0]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(run) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ended\n"
    return log.read_text(errors="replace")


def stop_pip() -> None:
    """End the process."""
    with _lock:
        while _started:
            process = _started.pop()
            process.communicate(timeout=30)
