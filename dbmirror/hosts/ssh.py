"""A host over SSH: one connection, one channel a command, host keys pinned."""

from __future__ import annotations

import secrets
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.hosts.host_key import Fingerprint, HostKey
from dbmirror.hosts.interface import Completed, too_much
from dbmirror.hosts.known_hosts import KnownHosts, trusted_keys
from dbmirror.hosts.ssh_channel import (
    ANSWER,
    SILENCE,
    START,
    Exchanged,
    NothingRan,
    Silent,
    TooMuch,
    run_on_channel,
)
from dbmirror.hosts.ssh_config import Hop, Route, SshTarget, find_route
from dbmirror.hosts.ssh_errors import (
    CommandTookTooLong,
    ConnectionLost,
    FileNotFetched,
    HostSilent,
    NoCommandRan,
    SshError,
)
from dbmirror.hosts.ssh_faults import SSH_FAULTS
from dbmirror.hosts.ssh_socket import Deadline
from dbmirror.hosts.ssh_transport import (
    CheckHostKey,
    Session,
    Vouching,
    check_jump,
    check_own,
    check_same,
    log_in,
    open_hop,
)
from dbmirror.processes.programs import LARGEST_OUTPUT
from dbmirror.progress import SILENT, Observer

__all__ = ["SshHost", "SshTarget", "connect", "read_host_key"]

_DEADLINE = 30.0
_SLOW = 3.0
"""Seconds after which it is said what is waited for."""
_PAUSE = 1.0
_KEEPALIVE = 15
_FETCH_TIMEOUT = 600.0


@dataclass(frozen=True, slots=True)
class _Session:
    """A connection that is logged in."""

    transport: Session
    key: HostKey
    resources: ExitStack


class SshHost:
    """A Host at the other end of an SSH connection. Commands run one after the other.

    A command whose connection is lost runs once more, over a second connection to a host with the same key: nothing
    that dbmirror runs there changes anything.
    """

    def __init__(
        self, name: str, session: _Session, *, again: Callable[[HostKey], _Session], observer: Observer = SILENT
    ) -> None:
        self._name = name
        self._session = session
        self._again = again
        self._observer = observer

    @property
    def name(self) -> str:
        """What messages call this host, for example `driver of demo (10.0.0.4:2200)`."""
        return self._name

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = LARGEST_OUTPUT
    ) -> Completed:
        """Run `argv` with `stdin` in the user's login shell (POSIX; `argv` is quoted), for at most `timeout` seconds.

        What the shell's start-up files print on stdout is cut off. The code is 255 where a signal ended the shell
        itself. Raises CommandTookTooLong (the command gets a signal to stop), HostSilent, NoCommandRan, ConnectionLost,
        or HostError where it prints more than `limit` bytes.
        """
        try:
            done = self._exchange(argv, stdin=stdin, timeout=timeout, limit=limit)
        except TooMuch:
            raise too_much(argv[0], self.name, limit) from None
        return Completed(argv=tuple(argv), code=done.code, stdout=done.stdout, stderr=done.stderr)

    def fetch(self, path: str, *, limit: int = 1 << 30) -> bytes:
        """The content of the file at the absolute `path`, of at most `limit` bytes.

        Raises FileNotFetched if there is no such file, it cannot be read, or it is larger; ConnectionLost.
        """
        if not path.startswith("/") or "\0" in path:
            raise FileNotFetched(f"{path!r} is no absolute path.")
        try:
            done = self._exchange(["cat", "--", path], stdin=b"", timeout=_FETCH_TIMEOUT, limit=limit)
        except TooMuch:
            raise FileNotFetched(f"{path} on {self.name} is larger than {limit} bytes.") from None
        if done.code != 0:
            reason = done.stderr.decode(errors="replace").strip().splitlines() or [f"cat ended with code {done.code}"]
            raise FileNotFetched(f"{path} on {self.name} cannot be read: {reason[-1]}.")
        return done.stdout

    def close(self) -> None:
        """Close the connection and all that it runs through."""
        self._session.resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, argv: Sequence[str], *, stdin: bytes, timeout: float, limit: int) -> Exchanged:
        if not argv or any("\0" in word for word in argv):
            raise ValueError(f"{argv!r} is no command")
        try:
            return self._attempt(argv, stdin=stdin, timeout=timeout, limit=limit)
        except ConnectionLost as error:
            self._observer.warn(f"{error.message} Connecting once more.")
            self.close()
            try:
                self._session = self._again(self._session.key)
            except SshError as second:
                step = f"while '{argv[0]}' ran; a second connection failed: {second.message.rstrip('.')}"
                raise ConnectionLost(self.name, step) from second
        return self._attempt(argv, stdin=stdin, timeout=timeout, limit=limit)

    def _attempt(self, argv: Sequence[str], *, stdin: bytes, timeout: float, limit: int) -> Exchanged:
        marker = f"dbmirror-{secrets.token_hex(8)}"
        # Not the last command of the shell, so that a signal's number comes back as the shell's 128 + N.
        command = f"{shlex.join(argv)}; exit $?"
        try:
            return run_on_channel(
                self._session.transport,
                command,
                marker=marker,
                stdin=stdin,
                deadline=Deadline(timeout),
                limit=limit,
            )
        except Silent:
            raise HostSilent(self.name, argv[0], SILENCE + ANSWER) from None
        except NothingRan as error:
            said = foreign_line(error.said.decode(errors="replace").strip().rpartition("\n")[2], 200).rstrip(".")
            raise NoCommandRan(self.name, code=error.code, said=said, seconds=START) from None
        except TimeoutError:
            raise CommandTookTooLong(self.name, argv[0], timeout) from None
        except SSH_FAULTS as error:
            raise ConnectionLost(self.name, f"while '{argv[0]}' ran") from error


def connect(
    target: SshTarget,
    *,
    known_hosts: KnownHosts,
    confirm: Callable[[Fingerprint], bool] | None,
    accept_new: bool = False,
    pin: bool = True,
    vouching: Vouching | None = None,
    deadline: float | None = None,
    patience: float = _DEADLINE,
    observer: Observer = SILENT,
) -> SshHost:
    """A connection to `target`, by way of its jump hosts, within `deadline` seconds (None: ConnectTimeout, else what a
    ProxyCommand may take, else `patience`).

    The target's host key must be pinned in `known_hosts`. On first contact, and after a restart, the workspace is asked
    by `vouching`. Where it cannot say, `confirm` is asked at first contact; where that is None the key is refused, or
    with `accept_new` pinned, with a note. A jump host's key must stand in the user's own known_hosts.
    Without `pin` nothing is written: the note says what would be pinned.
    A connection that breaks off before or during the login is tried once more.
    Raises an SshError that says what went wrong and what to do; nothing stays open then, also after Ctrl-C.
    """
    route = find_route(target)
    limit = Deadline(deadline or route.seconds(patience))
    last = route.hops[-1]
    name = f"{target.label} ({last.address})" if target.label else last.address
    own = check_own(known_hosts, confirm=confirm, accept_new=accept_new, pin=pin, observer=observer, vouching=vouching)
    expected = known_hosts.keys(last.name)

    def once() -> _Session:
        return _open(route, own, expected, limit, observer, asks=confirm is not None or vouching is not None)

    def again(key: HostKey) -> _Session:
        return _open(route, check_same(key), (key,), Deadline(limit.seconds), observer, asks=False)

    try:
        session = once()
    except SshError as error:
        if not error.passing or limit.left() <= _PAUSE:
            raise
        observer.warn(f"{error.message} Connecting once more.")
        time.sleep(_PAUSE)
        session = once()
    return SshHost(name, session, again=again, observer=observer)


def _open(
    route: Route,
    own: CheckHostKey,
    expected: tuple[HostKey, ...],
    limit: Deadline,
    observer: Observer,
    *,
    asks: bool,
) -> _Session:
    """A session that is logged in at the end of `route`; nothing stays open where it does not come about."""
    *jumps, last = route.hops
    resources = ExitStack()
    try:
        with _told_if_slow(route, limit, observer):
            through = _through_jumps(jumps, limit, resources, observer)
            transport, key = open_hop(last, through=through, expected=expected, deadline=limit, resources=resources)
        own(last, key)
        # A person's thinking time, or the workspace's, is not the network's.
        log_in(transport, last, deadline=Deadline(limit.seconds) if asks else limit)
        transport.set_keepalive(_KEEPALIVE)
    except BaseException:
        resources.close()
        raise
    return _Session(transport, key, resources)


@contextmanager
def _told_if_slow(route: Route, limit: Deadline, observer: Observer) -> Iterator[None]:
    """Inside, it is said after a while that a ProxyCommand takes its time."""
    text = f"The ProxyCommand of your ssh config connects to {route.hops[0].address}; it has {limit.left():.0f} s."
    timer = threading.Timer(_SLOW, observer.note, [text])
    timer.daemon = True
    if route.proxied:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def read_host_key(target: SshTarget, *, deadline: float | None = None, observer: Observer = SILENT) -> HostKey:
    """The key that `target` has now, without logging in on it: what re-pinning shows before it asks.

    Raises the same errors as `connect`, but for those about the target's host key and login.
    """
    route = find_route(target)
    limit = Deadline(deadline or route.seconds(_DEADLINE))
    *jumps, last = route.hops
    resources = ExitStack()
    try:
        transport = _through_jumps(jumps, limit, resources, observer)
        return open_hop(last, through=transport, expected=(), deadline=limit, resources=resources)[1]
    finally:
        resources.close()


def _through_jumps(
    jumps: Sequence[Hop], deadline: Deadline, resources: ExitStack, observer: Observer
) -> Session | None:
    """A session that is logged in on the last of the jump hosts; None where there are none."""
    transport: Session | None = None
    check = check_jump(observer)
    for hop in jumps:
        expected = trusted_keys(hop.known_hosts, hop.name)
        transport, key = open_hop(hop, through=transport, expected=expected, deadline=deadline, resources=resources)
        check(hop, key)
        log_in(transport, hop, deadline=deadline)
    return transport
