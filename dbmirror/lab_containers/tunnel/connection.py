"""One OpenSSH master connection as a child process: start it, ask after it, end it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable

from . import bridge
from .bridge_client import MISSING
from .client_config import CONNECT_SECONDS, DRIVER, write_client_config
from .settings import Jump, Settings
from .transitions import Trouble

LOGIN_SECONDS = CONNECT_SECONDS + 15.0
"""How long an attempt may take in all, without jump hosts; each of those gets CONNECT_SECONDS more."""
PROBE_SECONDS = 8.0
_CLOSED = "kex_exchange_identification:"
"""What ssh prints when the server closes the connection before its banner, also behind a failed jump host."""


class NotConnected(Exception):
    """An attempt failed: `trouble` says how, the message is ssh's own last word."""

    def __init__(self, trouble: Trouble, said: str = "", jump: Jump | None = None) -> None:
        super().__init__(said)
        self.trouble = trouble
        self.said = said
        self.jump = jump
        """The jump host that it failed at; None for the driver."""


class Connection:
    """A master connection that is up."""

    def __init__(self, child: subprocess.Popen[bytes], said: deque[str], settings: Settings) -> None:
        self._child = child
        self._said = said
        self._settings = settings

    def ended(self) -> bool:
        """Whether the child is gone."""
        return self._child.poll() is not None

    def last_words(self) -> str:
        """What ssh said last."""
        return self._said[-1] if self._said else ""

    def answers(self) -> bool:
        """Whether the master takes orders, and the driver answers through a forward within PROBE_SECONDS."""
        return _checked(self._settings) and _probed(self._settings)

    def close(self) -> None:
        """End the child and everything that runs through it."""
        _end(self._child)


def connect(settings: Settings, host: str, waiting: Callable[[], None] = lambda: None) -> Connection:
    """A connection to the driver at `host`, with every configured forward. Raises NotConnected.

    `waiting` is called again and again until then; what it raises ends the attempt.
    """
    if not (settings.key.is_file() and settings.key.stat().st_size):
        raise NotConnected(Trouble.REFUSED, "no SSH key was handed to the tunnel")
    # Those of kernels (`k-*`) belonged to a master that is gone, too: a kernel forwards a fresh one each time.
    for path in (settings.control, settings.probe, *settings.control.parent.glob("k-*")):
        path.unlink(missing_ok=True)
    write_client_config(settings, host)
    before = bridge.said(settings)
    child = subprocess.Popen(
        command(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
    )
    said: deque[str] = deque(maxlen=60)
    reader = threading.Thread(target=_read, args=(child, said), daemon=True)
    reader.start()
    try:
        _await_login(child, settings, waiting)
    except BaseException as error:
        _end(child)
        reader.join(1.0)
        if isinstance(error, _Ended):
            raise _failure(settings, list(said), before) from None
        raise
    return Connection(child, said, settings)


def command(settings: Settings) -> list[str]:
    """The master's command line; where to connect to and how stands in the client's config. It holds no secret."""
    forwards = [f"0.0.0.0:{port}:localhost:{port}" for port in settings.forwards]
    behind = settings.forwards[0] if settings.forwards else settings.port
    forwards.append(f"{settings.probe}:localhost:{behind}")
    return [
        *("ssh", "-F", str(settings.client_config), "-M", "-N", "-S", str(settings.control)),
        *(word for forward in forwards for word in ("-L", forward)),
        *("--", DRIVER),
    ]


def _failure(settings: Settings, lines: list[str], before: tuple[float, str]) -> NotConnected:
    """What ssh's `lines` mean, and the ProxyCommand's words where they are others than `before`."""
    missing = next((line for line in lines if line.startswith(MISSING)), None)
    if missing is not None:
        return NotConnected(Trouble.BRIDGE_MISSING, missing[len(MISSING) :])
    trouble, said, jump = explain(lines, settings.jumps)
    if trouble is Trouble.UNREACHABLE and settings.bridge_seconds is not None:
        now = bridge.said(settings)
        words = now[1] if now != before else ""
        said = f"the ProxyCommand says: {words}" if words else said
    return NotConnected(trouble, said, jump)


def explain(lines: list[str], jumps: tuple[Jump, ...] = ()) -> tuple[Trouble, str, Jump | None]:
    """What the lines that ssh wrote before it ended mean, the one to show, and the jump host that they are about.

    Each hop has an ssh process of its own. The one that fails prints why. Then each one behind it prints that its
    connection was closed.
    """
    first = next((place for place, line in enumerate(lines) if not line.startswith(_CLOSED)), len(lines))
    reasons = [line for line in lines[first:] if not line.startswith(_CLOSED)] or lines[:1]
    closed = sum(line.startswith(_CLOSED) for line in lines)
    behind = closed if first < len(lines) else closed - 1
    # Where none printed anything, the last process ended: the driver's.
    place = max(len(jumps) - max(behind, 0), 0)
    failed = jumps[place] if place < len(jumps) else None
    trouble, said = _explain(reasons)
    if any(line.startswith("stdio forwarding failed") for line in reasons) and failed is not None:
        # It let the tunnel in, and could not connect to the next one.
        return Trouble.UNREACHABLE, f"the jump host {failed.address} cannot connect to it", _after(failed, jumps)
    return trouble, said, failed


def _after(jump: Jump, jumps: tuple[Jump, ...]) -> Jump | None:
    place = jumps.index(jump) + 1
    return jumps[place] if place < len(jumps) else None


def _explain(lines: list[str]) -> tuple[Trouble, str]:
    text = "\n".join(lines)
    last = lines[-1] if lines else "ssh ended without a word"
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in text or "differs from the key" in text:
        return Trouble.HOST_KEY_CHANGED, ""
    if "host key is known for" in text:
        return Trouble.HOST_KEY_UNKNOWN, ""
    if "Host key verification failed" in text:
        return Trouble.HOST_KEY_CHANGED, ""
    for words in ("Permission denied", "Too many authentication failures", "Load key", "incorrect passphrase"):
        if words in text:
            return Trouble.REFUSED, next(line for line in reversed(lines) if words in line)
    return Trouble.UNREACHABLE, last


class _Ended(Exception):
    """The child ended before it was logged in."""


def _await_login(child: subprocess.Popen[bytes], settings: Settings, waiting: Callable[[], None]) -> None:
    """Return when the master takes orders, which it does once it is logged in and its forwards stand."""
    seconds = LOGIN_SECONDS + CONNECT_SECONDS * len(settings.jumps) + (settings.bridge_seconds or 0)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise _Ended
        if settings.control.exists() and _checked(settings):
            return
        waiting()
        time.sleep(0.05)
    raise NotConnected(Trouble.UNREACHABLE, f"no login within {seconds:.0f} s")


def _checked(settings: Settings) -> bool:
    try:
        return (
            subprocess.run(
                ["ssh", "-F", "none", "-O", "check", "-S", str(settings.control), "driver"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=PROBE_SECONDS,
                check=False,
            ).returncode
            == 0
        )
    except subprocess.TimeoutExpired:
        return False


def _probed(settings: Settings) -> bool:
    """Whether the driver says anything through the probe's forward.

    A port that nothing listens on counts as well: it is the driver that refuses it, and the socket is closed at once.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(str(settings.probe))
            probe.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            probe.recv(1)
        except (ConnectionResetError, BrokenPipeError):
            return True
        except OSError:
            return False
    return True


def _read(child: subprocess.Popen[bytes], said: deque[str]) -> None:
    if child.stderr is None:
        return
    with child.stderr as stream:
        while line := stream.readline(4096):
            text = "".join(letter for letter in line.decode(errors="replace") if letter.isprintable()).strip()
            if text:
                said.append(text[:300])


def _end(child: subprocess.Popen[bytes]) -> None:
    for number, seconds in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
        if child.poll() is None:
            child.send_signal(number)
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
