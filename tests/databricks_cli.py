"""A stand-in for the Databricks CLI, whose `ssh connect --proxy` is the ProxyCommand of the user's ssh config."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

STAND_IN = '''#!{python}
"""Stands in for the Databricks CLI: `ssh connect --proxy` pipes to a driver's sshd, or fails as the real one."""
import os, pathlib, select, socket, sys, time
here = pathlib.Path(__file__).parent
mood, *words = (here / "mood").read_text().split()
with open(here / "calls", "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
def say(text):
    sys.stderr.write(text + "\\n")
    sys.stderr.flush()
if mood == "stopped":
    say("Error: cluster {cluster} is not running")
    say("A new version of the Databricks CLI is available: v0.300.0")
    sys.exit(1)
if mood == "expired":
    say("\\x1b[31mError: a new access token could not be retrieved because the refresh token is invalid.\\x1b[0m")
    say("Log in with: databricks auth login --host https://adb-1.example?token=dapi0123456789abcdef0123456789abcdef")
    sys.exit(1)
if mood == "hangs":
    say("Waiting for the SSH server to start...")
    time.sleep(600)
if mood == "chatters":
    while True:
        say("x" * 5000)
if mood == "slow":
    say("Starting the SSH server...")
    time.sleep(float(words[0]))
say("A new version of the Databricks CLI is available: v0.300.0")
driver = socket.create_connection((here / "driver").read_text().split())
while True:
    for ready in select.select([0, driver], [], [])[0]:
        piece = os.read(0, 65536) if ready == 0 else driver.recv(65536)
        if not piece:
            sys.exit(0)
        if ready == 0:
            driver.sendall(piece)
        else:
            while piece:
                piece = piece[os.write(1, piece):]
'''


@dataclass(frozen=True)
class Databricks:
    """The stand-in."""

    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "databricks"

    @classmethod
    def make(cls, folder: Path, *, cluster: str, driver: tuple[str, int]) -> Databricks:
        """It works, and pipes to `driver`."""
        made = cls(folder)
        folder.mkdir()
        made.program.write_text(STAND_IN.format(python=sys.executable, cluster=cluster))
        made.program.chmod(0o755)
        (folder / "driver").write_text(f"{driver[0]} {driver[1]}")
        made.feel("works")
        return made

    def feel(self, mood: str) -> None:
        """`works`, `slow SECONDS`, `stopped`, `expired`, `hangs`, `chatters`."""
        (self.folder / "mood").write_text(mood)

    @property
    def calls(self) -> list[str]:
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []
