"""A client of CRAN-like repositories, over HTTP or in a folder: what each one lists, and its files."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

from dbmirror.files import sha256_hex
from dbmirror.lock.errors import IndexUnreachable
from dbmirror.lock.python.index import Download, Index
from dbmirror.lock.python.index_settings import IndexSettings
from dbmirror.lock.python.project_page import Refused
from dbmirror.lock.r.binary import r_user_agent
from dbmirror.lock.r.errors import RepositoryUnreachable
from dbmirror.lock.r.packages_file import LARGEST, Packages, parse_packages
from dbmirror.lock.r.settings import RepositoryLocation, RepositorySettings
from dbmirror.lock.untrusted import ForeignClient

CONNECTIONS = 8
"""Files under way at once."""
LARGEST_FILE = 1 << 30


class Repositories:
    """The repositories of `settings`, as R `r_version` on `architecture` asks them. Safe to use from several threads.

    `ca_bundle` is a PEM file of the authorities to trust; `deadline` the seconds that one PACKAGES file may take, ten
    times as many as a package may; `pause` the first wait before a retry, doubled each time.
    """

    def __init__(
        self,
        settings: RepositorySettings,
        *,
        r_version: str | None = None,
        architecture: str = "x86_64",
        ca_bundle: Path | None = None,
        deadline: float = 60.0,
        pause: float = 0.5,
    ) -> None:
        self.settings = settings
        self.ca_bundle = ca_bundle
        none = IndexSettings(indexes=())
        as_r = r_user_agent(r_version, architecture) if r_version else None
        trusted = [each.index for each in settings.repositories if each.folder is None]
        self.foreign = ForeignClient(trusted, ca_bundle=ca_bundle)
        self._client = Index(none, ca_bundle=ca_bundle, deadline=deadline, pause=pause)
        self._as_r = Index(none, ca_bundle=ca_bundle, deadline=deadline, pause=pause, user_agent=as_r)
        self._lists: dict[str, Packages] = {}
        self._locks = {each.url: threading.Lock() for each in settings.repositories}

    def __enter__(self) -> Repositories:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.__exit__(kind, error, trace)
        self._as_r.__exit__(kind, error, trace)
        self.foreign.close()

    def packages(self, location: RepositoryLocation) -> Packages:
        """What the repository lists, asked for once. Raises RepositoryUnreachable where it cannot be used."""
        key = f"{location.url} {location.binary}"
        with self._locks[location.url]:
            if key not in self._lists:
                self._lists[key] = self._read_list(location)
            return self._lists[key]

    def file(self, location: RepositoryLocation, path: str) -> Download | None:
        """The file at `path` below the repository's src/contrib, with its content; None where there is none.

        Raises Refused where it answers this one request badly, RepositoryUnreachable where it cannot be reached.
        """
        try:
            return self._get(location, path, limit=LARGEST_FILE)
        except Refused as refusal:
            if refusal.status in {404, 410}:
                return None
            raise

    def _read_list(self, location: RepositoryLocation) -> Packages:
        refused = Refused("has no PACKAGES file below src/contrib")
        for name in ("PACKAGES.gz", "PACKAGES"):
            try:
                return parse_packages(self._get(location, name, limit=LARGEST).content)
            except Refused as refusal:
                if refusal.status not in {404, 410}:
                    refused = refusal
        raise RepositoryUnreachable(
            f"The R repository {location.url} ({location.origin}) {refused}.",
            remedy="Check that its address is the one above src/contrib, and that nothing (a login page, a proxy) "
            "stands before it.",
        )

    def _get(self, location: RepositoryLocation, path: str, *, limit: int) -> Download:
        if location.folder is not None:
            return _read(location, path, limit=limit)
        url = f"{location.url}/src/contrib/{path}"
        client = self._as_r if location.binary else self._client
        try:
            return client.download(url, location=location.index, keep=True, limit=limit)
        except IndexUnreachable as error:
            raise RepositoryUnreachable(
                f"The R repository {location.url} ({location.origin}) wants other credentials (401).",
                remedy="Put user and password into ~/.netrc under the repository's host; they are never written to a "
                "file.",
            ) from error
        except Refused as refusal:
            if refusal.status is not None or str(refusal).startswith("is larger"):
                raise
            raise _unreachable(location, str(refusal)) from refusal


def _unreachable(location: RepositoryLocation, cause: str) -> RepositoryUnreachable:
    trusted = "certificate" not in cause and "TLS" not in cause
    return RepositoryUnreachable(
        f"The R repository {location.url} ({location.origin}) cannot be "
        f"{'reached' if trusted else 'trusted'}: {cause}.",
        remedy="Check the network and the address; 'repositories' in the [r] section of dbmirror.toml names others."
        if trusted
        else "If your network has a certificate authority of its own, name its PEM file with --ca-bundle.",
    )


def _read(location: RepositoryLocation, path: str, *, limit: int) -> Download:
    contrib = Path(location.folder or "/") / "src" / "contrib"
    if not contrib.is_dir():
        raise RepositoryUnreachable(
            f"The R repository {location.folder} ({location.origin}) is no folder with src/contrib in it.",
            remedy="Name the folder above src/contrib.",
        )
    try:
        with (contrib / path).open("rb") as stream:
            content = stream.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise Refused("does not have it", status=404) from None
    except OSError as error:
        raise RepositoryUnreachable(
            f"The R repository {location.folder} ({location.origin}) cannot be read: {error.strerror or error}."
        ) from error
    if len(content) > limit:
        raise Refused(f"is larger than {limit} bytes")
    return Download(sha256=sha256_hex(content), size=len(content), content=content)
