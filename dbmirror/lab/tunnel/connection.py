"""One OpenSSH master connection as a child process: start it, ask after it, end it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections import deque

from .machine import Trouble
from .settings import Settings

CONNECT_SECONDS = 5
"""How long one attempt waits for the driver's TCP answer; ssh's own limit covers the greeting, too."""
LOGIN_SECONDS = 20.0
"""How long an attempt may take in all."""
PROBE_SECONDS = 8.0


class NotConnected(Exception):
    """An attempt failed: `trouble` says how, the message is ssh's own last word."""

    def __init__(self, trouble: Trouble, said: str = "") -> None:
        super().__init__(said)
        self.trouble = trouble
        self.said = said


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


def connect(settings: Settings, host: str) -> Connection:
    """A connection to the driver at `host`, with every configured forward. Raises NotConnected."""
    if not (settings.key.is_file() and settings.key.stat().st_size):
        raise NotConnected(Trouble.REFUSED, "no SSH key was handed to the tunnel")
    # Those of kernels (`k-*`) belonged to a master that is gone, too: a kernel forwards a fresh one each time.
    for path in (settings.control, settings.probe, *settings.control.parent.glob("k-*")):
        path.unlink(missing_ok=True)
    child = subprocess.Popen(
        command(settings, host),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
    )
    said: deque[str] = deque(maxlen=20)
    reader = threading.Thread(target=_read, args=(child, said), daemon=True)
    reader.start()
    try:
        _await_login(child, settings)
    except BaseException as error:
        _end(child)
        reader.join(1.0)
        if isinstance(error, _Ended):
            raise NotConnected(*explain(list(said))) from None
        raise
    return Connection(child, said, settings)


def command(settings: Settings, host: str) -> list[str]:
    """The master's command line. It names the key's file, and holds no secret."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(CONNECT_SECONDS),
        "ControlPersist": "no",
        "ExitOnForwardFailure": "yes",
        "ForwardAgent": "no",
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": settings.cluster,
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "IdentityFile": str(settings.key),
        "LogLevel": "ERROR",
        "PreferredAuthentications": "publickey",
        # A dead line is noticed after 15 s; the probe asks whether the driver behind a live one still answers.
        "ServerAliveCountMax": "3",
        "ServerAliveInterval": "5",
        "StreamLocalBindMask": "0177",
        "StreamLocalBindUnlink": "yes",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "UserKnownHostsFile": str(settings.known_hosts),
    }
    forwards = [f"0.0.0.0:{port}:localhost:{port}" for port in settings.forwards]
    behind = settings.forwards[0] if settings.forwards else settings.port
    forwards.append(f"{settings.probe}:localhost:{behind}")
    return [
        *("ssh", "-F", "none", "-M", "-N", "-S", str(settings.control), "-l", settings.user, "-p", str(settings.port)),
        *(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
        *(word for forward in forwards for word in ("-L", forward)),
        *("--", host),
    ]


def explain(lines: list[str]) -> tuple[Trouble, str]:
    """What the lines that ssh wrote before it ended mean, and the one to show."""
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


def _await_login(child: subprocess.Popen[bytes], settings: Settings) -> None:
    """Return when the master takes orders, which it does once it is logged in and its forwards stand."""
    deadline = time.monotonic() + LOGIN_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise _Ended
        if settings.control.exists() and _checked(settings):
            return
        time.sleep(0.05)
    raise NotConnected(Trouble.UNREACHABLE, f"no login within {LOGIN_SECONDS:.0f} s")


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
