"""An SSH session through all hops of a route: host keys checked, logged in, and closed again as a whole."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.hosts.host_key import Fingerprint, HostKey
from dbmirror.hosts.key_agent import open_agent
from dbmirror.hosts.known_hosts import KnownHosts, trusted_keys
from dbmirror.hosts.offered_keys import keys_to_offer
from dbmirror.hosts.ssh_config import Hop
from dbmirror.hosts.ssh_errors import (
    ClosedAtGreeting,
    ConnectionLost,
    DeadlinePassed,
    HostKeyChanged,
    HostKeyForeign,
    HostKeyUnknown,
    KeyRefused,
    LoginCut,
    NotAnSshServer,
    SshError,
    Unreachable,
)
from dbmirror.hosts.ssh_faults import SSH_FAULTS
from dbmirror.hosts.ssh_socket import Deadline, ProxyCommand, connect_tcp, proxy_command
from dbmirror.progress import Observer

_SECONDS_TO_STOP = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouching:
    """Who else than the user can say that a server's key is right: the workspace, of its driver."""

    keys: Callable[[], tuple[HostKey, ...] | None]
    """The driver's own keys; None where they cannot be read."""
    restarted: bool
    """The cluster was started anew since its key was pinned: then another key is what is expected."""
    all_keys: bool = True
    """The server can have no other keys. Not so where a host of the ssh config leads to a server of its own."""


class Session(paramiko.Transport):
    """A session that keeps what the server said where it ended it: paramiko tells that from a cut in its log only."""

    farewell: str | None = None
    """None where the server did not end it, in words of the protocol."""

    def _parse_disconnect(self, m: paramiko.Message) -> None:
        m.get_int()
        self.farewell = foreign_line(m.get_binary().decode(errors="replace"), 200).rstrip(".")


CheckHostKey = Callable[[Hop, HostKey], None]
"""Raises HostKeyUnknown or HostKeyChanged unless the key is that of the hop."""


def open_hop(
    hop: Hop,
    *,
    through: paramiko.Transport | None,
    expected: tuple[HostKey, ...],
    deadline: Deadline,
    resources: ExitStack,
) -> tuple[Session, HostKey]:
    """A session with `hop`, not logged in yet, and the key that the server proved to have.

    It runs over the session `through` (a jump host), over the hop's ProxyCommand, or over TCP. A key of a kind that is
    `expected` is asked for first. All that is opened is put on `resources`. Raises the SshError of what went wrong.
    """
    proxy: ProxyCommand | None = None
    if through is not None:
        under: socket.socket | paramiko.Channel = _forward(through, hop, deadline)
    elif hop.proxy_command:
        proxy = resources.enter_context(proxy_command(hop.proxy_command))
        under = proxy.socket
    else:
        under = connect_tcp(hop, deadline)
    resources.callback(under.close)
    try:
        transport = Session(under)
        resources.callback(_close, transport, under)
        transport.banner_timeout = transport.handshake_timeout = deadline.left()
        _prefer(transport, expected)
        transport.start_client(timeout=deadline.left())
        key = transport.get_remote_server_key()
    except SSH_FAULTS as error:
        if not deadline.left():
            said = f"; the ProxyCommand said: {proxy.said()}" if proxy and proxy.said() else ""
            raise DeadlinePassed(hop.address, deadline.seconds, f"no SSH greeting{said}") from error
        if proxy is not None:
            raise proxy.failure() from error
        raise _explain(hop, error) from error
    return transport, HostKey(kind=key.get_name(), blob=key.asbytes())


def log_in(transport: Session, hop: Hop, *, deadline: Deadline) -> None:
    """Log in on `hop` with one of its keys. Raises KeyRefused, the error of an unusable key file, or LoginCut."""
    tried: list[str] = []
    reason = ""
    with open_agent(hop.identity_agent) as held:
        for offer in keys_to_offer(hop, held):
            tried.append(offer.label)
            transport.auth_timeout = max(deadline.left(), 0.1)
            try:
                wanted = transport.auth_publickey(hop.user, offer.key)
            except paramiko.BadAuthenticationType as error:
                reason = f"it takes {foreign_line(' or '.join(error.allowed_types), 200)}, not a key"
                break
            except SSH_FAULTS as error:
                if not deadline.left():
                    raise DeadlinePassed(hop.address, deadline.seconds, "login") from error
                if isinstance(error, paramiko.AuthenticationException) and transport.is_active():
                    continue
                reason = _why_it_ended(transport, error)
                if not reason:
                    raise LoginCut(hop.address, hop.user, tried) from error
                break
            else:
                if not wanted:
                    return
                reason = f"beyond the key it asks for {foreign_line(' or '.join(wanted), 200)}"
                break
    raise KeyRefused(hop.address, hop.user, tried, reason=reason)


def _why_it_ended(transport: Session, error: Exception) -> str:
    """Why the server, or a fault of one side, ended the session at the login; empty where the connection was cut."""
    # Its thread may be about to read the server's words, or the end.
    transport.join(_SECONDS_TO_STOP)
    if transport.farewell is not None:
        return f"it ended the session: {transport.farewell or 'no reason given'}"
    cut = isinstance(error, EOFError | OSError | paramiko.AuthenticationException) or "No existing session" in str(
        error
    )
    return "" if cut else f"the session ended: {foreign_line(str(error), 200) or type(error).__name__}"


def check_own(
    known_hosts: KnownHosts,
    *,
    confirm: Callable[[Fingerprint], bool] | None,
    accept_new: bool,
    pin: bool,
    observer: Observer,
    vouching: Vouching | None = None,
) -> CheckHostKey:
    """The check of the target's key: pinned in `known_hosts`, or else vouched for or confirmed, and then, with `pin`,
    pinned.
    """

    def check(hop: Hop, key: HostKey) -> None:
        pinned = known_hosts.keys(hop.name)
        presented = key.fingerprint(hop.name, address=hop.address)
        if key in pinned:
            return
        may_be_new = not pinned or (vouching is not None and vouching.restarted)
        if may_be_new and vouching is not None and is_vouched(vouching, hop, key):
            if pin:
                known_hosts.repin(hop.name, key)
            since = ", which was started anew since" if pinned else ""
            observer.note(
                f"{'Pinned' if pin else 'Would pin'} the host key of {hop.name}{since}: {presented}. The workspace "
                "vouches for it."
            )
            return
        if pinned:
            raise HostKeyChanged([known.fingerprint(hop.name) for known in pinned], presented)
        if not accept_new:
            if confirm is None:
                raise HostKeyUnknown(
                    presented,
                    remedy="Compare it and accept it once at a terminal, or pin it unseen with --accept-host-key.",
                )
            if not confirm(presented):
                raise HostKeyUnknown(
                    presented, remedy="It was not accepted, so nothing was sent and nothing was pinned."
                )
        if pin:
            known_hosts.pin(hop.name, key)
        observer.note(f"{'Pinned' if pin else 'Would pin'} the host key of {hop.name}: {presented}.")

    return check


def check_same(before: HostKey) -> CheckHostKey:
    """The check of a second connection to a host that had the key `before` at the first one."""

    def check(hop: Hop, key: HostKey) -> None:
        if key != before:
            raise HostKeyChanged([before.fingerprint(hop.name)], key.fingerprint(hop.name, address=hop.address))

    return check


def is_vouched(vouching: Vouching, hop: Hop, key: HostKey) -> bool:
    """Whether the driver has that key; False where nobody can say. Raises HostKeyForeign where it has others."""
    vouched = vouching.keys()
    if vouched is not None and vouching.all_keys and key not in vouched:
        presented = key.fingerprint(hop.name, address=hop.address)
        raise HostKeyForeign([known.fingerprint(hop.name) for known in vouched], presented)
    return vouched is not None and key in vouched


def check_jump(observer: Observer) -> CheckHostKey:
    """The check of a jump host's key: it stands in the user's own known_hosts, which is never written."""

    def check(hop: Hop, key: HostKey) -> None:
        known = trusted_keys(hop.known_hosts, hop.name)
        presented = key.fingerprint(hop.name, address=hop.address)
        if key in known:
            return
        by_hand = f"ssh -p {hop.port} {hop.user}@{hop.host}"
        if known:
            raise HostKeyChanged(
                [other.fingerprint(hop.name) for other in known],
                presented,
                command=f"ssh-keygen -R '{hop.name}'; {by_hand}",
            )
        if not hop.accept_new:
            raise HostKeyUnknown(presented, remedy=f"Connect to the jump host once by hand: '{by_hand}'.")
        observer.note(f"The jump host {hop.name} has the unknown key {presented}, which the ssh config accepts.")

    return check


def _forward(through: paramiko.Transport, hop: Hop, deadline: Deadline) -> paramiko.Channel:
    try:
        return through.open_channel(
            "direct-tcpip", (hop.host, hop.port), ("127.0.0.1", 0), timeout=max(deadline.left(), 0.1)
        )
    except paramiko.ChannelException as error:
        raise Unreachable(hop.address, f"the jump host says '{error.text}'") from error
    except SSH_FAULTS as error:
        if not deadline.left():
            raise DeadlinePassed(hop.address, deadline.seconds, "through the jump host") from error
        raise ConnectionLost("the jump host", f"while it connected to {hop.address}") from error


def _close(transport: paramiko.Transport, under: socket.socket | paramiko.Channel) -> None:
    """Close the session and wait for its thread, which paramiko leaves to end by itself."""
    with suppress(*SSH_FAULTS):
        # The thread waits for something to read, and would notice at its next look only.
        under.shutdown(socket.SHUT_RDWR)
    transport.close()
    under.close()
    if transport.is_alive():
        transport.join(_SECONDS_TO_STOP)
    # Ends the timer of a handshake that was cut, which would run on until its time. The thread may start it late.
    transport.packetizer.complete_handshake()


def _prefer(transport: paramiko.Transport, expected: tuple[HostKey, ...]) -> None:
    """Ask for the kind of key that is known: a server has several, and any other one would look like a changed key."""
    options = transport.get_security_options()
    kinds = {key.kind for key in expected}
    if "ssh-rsa" in kinds:
        kinds |= {"rsa-sha2-512", "rsa-sha2-256"}
    options.key_types = tuple(sorted(options.key_types, key=lambda kind: kind not in kinds))


def _explain(hop: Hop, error: Exception) -> SshError:
    if isinstance(error, IncompatiblePeer):
        return NotAnSshServer(hop.address, str(error))
    if "banner" in str(error):
        return ClosedAtGreeting(hop.address)
    if isinstance(error, EOFError | OSError):
        return ConnectionLost(hop.address, "while the session was agreed on")
    return NotAnSshServer(hop.address, str(error) or type(error).__name__)
