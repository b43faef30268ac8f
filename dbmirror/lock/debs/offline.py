"""Which Debian packages an image lacks, with their files: its own apt says it, without a network."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType, TracebackType
from typing import Final, Self

import msgspec

from dbmirror.fetch.store import Store
from dbmirror.foreign_text.characters import one_line
from dbmirror.foreign_text.decoding import convert
from dbmirror.hosts.container import ContainerHost
from dbmirror.hosts.interface import Completed
from dbmirror.http_client.client import Client
from dbmirror.lock.debs.archives import read_archives
from dbmirror.lock.debs.model import DebFile, DebianStep
from dbmirror.lock.errors import AptUnavailable

DEADLINE: Final = 300.0
"""Seconds for one call of apt: it unpacks and reads all lists of packages."""
_SCRIPT: Final = "offline-apt.sh"
_PLACE: Final = "/tmp/dbmirror-apt"  # noqa: S108 - in the container
_ARCHIVE: Final = f"{_PLACE}/archive"
GIVEN: Final = f"{_PLACE}/given"
"""The folder of files that apt is given beside the image's own."""
APT_FOLDERS: Final = ("/tmp", "/var/cache/apt", "/var/lib/apt/lists")  # noqa: S108 - in the image
"""What apt writes to when it reads its archives; the rest of the container stays read-only."""
_SOURCE: Final = re.compile(rf"^'copy:{_ARCHIVE}/(https?)/([!-&(-~]{{1,2000}})' ", re.MULTILINE)
_FILE: Final = re.compile(
    rf"'copy:{_ARCHIVE}/(https?)/([!-&(-~]{{1,2000}})' ([!-~]{{1,400}}) ([0-9]{{1,12}}) SHA256:([0-9a-f]{{64}})\s*"
)
_LEFT_OUT: Final = "left-out: "
_NOTHING: Final[Mapping[str, bytes]] = MappingProxyType({})


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

    def __init__(self, image: str, *, client: Client, store: Store, given: Mapping[str, bytes] = _NOTHING) -> None:
        self._host = ContainerHost(image, user="0", writable=APT_FOLDERS)
        self._client, self._store, self._given = client, store, given
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        """Raises AptUnavailable where an archive cannot be fetched or its signature is wrong; HostError; StoreError."""
        with ExitStack() as stack:
            stack.enter_context(self._host)
            if self._given:
                self._unpack({f"{GIVEN}/{name}": content for name, content in self._given.items()})
            said = self._run("sources").stdout.decode("utf-8", "replace")
            wanted = [f"{scheme}://{rest}" for scheme, rest in _SOURCE.findall(said)]
            contents = read_archives(wanted, client=self._client, store=self._store)
            self._unpack({f"{_ARCHIVE}/{url.replace('://', '/', 1)}": each for url, each in contents.items()})
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

    def candidates(self, packages: Sequence[str]) -> Mapping[str, str]:
        """The version that would be installed of each of `packages` that is known. Raises AptUnavailable."""
        return parse_policy(self._run("policy", *packages).stdout.decode("utf-8", "replace"))

    def step(self, step: DebianStep, preferences: str | None) -> tuple[DebFile, ...]:
        """The files that `step` of a build installs, above those below it, which were chosen here or kept before.

        `preferences` is one of the files that were given. Raises AptUnavailable.
        """
        said = self._run("step", step.name, step.below or "-", preferences or "-", *step.packages)
        return read_files(said.stdout.decode("utf-8", "replace"))

    def take_as_installed(self, step: DebianStep, files: Sequence[DebFile]) -> None:
        """Go on as if `step` installed just these `files`. Raises AptUnavailable where the archives lack one."""
        self._run("keep", step.name, step.below or "-", *(file.package for file in files))

    def _unpack(self, contents: Mapping[str, bytes]) -> None:
        self._host.run(["tar", "-x", "-C", "/"], stdin=_tar(contents), timeout=DEADLINE)

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


def parse_policy(text: str) -> dict[str, str]:
    """Package to candidate version, from what `apt-cache policy` prints in the C locale."""
    found: dict[str, str] = {}
    package = ""
    for line in text.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            package = line[:-1].partition(":")[0]
        elif (candidate := re.fullmatch(r"  Candidate: ([A-Za-z0-9][A-Za-z0-9.+:~-]*)", line)) and package:
            found[package] = candidate[1]
    return found


def _tar(contents: Mapping[str, bytes]) -> bytes:
    """`contents`, by absolute path."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, content in contents.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()
