"""Runs git on one bare repository whose server is a stranger: no hook, prompt or redirect, in bounded time and size."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Final

from dbmirror.foreign_text.characters import last_line
from dbmirror.foreign_text.redaction import without_credentials
from dbmirror.http_client.refused import Cause, Refused
from dbmirror.processes.child import ProcessFailed, spawn, stop

PROTOCOLS: Final = ("http", "https", "ssh")
LARGEST: Final = 1 << 30
"""Bytes that git may write. The commit alone is asked for first; a whole history of so much is no package's."""
MEMORY: Final = 3 << 30
"""Bytes of address space: what a server claims of its pack is reserved at once, be it four thousand million objects."""
_LONGEST_WORDS: Final = 200
"""Characters of what git says that a message repeats."""
_LOOK: Final = 0.1
"""Seconds between two looks at what git has written."""
# With the limits that the kernel holds, in units that POSIX states: half kilobytes, and kilobytes where there is -v.
_LIMITED: Final = 'ulimit -f "$1"; ulimit -v "$2" 2>/dev/null; shift 2; exec "$@"'
_SETTINGS: Final = (
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    "core.packedGitLimit=256m",
    "core.packedGitWindowSize=32m",
    "gc.auto=0",
    "fetch.uriProtocols=",
    "http.followRedirects=false",  # also of a repository's http-alternates
    "http.lowSpeedLimit=1024",
    "http.lowSpeedTime=30",
    "submodule.recurse=false",
    "transfer.bundleURI=false",
)


class OverLimit(Refused):
    """Git took too long or wrote too much: there is no use in asking for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """Runs git on one bare repository."""

    folder: Path
    """Where all that it writes lies: the repository, and what it prints."""
    home: Path | None
    """An empty folder in place of the user's, and so of all configuration and credentials; None for the user's own."""
    addresses: tuple[str, ...]
    """The addresses that were looked at for the repository's host; none where a proxy looks them up."""
    ca_bundle: Path | None
    end: float
    """On the monotonic clock."""
    seconds: float
    """What there was in all, for the message."""
    limit: int = LARGEST

    def run(self, *arguments: str, host: tuple[str, int] | None = None, limit: int | None = None) -> Path:
        """Run git; the file that holds its output, until the next run.

        With a `host` it is reached at `addresses` alone; `limit` bounds the bytes of the output by itself. Raises
        Refused where git fails, OverLimit.
        """
        settings = [*_SETTINGS]
        if host is not None and self.addresses:
            places = ",".join(f"[{address}]" if ":" in address else address for address in self.addresses)
            settings.append(f"http.curloptResolve={host[0]}:{host[1]}:{places}")
        words = [word for each in settings for word in ("-c", each)]
        repository = self.folder / "repository.git"
        limits = [str(2 * self.limit // 512), str(MEMORY // 1024)]
        command = ["sh", "-c", _LIMITED, "sh", *limits, "git", *words, "--git-dir", str(repository), *arguments]
        output, complaint = self.folder / "output", self.folder / "complaint"
        with output.open("wb") as stdout, complaint.open("wb") as stderr:
            try:
                process = spawn(command, stdout=stdout, stderr=stderr, environment=self._environment())
            except ProcessFailed as error:
                raise Refused("git cannot be started on this machine") from error
            code = self._wait(process, limit)
        if code == 127:
            raise Refused("git is not installed on this machine")
        if code:
            self._check_size(limit)
            with complaint.open("rb") as stream:
                stream.seek(max(0, complaint.stat().st_size - 4096))
                raise Refused(f"git failed ({last_words(stream.read())})")
        return output

    def _wait(self, process: Popen[bytes], limit: int | None) -> int:
        try:
            while True:
                with suppress(TimeoutExpired):
                    return process.wait(timeout=_LOOK)
                if time.monotonic() > self.end:
                    text = f"its repository gave no answer within {self.seconds:g} s"
                    raise OverLimit(text, cause=Cause.TIMEOUT)
                self._check_size(limit)
        finally:
            # git talks to the network in a child of its own, which a signal to git alone would leave behind.
            stop(process, interrupt_seconds=0.0, terminate_seconds=0.0)

    def _check_size(self, limit: int | None) -> None:
        output = (self.folder / "output").stat().st_size
        if _size(self.folder) > self.limit or (limit is not None and output > limit):
            raise OverLimit("its repository is too large", cause=Cause.TOO_LARGE)

    def _environment(self) -> Mapping[str, str]:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS),
            "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
            "LC_ALL": "C",
        }
        if self.home is not None:
            environment |= {
                "HOME": str(self.home),
                "XDG_CONFIG_HOME": str(self.home),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_ALLOW_PROTOCOL": "http:https",
            }
        if self.ca_bundle is not None:
            environment["GIT_SSL_CAINFO"] = str(self.ca_bundle)
        return environment


def last_words(complaint: bytes) -> str:
    """The last line that git said, without credentials and control characters."""
    return without_credentials(last_line(complaint.decode(errors="replace"), _LONGEST_WORDS)) or "without a word"


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(place) / name).lstat().st_size
    return total
