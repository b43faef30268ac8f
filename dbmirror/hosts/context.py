"""A driver as a host without SSH: the Python of a notebook context runs the commands, and prints what they print."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import zlib
from collections.abc import Sequence
from functools import cache
from types import TracebackType
from typing import Final, Protocol, Self

import msgspec

from dbmirror.foreign_text.decoding import decode_json
from dbmirror.hosts.bundled import bundled
from dbmirror.hosts.context_errors import AnswerGarbled, ContextError
from dbmirror.hosts.interface import Completed, HostError, too_much
from dbmirror.hosts.ssh_socket import Deadline
from dbmirror.processes.programs import LARGEST_OUTPUT

FEWEST_LETTERS: Final = 3_000
FIRST_LETTERS: Final = 48_000
"""Runtimes up to 16.4 give back 50,000 characters of what a command prints, newer ones 10 MB (notebook limitations)."""
MOST_LETTERS: Final = 2_000_000
LARGEST_STDERR: Final = 1 << 13
"""Letters of base64."""
_RATIO: Final = 8
_FETCH_TIMEOUT: Final = 600.0
_STOP_SECONDS: Final = 5.0


class Context(Protocol):
    """A Python of the driver that keeps its state from one command to the next."""

    @property
    def name(self) -> str:
        """What messages call it, for example `driver of demo (workspace API)`."""

    def execute(self, source: str, *, timeout: float) -> str:
        """What `source` prints, perhaps cut by a limit of the workspace. Raises ContextError."""

    def close(self) -> None:
        """Give the context up. Raises nothing."""


class _Cut(Exception):
    """A piece did not come back as it was printed."""


class _Header(msgspec.Struct, frozen=True):
    offset: int
    length: int
    sha256: str
    letters: int
    code: int | None = None
    stderr: str = ""


class ContextHost:
    """A Host in a notebook context. Commands run one after the other, without root's rights."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._runner = f"_dbmirror_{secrets.token_hex(8)}"
        self._prepared = False
        self._letters = FIRST_LETTERS
        self._most = MOST_LETTERS

    @property
    def name(self) -> str:
        """What messages call this host, for example `driver of demo (workspace API)`."""
        return self._context.name

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = LARGEST_OUTPUT
    ) -> Completed:
        """Run `argv` (no shell is added) with `stdin`, for at most `timeout` seconds.

        Where the context is root's, it runs as the user that SSH logs in as. Its output comes in pieces, each with its
        length and SHA-256. A piece that was cut is asked for again, smaller. Raises ContextError, or HostError where
        the command prints more than `limit` bytes.
        """
        if not argv or any("\0" in word for word in argv):
            raise ValueError(f"{argv!r} is no command")
        deadline = Deadline(timeout)
        mark = secrets.token_hex(16)
        given = base64.b64encode(zlib.compress(stdin, 9)).decode()
        start = f"{self._runner}.start({mark!r}, {list(argv)!r}, {given!r}, {timeout + _STOP_SECONDS!r})"
        source = start if self._prepared else f"{_prelude(self._runner)}\n{start}"
        self._context.execute(source, timeout=deadline.left())
        self._prepared = True
        try:
            return self._read(tuple(argv), mark, deadline, limit)
        except BaseException:
            self._stop(mark)
            raise

    def fetch(self, path: str, *, limit: int = 1 << 30) -> bytes:
        """The content of the file at the absolute `path`, of at most `limit` bytes.

        Raises HostError if there is no such file, it cannot be read, or it is larger.
        """
        if not path.startswith("/") or "\0" in path:
            raise HostError(f"{path!r} is no absolute path.")
        done = self.run(["cat", "--", path], timeout=_FETCH_TIMEOUT, limit=limit)
        if done.code != 0:
            reason = done.stderr.decode(errors="replace").strip().splitlines() or [f"cat ended with code {done.code}"]
            raise HostError(f"{path} on {self.name} cannot be read: {reason[-1]}.")
        return done.stdout

    def close(self) -> None:
        """Give the context up, and with it all that runs in it."""
        self._context.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, argv: tuple[str, ...], mark: str, deadline: Deadline, limit: int) -> Completed:
        pieces: list[bytes] = []
        offset = 0
        while True:
            header, content = self._piece(mark, offset, deadline)
            offset += len(content)
            if offset > limit:
                raise too_much(argv[0], self.name, limit)
            pieces.append(content)
            if header.code is not None:
                stderr = base64.b64decode(header.stderr)
                return Completed(argv=argv, code=header.code, stdout=b"".join(pieces), stderr=stderr)
            if not content:
                raise AnswerGarbled(self.name, "a piece of it is empty")

    def _piece(self, mark: str, offset: int, deadline: Deadline) -> tuple[_Header, bytes]:
        """The next piece, as large as the workspace lets through."""
        while True:
            letters = self._letters
            said = self._context.execute(
                f"{self._runner}.piece({mark!r}, {offset}, {letters})", timeout=deadline.left()
            )
            try:
                found = read_piece(said, mark, offset=offset, letters=letters)
            except _Cut as error:
                if letters <= FEWEST_LETTERS:
                    raise AnswerGarbled(self.name, str(error)) from None
                self._letters = max(letters // 2, FEWEST_LETTERS)
                self._most = self._letters
                continue
            if found[0].letters > letters // 2:
                self._letters = min(letters * 2, self._most)
            return found

    def _stop(self, mark: str) -> None:
        try:
            self._context.execute(f"{self._runner}.stop({mark!r})", timeout=_STOP_SECONDS)
        except ContextError:
            # Its own timer ends it.
            return


def read_piece(said: str, mark: str, *, offset: int, letters: int) -> tuple[_Header, bytes]:
    """The piece marked with `mark` in what a command printed. Raises _Cut where it is not whole."""
    begin, end = f"dbmirror-piece {mark} ", f"dbmirror-piece-end {mark}"
    _, found, rest = said.partition(begin)
    body, closed, _ = rest.partition(end)
    if not (found and closed):
        raise _Cut("its end is missing" if found else "its beginning is missing")
    line, _, text = body.partition("\n")
    try:
        header = decode_json(line.encode(), _Header)
        base64.b64decode(header.stderr, validate=True)
        packed = base64.b64decode(re.sub(r"\s", "", text), validate=True)
    except (msgspec.DecodeError, UnicodeEncodeError, binascii.Error, ValueError) as error:
        raise _Cut(f"a part of it is missing ({type(error).__name__})") from None
    if len(header.stderr) > LARGEST_STDERR or len(packed) > letters:
        raise _Cut("it is larger than what was asked for")
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(packed, letters * _RATIO)
    except zlib.error:
        raise _Cut("a part of it is missing") from None
    states = (header.offset, header.length, header.sha256)
    if states != (offset, len(content), hashlib.sha256(content).hexdigest()):
        raise _Cut("its length or SHA-256 is another one than it states")
    return header, content


@cache
def _program() -> str:
    return base64.b64encode(zlib.compress(bundled("dbmirror.hosts.sent.runner"), 9)).decode()


def _prelude(name: str) -> str:
    """Makes the sent runner a module called `name` in the context; harmless where it comes twice."""
    return (
        f"import base64, sys, zlib\n"
        f"if {name!r} not in globals():\n"
        f"    {name} = type(sys)({name!r})\n"
        f"    exec(compile(zlib.decompress(base64.b64decode({_program()!r})), {name!r}, 'exec'), {name}.__dict__)"
    )
