"""Which host keys are trusted: OpenSSH's known_hosts format, read for any file and written for dbmirror's own."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from dbmirror.files import write_atomically
from dbmirror.folders import make_private
from dbmirror.hosts.host_key import HostKey
from dbmirror.hosts.ssh_errors import SshError


@dataclass(frozen=True, slots=True)
class _Line:
    names: tuple[str, ...]
    key: HostKey
    marker: str

    def is_for(self, name: str) -> bool:
        """OpenSSH's rule: any pattern matches, and no negated one does; hashed names are compared by their hash."""
        matched = False
        for pattern in self.names:
            if pattern.startswith("!") and fnmatchcase(name, pattern[1:]):
                return False
            matched = matched or _is_hash_of(pattern, name) or fnmatchcase(name, pattern.replace("[", "[[]"))
        return matched


def trusted_keys(files: Iterable[Path], name: str) -> tuple[HostKey, ...]:
    """The keys that the known_hosts `files` trust for `name` (`host`, or `[host]:port`); a missing file has none.

    A key that any of them marks as revoked is left out. Lines of certificate authorities are not used: a host that
    is only known by a certificate is unknown here.
    """
    lines = [line for file in files for line in _read(file) if line.is_for(name)]
    revoked = {line.key for line in lines if line.marker == "@revoked"}
    return tuple(dict.fromkeys(line.key for line in lines if not line.marker and line.key not in revoked))


class KnownHosts:
    """dbmirror's own known_hosts file: one pinned key a name. Written atomically, readable by the user alone."""

    def __init__(self, path: Path, *, also: Iterable[Path] = ()) -> None:
        self.path = path
        self._also = tuple(also)
        """Files whose keys count, too, and that are never written."""

    def keys(self, name: str) -> tuple[HostKey, ...]:
        """The keys trusted under `name`."""
        return trusted_keys([self.path, *self._also], name)

    def pin(self, name: str, key: HostKey) -> None:
        """Keep `key` under `name`, which has none yet."""
        self._write(name, [key, *self.keys(name)])

    def repin(self, name: str, key: HostKey) -> tuple[HostKey, ...]:
        """Keep `key` alone under `name`; gives what stood there before."""
        before = self.keys(name)
        self._write(name, [key])
        return before

    def forget(self, name: str) -> tuple[HostKey, ...]:
        """Drop whatever is kept under `name`; gives what stood there before."""
        before = self.keys(name)
        if before:
            self._write(name, [])
        return before

    def _write(self, name: str, keys: Iterable[HostKey]) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]+|\[[A-Za-z0-9.:_-]+\]:\d+|[0-9A-Fa-f:.]+", name):
            raise SshError(f"{name!r} cannot stand in a known_hosts file.", remedy="Set another host or HostKeyAlias.")
        text = self.path.read_text(errors="replace") if self.path.is_file() else ""
        kept = [line for line in text.splitlines() if not ((parsed := _parse(line)) and parsed.is_for(name))]
        added = [f"{name} {key}" for key in dict.fromkeys(keys)]
        try:
            make_private(self.path.parent)
        except OSError as error:
            raise SshError(f"{self.path.parent} cannot be made: {error.strerror or error}.") from error
        write_atomically(self.path, "".join(f"{line}\n" for line in (*kept, *added)).encode(), mode=0o600)


def _read(path: Path) -> Iterator[_Line]:
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        parsed = _parse(line)
        if parsed is not None:
            yield parsed


def _parse(line: str) -> _Line | None:
    """The line's content; None for comments, blank lines, and what is no known_hosts line."""
    fields = line.split()
    marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
    if len(fields) < 3 or fields[0].startswith("#"):
        return None
    try:
        blob = base64.b64decode(fields[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    return _Line(names=tuple(fields[0].split(",")), key=HostKey(kind=fields[1], blob=blob), marker=marker)


def _is_hash_of(pattern: str, name: str) -> bool:
    parts = pattern.split("|")
    if len(parts) != 4 or parts[:2] != ["", "1"]:
        return False
    try:
        salt, expected = base64.b64decode(parts[2]), base64.b64decode(parts[3])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), expected)
