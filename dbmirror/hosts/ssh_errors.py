"""The ways in which a connection over SSH fails, each with what to do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from dbmirror.hosts.host_key import Fingerprint
from dbmirror.hosts.interface import HostError

_TUNNEL = (
    "Most workspaces close port 2200: set up the official tunnel with 'databricks ssh setup' and name its host "
    "in the mirror's section ([mirrors.MIRROR.ssh] host = …)."
)


class SshError(HostError):
    """Base of everything that goes wrong over SSH."""

    passing: ClassVar[bool] = False
    """Whether a second connection may well stand, without anybody doing anything."""


class SshConfigInvalid(SshError):
    """The user's ssh config cannot be read as such."""


class NameNotResolved(SshError):
    """The host's name has no address."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(
            f"The name {host!r} cannot be resolved: {reason}.",
            remedy="Check the spelling, the VPN, and whether ssh_config has a Host block of that name.",
        )


class ConnectionRefused(SshError):
    """Something answered at the address, and said no."""

    maybe_gone = True

    def __init__(self, address: str) -> None:
        super().__init__(f"Nothing accepts SSH connections at {address}: connection refused.", remedy=_TUNNEL)


class Unreachable(SshError):
    """There is no route to the address, or the jump host cannot reach it."""

    maybe_gone = True

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address} cannot be reached: {reason}.", remedy=f"Check the network and the VPN. {_TUNNEL}")


class DeadlinePassed(SshError):
    """The connection was not ready in time."""

    maybe_gone = True

    def __init__(self, address: str, seconds: float, step: str) -> None:
        super().__init__(
            f"{address} gave no answer within {seconds:g} s ({step}).",
            remedy=f"Check that the cluster runs, the network and the VPN. {_TUNNEL}",
        )


class NotAnSshServer(SshError):
    """The other side does not speak SSH, or no version and algorithm that this side accepts."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"No SSH session could be agreed on with {address}: {reason}.",
            remedy="Check the port; an SSH server answers there with 'SSH-2.0-…'.",
        )


class ClosedAtGreeting(NotAnSshServer):
    """The server closed the connection before its greeting: so does an sshd that has too many of them."""

    maybe_gone = passing = True

    def __init__(self, address: str) -> None:
        super().__init__(address, "it closed the connection or sent no SSH greeting")


class KeyRefused(SshError):
    """The server accepts none of the keys that were offered."""

    def __init__(self, address: str, user: str, tried: Sequence[str], *, reason: str = "") -> None:
        keys = "; ".join(tried) if tried else "no key was found to offer"
        super().__init__(
            f"{address} refused the login as {user!r}{f' ({reason})' if reason else ''}. Keys tried: {keys}.",
            remedy="Install the profile's key on the cluster with 'dbmirror ssh setup MIRROR', "
            "or name the right one in the mirror's section ([mirrors.MIRROR.ssh] identity_file = …).",
        )
        self.tried = tuple(tried)


class KeyMissing(SshError):
    """A key file that was named is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no private key at {path}.",
            remedy="Make one with 'dbmirror ssh setup MIRROR', or correct the path.",
        )


class KeyProtected(SshError):
    """A key file has a passphrase, and no agent holds the key."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The private key {path} is protected by a passphrase, and no running agent holds it.",
            remedy=f"Add it to the agent with 'ssh-add {path}'.",
        )


class KeyTooOpen(SshError):
    """Others can read a key file; OpenSSH refuses such a key as well."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The private key {path} can be read by others, so it is not used.",
            remedy=f"Close it with 'chmod 600 {path}'.",
        )


class KeyUnreadable(SshError):
    """A key file cannot be read, or holds no private key of a known kind."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"The private key {path} cannot be used: {reason}.",
            remedy="Name another key, or make a new one with 'dbmirror ssh setup MIRROR'.",
        )


class HostKeyUnknown(SshError):
    """The server's key is not pinned, and nobody said that it is the right one."""

    def __init__(self, presented: Fingerprint, *, remedy: str) -> None:
        super().__init__(f"The host key of {presented.name} is not known yet: {presented}.", remedy=remedy)
        self.presented = presented


class HostKeyChanged(SshError):
    """The server's key is another one than the pinned one; nothing was sent to it."""

    def __init__(
        self,
        pinned: Sequence[Fingerprint],
        presented: Fingerprint,
        *,
        started: str | None = None,
        command: str = "dbmirror ssh repin MIRROR",
    ) -> None:
        known = ", ".join(str(fingerprint) for fingerprint in pinned)
        since = f" The cluster started last at {started}." if started else ""
        super().__init__(
            f"The host key of {presented.name} has changed: pinned is {known}, and {presented.address} presented "
            f"{presented}.{since}",
            remedy="A recreated driver has a new key; so has somebody in between. If you know why it changed, "
            f"accept the new one with '{command}'.",
        )
        self.pinned = tuple(pinned)
        self.presented = presented

    def with_facts(self, *, started: str | None, command: str) -> HostKeyChanged:
        """The same error with the cluster's last start time and the exact command that pins the new key."""
        return HostKeyChanged(self.pinned, self.presented, started=started, command=command)


class HostKeyForeign(SshError):
    """The workspace says which keys the driver has, and the server at its address has another one."""

    def __init__(self, vouched: Sequence[Fingerprint], presented: Fingerprint) -> None:
        known = ", ".join(str(fingerprint) for fingerprint in vouched) or "none"
        super().__init__(
            f"{presented.address} is not the driver: it presented {presented}, and the keys of the driver of "
            f"{presented.name} are {known}, says the workspace. Nothing was sent to it.",
            remedy="Somebody may be in between. Read the cluster through the workspace instead: dbmirror snapshot "
            "MIRROR --via api",
        )
        self.presented = presented


class ProxyCommandFailed(SshError):
    """The user's ProxyCommand ended before the connection stood."""

    maybe_gone = True

    def __init__(self, command: str, code: int | None, stderr: str) -> None:
        ended = f"ended with code {code}" if code is not None else "closed its output"
        said = f" and said: {stderr}" if stderr else " and said nothing"
        super().__init__(
            f"The ProxyCommand '{command}' {ended}{said}.",
            remedy="Run it by hand; it should wait and pass on bytes.",
        )


class ConnectionLost(SshError):
    """The connection broke off."""

    maybe_gone = passing = True

    def __init__(self, name: str, step: str) -> None:
        super().__init__(
            f"The connection to {name} was lost ({step}).",
            remedy="Check that the cluster still runs, then try again: nothing was changed on it.",
        )


class LoginCut(ConnectionLost):
    """The connection broke off during the login, and the server said nothing of a refusal."""

    def __init__(self, address: str, user: str, tried: Sequence[str]) -> None:
        super().__init__(address, f"during the login as {user!r}, with {'; '.join(tried)}")
        self.remedy = (
            "Try again: nothing was changed on the cluster. If the login breaks off each time, the server may refuse "
            "the key: install it with 'dbmirror ssh setup MIRROR'."
        )


class HostSilent(SshError):
    """The host gives no sign of life, in the middle of a command."""

    maybe_gone = True

    def __init__(self, name: str, command: str, seconds: float) -> None:
        super().__init__(
            f"While '{command}' ran, {name} stopped answering: for {seconds:g} s nothing came, no keepalive either.",
            remedy="Its machine stopped, or the network to it is gone. Check that the cluster still runs, then try "
            "again: nothing was changed on it.",
        )


class NoCommandRan(SshError):
    """The login is let in, and its shell does not come to the command."""

    def __init__(self, name: str, *, code: int | None, said: str, seconds: float) -> None:
        words = f" and said: {said}" if said else " and said nothing"
        if re.search(r"not available|nologin", said):
            what = f"its account has no login shell (nologin): '{said}'"
        elif code is None:
            what = f"its login shell did not come to the command within {seconds:g} s{words if said else ''}"
        else:
            what = f"its login shell ended before the command, with code {code}{words}"
        super().__init__(
            f"The login on {name} is let in, and runs no command: {what}.",
            remedy="A start-up file there (~/.bashrc, ~/.profile, /etc/profile.d) that ends, replaces or holds up the "
            "shell is the usual cause; the shell has to be a POSIX one. Mend that, or log in as another user "
            "([mirrors.MIRROR.ssh] user = …).",
        )


class CommandTookTooLong(SshError):
    """A command did not end in time; it was told to stop."""

    def __init__(self, name: str, command: str, seconds: float) -> None:
        super().__init__(
            f"On {name}, '{command}' did not end within {seconds:g} s.", remedy="Try again when it is less busy."
        )


class FileNotFetched(SshError):
    """A file is not there, cannot be read, or is larger than allowed."""
