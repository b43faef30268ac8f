"""Copies a file or folder between the lab and the driver through the tunnel's connection: copy.py to|from SOURCE TARGET.

As a stream of tar, which every driver has: what its login shell prints before is cut off, where rsync and sftp would
stumble over it. TARGET becomes the copy of SOURCE; what else is in a folder of that name stays.
"""

import os
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

SSH = ["ssh", "-F", "none", "-S", "/run/dbmirror/tunnel/control", "-o", "BatchMode=yes", "-o", "ProxyCommand=false"]
MISSING = 44
"""The exit code by which the driver says that there is no such file."""


def to_driver(source, target):
    """Copy the lab's `source` to the driver's `target`."""
    path = Path(source)
    if not path.exists():
        return f"There is no {source}."
    there = shlex.quote(target)
    if path.is_dir():
        sending = ["tar", "-C", source, "-cf", "-", "."]
        receiving = f"mkdir -p -- {there} && tar -C {there} --no-same-owner -xf -"
    else:
        sending = ["cat", "--", source]
        receiving = f"cat > {there}"
    sender = subprocess.Popen(sending, stdout=subprocess.PIPE)
    receiver = subprocess.run([*SSH, "driver", receiving], stdin=sender.stdout, stdout=subprocess.DEVNULL, check=False)
    return "" if sender.wait() == receiver.returncode == 0 else f"The driver could not write {target}."


def from_driver(source, target):
    """Copy the driver's `source` to the lab's `target`."""
    there, mark = shlex.quote(source), secrets.token_hex(16)
    sending = (
        f"if [ -d {there} ]; then printf %s {mark}d; exec tar -C {there} -cf - .; "
        f"elif [ -f {there} ]; then printf %s {mark}f; exec cat -- {there}; else exit {MISSING}; fi"
    )
    sender = subprocess.Popen([*SSH, "driver", sending], stdout=subprocess.PIPE, bufsize=0)
    kind = after(sender.stdout, mark.encode())
    path = Path(target)
    receiver = 0
    if kind == b"d":
        path.mkdir(parents=True, exist_ok=True)
        receiving = ["tar", "-C", target, "--no-same-owner", "-xf", "-"]
        receiver = subprocess.run(receiving, stdin=sender.stdout, check=False).returncode
    elif kind == b"f":
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        with part.open("wb") as stream:
            receiver = subprocess.run(["cat"], stdin=sender.stdout, stdout=stream, check=False).returncode
        if sender.wait() == receiver == 0:
            part.replace(path)
        else:
            part.unlink()
    code = sender.wait()
    if code == MISSING:
        return f"The driver has no {source}."
    return "" if code == receiver == 0 else f"{source} could not be read on the driver."


def after(stream, mark):
    """The one byte behind `mark`, read no further; nothing where the stream ends before."""
    seen = b""
    while not seen.endswith(mark):
        byte = os.read(stream.fileno(), 1)
        if not byte:
            return b""
        seen = (seen + byte)[-len(mark) :]
    return os.read(stream.fileno(), 1)


if __name__ == "__main__":
    os.chdir("/home/lab/notebooks")
    way, source, target = sys.argv[1:]
    sys.exit((to_driver if way == "to" else from_driver)(source, target) or 0)
