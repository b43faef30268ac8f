"""Which Debian packages an image lacks, with their files: its own apt says it, without a network."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from types import TracebackType
from typing import Final, Self

import msgspec

from dbmirror.fetch.store import Store
from dbmirror.foreign_text.characters import one_line
from dbmirror.foreign_text.decoding import convert
from dbmirror.hosts.container import ContainerHost
from dbmirror.hosts.interface import Completed
from dbmirror.http_client.client import Client
from dbmirror.lock.apt_candidates import APT_FOLDERS
from dbmirror.lock.debs.archives import read_archives
from dbmirror.lock.debs.model import DebFile
from dbmirror.lock.errors import AptUnavailable

DEADLINE: Final = 300.0
"""Seconds for one call of apt: it unpacks and reads all lists of packages."""
_SCRIPT: Final = "offline-apt.sh"
_ARCHIVE: Final = "/tmp/dbmirror-apt/archive"  # noqa: S108 - in the container
_SOURCE: Final = re.compile(rf"^'copy:{_ARCHIVE}/(https?)/([!-&(-~]{{1,2000}})' ", re.MULTILINE)
_FILE: Final = re.compile(
    rf"'copy:{_ARCHIVE}/(https?)/([!-&(-~]{{1,2000}})' ([!-~]{{1,400}}) ([0-9]{{1,12}}) SHA256:([0-9a-f]{{64}})\s*"
)
_LEFT_OUT: Final = "left-out: "


@dataclass(frozen=True, slots=True)
class RKernelPlan:
    """How the image gets IRkernel."""

    files: tuple[DebFile, ...] = ()
    left_out: str | None = None
    """Why it gets none; None also for an image without R."""


class OfflineApt:
    """apt in a confined container of `image`, which a context manager makes and removes.

    What the image's author planted there runs without network, secrets and rights; what it answers is checked.
    """

    def __init__(self, image: str, *, client: Client, store: Store) -> None:
        self._host = ContainerHost(image, user="0", writable=APT_FOLDERS)
        self._client, self._store = client, store
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        """Raises AptUnavailable where an archive cannot be fetched or its signature is wrong; HostError; StoreError."""
        with ExitStack() as stack:
            stack.enter_context(self._host)
            said = self._run("sources").stdout.decode("utf-8", "replace")
            wanted = [f"{scheme}://{rest}" for scheme, rest in _SOURCE.findall(said)]
            contents = read_archives(wanted, client=self._client, store=self._store)
            self._host.run(["tar", "-x", "-C", "/"], stdin=_tar(contents), timeout=DEADLINE)
            self._run("update")
            self._resources = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def install(self, packages: Sequence[str]) -> tuple[DebFile, ...]:
        """The files of those of `packages` that the image lacks and of all that they need. Raises AptUnavailable."""
        return read_files(self._run("install", *packages).stdout.decode("utf-8", "replace"))

    def irkernel(self) -> RKernelPlan:
        """What IRkernel needs beside the image's R, which stays as it is. Raises AptUnavailable."""
        said = self._run("irkernel").stdout.decode("utf-8", "replace")
        if said.startswith(_LEFT_OUT):
            return RKernelPlan(left_out=one_line(said.removeprefix(_LEFT_OUT).strip())[:500])
        return RKernelPlan(files=read_files(said))

    def _run(self, *words: str) -> Completed:
        script = files(__package__).joinpath("sent", _SCRIPT).read_text("utf-8")
        done = self._host.run(["bash", "-c", script, _SCRIPT, *words], timeout=DEADLINE)
        if done.code:
            lines = [one_line(line) for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
            reasons = [line for line in lines if line.startswith("E: ")] or lines[-1:]
            text = reasons[0].removeprefix("E: ")[:400].rstrip(".") if reasons else f"exit code {done.code}"
            raise AptUnavailable(f"apt cannot choose packages for {self._host.name}: {text}.")
        return done


def read_files(text: str) -> tuple[DebFile, ...]:
    """The files that `apt-get --print-uris` names, sorted. Raises AptUnavailable where one has no SHA-256."""
    found = []
    for line in text.splitlines():
        if not line.startswith("'"):
            continue
        match = _FILE.fullmatch(line)
        try:
            if match is None:
                raise msgspec.ValidationError("no file of an archive with a SHA-256")  # noqa: TRY301
            scheme, rest, name, size, sha256 = match.groups()
            fields = {"filename": name, "url": f"{scheme}://{rest}", "sha256": sha256, "size": int(size)}
            found.append(convert(fields, DebFile))
        except msgspec.ValidationError as error:
            raise AptUnavailable(
                f"apt names a package that cannot be fetched by hash: {one_line(line)[:200]}"
            ) from error
    return tuple(sorted(found, key=lambda file: file.filename))


def _tar(contents: Mapping[str, bytes]) -> bytes:
    """`contents` (by address) as the folder that apt's sources name."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for url, content in contents.items():
            scheme, _, rest = url.partition("://")
            entry = tarfile.TarInfo(f"{_ARCHIVE}/{scheme}/{rest}".lstrip("/"))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()
