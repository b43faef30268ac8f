"""What ProxyCommands said, kept for the tunnel's state, for `lab status` and for `lab logs`; all of it bounded."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

from dbmirror.files import canonical_json, write_atomically
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.lab.bridge.files import BridgeFiles, Words

LONGEST_LINE: Final = 300
"""Characters of a line that are kept."""
KEPT_LINES: Final = 200
"""Lines of the log."""
LAST_LINES: Final = 3
"""Lines that a state shows: the reason is often followed by a notice that a newer version is there."""


class Journal:
    """Lines from several connections at a time; `flush` writes what is new of them."""

    def __init__(self, files: BridgeFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._at = 0.0
        self._changed = False

    def note(self, text: str) -> None:
        """Something that the bridge did."""
        with self._lock:
            self._write(foreign_line(text, LONGEST_LINE))

    def begin(self, text: str) -> None:
        """A new connection: what was said before is no answer to it."""
        with self._lock:
            self._last.clear()
            self._at = time.time()
            self._write(foreign_line(text, LONGEST_LINE))

    def said(self, text: str) -> None:
        """A line of a ProxyCommand's stderr, or why none could be run."""
        line = foreign_line(text, LONGEST_LINE).strip()
        if line:
            with self._lock:
                self._last.append(line)
                self._write(f"  {line}")

    def ended(self, code: int) -> None:
        """A ProxyCommand ended by itself; its code is what it said where it said nothing."""
        with self._lock:
            text = f"it ended with code {code}"
            if not self._last:
                self._last.append(text)
            self._write(f"  {text}")

    def flush(self) -> None:
        """Write what is new; call it now and then, and before a connection is closed."""
        with self._lock:
            if not self._changed:
                return
            self._changed = False
            words, log = Words(at=self._at, lines=tuple(self._last)), "".join(f"{line}\n" for line in self._lines)
            write_atomically(self._files.said, canonical_json(words))
            write_atomically(self._files.log, log.encode(), mode=0o600)

    def _write(self, line: str) -> None:
        self._lines.append(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}")
        self._changed = True
