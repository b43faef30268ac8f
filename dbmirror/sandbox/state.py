"""What the sandbox is: the record that `up` leaves, and the state that it and the running parts make up together."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dbmirror.files import canonical_json, write_atomically
from dbmirror.folders import make_private, sandbox_folder, state_folder
from dbmirror.foreign_text.decoding import decode_json


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxState:
    """The sandbox as it stands at this moment."""

    profile: str
    """The Databricks profile and mirror that it made: `demo`."""
    profile_file: Path
    """The file that holds the profile; not the user's own."""
    workspace_url: str
    workspace_answers: bool
    cluster_id: str
    """The id of the cluster whose driver runs."""
    cluster_state: str | None
    """As the Clusters API states it: `RUNNING`, `TERMINATED`, …; None while the workspace does not answer."""
    driver_container: str | None
    """The container's name; None while the cluster has no driver."""
    driver_address: str | None
    """Its IP address; SSH answers there on port 2200 as the user `ubuntu`."""
    driver_image: str
    base_image: str
    base_origin: str
    """How the base image came to be, as a phrase: `pulled from Docker Hub`, `made from Debian packages`."""
    pins: int
    """How many pins the package list has."""
    missing: tuple[tuple[str, str], ...] = ()
    """Each pin that the driver could not be given, with the reason."""
    registry: str | None = None
    """Host and port of the sandbox's registry on loopback; None where none runs."""

    @property
    def ready(self) -> bool:
        """Whether the workspace answers and the cluster runs."""
        return self.workspace_answers and self.cluster_state == "RUNNING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What `up` writes down for the next `up`, `status` and `down`. No secret is in it."""

    profile: str
    port: int
    addresses: tuple[str, ...]
    cluster_id: str
    base_image: str
    base_origin: str
    driver_image: str
    pins: int
    missing: tuple[tuple[str, str], ...] = ()


def instance() -> str:
    """Eight digits that name this sandbox's containers and network: each state folder has a sandbox of its own."""
    return hashlib.sha256(str(sandbox_folder().absolute()).encode()).hexdigest()[:8]


def read_record() -> Record | None:
    """The last record; None where there is no sandbox, or an older version of the program wrote another form."""
    try:
        return decode_json(_record_file().read_bytes(), Record)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write_record(record: Record) -> None:
    """Keep `record` for the next command."""
    write_atomically(_record_file(), canonical_json(record))


@contextmanager
def only_one() -> Iterator[None]:
    """Hold the sandbox for this process: a second `up` or `down` waits until the first has ended."""
    folder = state_folder()
    make_private(folder)
    # The folder itself is locked: a lock file would be left over.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _record_file() -> Path:
    return sandbox_folder() / "state.json"
