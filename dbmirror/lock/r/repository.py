"""A client of CRAN-like repositories, over HTTP or in a folder: what each one lists, and its files."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from types import TracebackType

from dbmirror.fetch.store import Store
from dbmirror.files import sha256_hex
from dbmirror.http_client.client import Answer, Client
from dbmirror.http_client.limits import FILE_SECONDS, PAGE_SECONDS
from dbmirror.http_client.refused import UNREACHED, Cause, Refused
from dbmirror.lock.r.binary import r_user_agent
from dbmirror.lock.r.errors import RepositoryUnreachable
from dbmirror.lock.r.packages_file import LARGEST, Packages, parse_packages
from dbmirror.lock.r.repository_settings import RepositoryLocation, RepositorySettings

CONNECTIONS = 8
"""Files under way at once."""
LARGEST_FILE = 1 << 30
"""Bytes of a package: it is looked at in memory; the largest ones (of Bioconductor's data) stay below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RFile:
    """A file that was fetched to be looked at."""

    sha256: str
    content: bytes


class Repositories:
    """The repositories of `settings`, as R `r_version` on `architecture` asks them. Safe to use from several threads.

    `ca_bundle` is a PEM file of the authorities to trust. What is locked is kept in `store`, where there is one, so
    that no build fetches it again. `seconds` is what one PACKAGES file may take, its retries included; `pause` the
    first wait before a retry, doubled each time; `internal_hosts` those of the user's own network that a cluster may
    name, `own_servers` those of the sandbox.
    """

    def __init__(
        self,
        settings: RepositorySettings,
        *,
        r_version: str | None = None,
        architecture: str = "x86_64",
        ca_bundle: Path | None = None,
        seconds: float = PAGE_SECONDS,
        store: Store | None = None,
        pause: float = 0.5,
        internal_hosts: frozenset[str] = frozenset(),
        own_servers: tuple[str, ...] = (),
    ) -> None:
        self.settings = settings
        make = partial(
            Client, settings.logins(own_servers), ca_bundle=ca_bundle, internal_hosts=internal_hosts, pause=pause
        )
        self.client = make()
        self._as_r = make(user_agent=r_user_agent(r_version, architecture)) if r_version else self.client
        self._seconds = seconds
        self._store = store
        self._lists: dict[str, Packages] = {}
        self._locks = {each.url: threading.Lock() for each in settings.repositories}

    def __enter__(self) -> Repositories:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        self._as_r.close()

    def packages(self, location: RepositoryLocation) -> Packages:
        """What the repository lists, asked for once. Raises RepositoryUnreachable where it cannot be used."""
        key = f"{location.url} {location.binary}"
        with self._locks[location.url]:
            if key not in self._lists:
                self._lists[key] = self._read_list(location)
            return self._lists[key]

    def file(self, location: RepositoryLocation, path: str) -> RFile | None:
        """The file at `path` below the repository's src/contrib, with its content; None where there is none.

        Raises RepositoryUnreachable for any other answer: it is no word on the file.
        """
        try:
            content = self._get(location, path, limit=LARGEST_FILE, seconds=FILE_SECONDS)
        except Refused as refusal:
            if refusal.is_absence:
                return None
            raise unusable(location, refusal, path) from refusal
        return RFile(sha256=sha256_hex(content), content=content)

    def keep(self, found: RFile) -> None:
        """Put a file into the store, for the build. Raises StoreError where the disk is full."""
        if self._store is not None:
            self._store.put(lambda take: take(found.content))

    def _read_list(self, location: RepositoryLocation) -> Packages:
        for name in ("PACKAGES.gz", "PACKAGES"):
            try:
                return parse_packages(self._get(location, name, limit=LARGEST, seconds=self._seconds))
            except Refused as refusal:
                if not refusal.is_absence:
                    raise unusable(location, refusal) from refusal
        raise unusable(location, Refused("has no PACKAGES file below src/contrib", cause=Cause.GARBAGE))

    def _get(self, location: RepositoryLocation, path: str, *, limit: int, seconds: float) -> bytes:
        if location.folder is not None:
            return _read(location, path, limit=limit)
        url = f"{location.url}/src/contrib/{path}"
        client = self._as_r if location.binary else self.client
        if path.startswith("PACKAGES"):
            return client.get(url, _list_of_packages, feed=location.feed, limit=limit, seconds=seconds)
        content = BytesIO()
        client.download(url, content, feed=location.feed, limit=limit, seconds=seconds)
        return content.getvalue()


def unusable(location: RepositoryLocation, refusal: Refused, path: str = "") -> RepositoryUnreachable:
    """The error for a repository whose answer, about the file at `path`, is none."""
    asked = f" when it was asked for {path}" if path and refusal.cause not in UNREACHED else ""
    remedy = _REMEDIES.get(refusal.cause, _NETWORK if refusal.cause in UNREACHED else _OTHER)
    return RepositoryUnreachable(
        f"The R repository {location.folder or location.url} ({location.origin}) {refusal}{asked}.", remedy=remedy
    )


_CREDENTIALS = "Put user and password into ~/.netrc under the repository's host; they are never written to a file."
_NETWORK = "Check the network and the address; 'repositories' in the [r] section of dbmirror.toml names others."
_LATER = "Try again a little later: nothing was changed."
_OTHER = (
    "Check that its address is the one above src/contrib, and that nothing (a login page, a proxy) stands before it."
)
_REMEDIES = {
    Cause.UNAUTHORISED: _CREDENTIALS,
    Cause.FORBIDDEN: _CREDENTIALS,
    Cause.TLS: "If your network has a certificate authority of its own, name its PEM file with --ca-bundle.",
    Cause.THROTTLED: _LATER,
    Cause.BROKEN: _LATER,
}


def _list_of_packages(answer: Answer) -> bytes:
    """The answer's content, if it is a list of packages: a login page is asked for again. Raises Refused."""
    parse_packages(answer.content)
    return answer.content


def _read(location: RepositoryLocation, path: str, *, limit: int) -> bytes:
    contrib = Path(location.folder or "/") / "src" / "contrib"
    if not contrib.is_dir():
        raise Refused("is no folder with src/contrib in it", cause=Cause.UNUSABLE)
    try:
        with (contrib / path).open("rb") as stream:
            content = stream.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise Refused("does not have it", cause=Cause.NOT_FOUND) from None
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror or error}", cause=Cause.UNUSABLE) from error
    if len(content) > limit:
        raise Refused(f"is larger than {limit} bytes", cause=Cause.TOO_LARGE)
    return content
