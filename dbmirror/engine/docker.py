"""The Docker Engine: a client for it, and what it and its plugins are."""

from __future__ import annotations

import errno
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import docker
import docker.errors
import requests

from dbmirror.engine.errors import MAKE_ROOM, EngineError
from dbmirror.foreign_text.redaction import without_credentials
from dbmirror.processes.programs import Finished, ProcessFailed, run

OLDEST_BUILDX: Final = (0, 13)
"""The first buildx with `--progress rawjson`."""
_PLUGIN_SECONDS: Final = 20.0


class EngineUnavailable(EngineError):
    """Docker is not installed, does not run, or may not be used by this user."""


class BuildxUnavailable(EngineError):
    """The buildx plugin is missing or too old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What the engine and its plugins are, as `dbmirror doctor` shows it."""

    version: str
    """The engine's, `26.1.5`."""
    buildx: str | None
    """Version of the buildx plugin, `0.13.1`; None where there is none."""
    compose: str | None
    """Version of the compose plugin, `2.26.1`; None where there is none."""
    storage_driver: str
    """`overlay2`, or `overlayfs` on the containerd image store."""
    architecture: str
    """`x86_64`, `aarch64`: the engine's machine, which need not be this one."""
    operating_system: str
    free_bytes: int | None
    """Free space where the engine keeps its images; None where this machine cannot see that folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where the engine's containers run."""

    memory_bytes: int
    maps_users: bool
    """A uid in a container is another one on the machine: rootless Docker, or userns-remap."""
    shares_kernel: bool
    """The containers run on the kernel of this machine and not in one that Docker Desktop or another made beside it."""


def client(*, timeout: float = 60.0) -> docker.DockerClient:
    """A client of the engine that the `docker` command line would use: DOCKER_HOST, else DOCKER_CONTEXT, else the
    current context, else the local socket. `timeout` is in seconds of silence a request.

    Raises EngineUnavailable with what to do about it.
    """
    try:
        connected = docker.DockerClient.from_env(timeout=round(timeout))
        connected.ping()
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise unavailable(error) from error
    except Exception as error:
        if not str(error).startswith("Detected corrupted meta file"):  # the SDK raises a bare Exception for it
            raise
        raise EngineUnavailable(
            f"The current Docker context cannot be read: {error}.",
            remedy="Choose another with 'docker context use', or remove it with 'docker context rm'.",
        ) from error
    return connected


def unavailable(error: BaseException) -> EngineError:
    """The error of this room that says what `error`, raised by the Docker SDK, means."""
    causes = list(_causes(error))
    numbers = {cause.errno for cause in causes if isinstance(cause, OSError)}
    said = without_credentials(str(error))
    if errno.EACCES in numbers or errno.EPERM in numbers:
        return EngineUnavailable(
            "This user may not use the Docker socket: permission denied.",
            remedy="Add the user to the group 'docker' (sudo usermod -aG docker \"$USER\", then log in again), "
            "or run dbmirror as root.",
        )
    if errno.ENOSPC in numbers or "no space left on device" in said:
        return EngineError(
            "The disk is full where Docker keeps its images.",
            remedy=MAKE_ROOM,
        )
    if isinstance(error, docker.errors.APIError):
        return EngineError(f"The Docker Engine refused: {without_credentials(error.explanation or said)}.")
    if shutil.which("docker") is None:
        return EngineUnavailable(
            "Docker is not installed on this machine.",
            remedy="Install Docker Engine 23 or newer with the buildx and compose plugins, "
            "or point DOCKER_HOST at a machine that has it.",
        )
    if any(isinstance(cause, docker.errors.TLSParameterError) for cause in causes):
        return EngineUnavailable(
            "The certificates for the Docker Engine are missing or wrong.",
            remedy="Check DOCKER_CERT_PATH and DOCKER_TLS_VERIFY, or the context's certificates.",
        )
    return EngineUnavailable(
        f"The Docker Engine does not answer: {_last_words(causes)}.",
        remedy="Start it ('sudo systemctl start docker', or Docker Desktop), and check DOCKER_HOST and "
        "'docker context ls'; 'docker info' should then work.",
    )


def facts() -> EngineFacts:
    """Versions, storage and space of the engine; a missing plugin is None, a missing engine EngineUnavailable."""
    with closing(client()) as connected:
        version = connected.version()
        info = connected.info()
    root = Path(str(info.get("DockerRootDir") or "/nonexistent"))
    try:
        free: int | None = shutil.disk_usage(root).free if _is_local(connected) else None
    except OSError:
        free = None
    return EngineFacts(
        version=str(version.get("Version", "unknown")),
        buildx=plugin_version("buildx"),
        compose=plugin_version("compose"),
        storage_driver=str(info.get("Driver", "unknown")),
        architecture=str(info.get("Architecture", "unknown")),
        operating_system=str(info.get("OperatingSystem", "unknown")),
        free_bytes=free,
    )


def machine() -> Machine:
    """The engine's machine. Raises EngineError."""
    with closing(client()) as connected:
        info = connected.info()
    options = [str(option) for option in info.get("SecurityOptions") or []]
    return Machine(
        memory_bytes=int(info.get("MemTotal") or 0),
        shares_kernel=sys.platform == "linux" and info.get("KernelVersion") == platform.release(),
        maps_users=any(option.startswith(("name=rootless", "name=userns")) for option in options),
    )


def run_docker(argv: Sequence[str], **named: Any) -> Finished:
    """`process.run` for a command of docker's, whose failures are this room's. Raises EngineError."""
    try:
        return run(argv, **named)
    except ProcessFailed as error:
        raise EngineError(error.message, remedy="'docker info' says whether Docker works on this machine.") from error


def plugin_version(name: str) -> str | None:
    """The version of a plugin of the docker command line (`buildx`, `compose`); None where it does not run."""
    try:
        said = run(["docker", name, "version"], timeout=_PLUGIN_SECONDS).stdout
    except ProcessFailed:
        return None
    match = re.search(r"\bv?(\d+\.\d+\.\d+)", said)
    return match[1] if match else None


def require_buildx(version: str | None) -> None:
    """Raises BuildxUnavailable unless `version`, as `plugin_version("buildx")` gives it, is recent enough."""
    oldest = ".".join(map(str, OLDEST_BUILDX))
    remedy = (
        f"Install buildx {oldest} or newer: package docker-buildx-plugin (Docker's repositories) or docker-buildx "
        "(Debian, Ubuntu), or the binary in ~/.docker/cli-plugins."
    )
    if version is None:
        raise BuildxUnavailable("Docker has no buildx plugin, which dbmirror builds with.", remedy=remedy)
    if tuple(map(int, version.split(".")))[:2] < OLDEST_BUILDX:
        raise BuildxUnavailable(f"buildx {version} is too old: dbmirror needs {oldest}.", remedy=remedy)


def _is_local(connected: docker.DockerClient) -> bool:
    return str(connected.api.base_url).startswith(("http+docker://", "http://localhost", "npipe://"))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and all that it wraps: urllib3 and requests keep the real cause in arguments and attributes."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        candidate = waiting.pop(0)
        if not isinstance(candidate, BaseException) or id(candidate) in seen:
            continue
        seen.add(id(candidate))
        yield candidate
        waiting += [candidate.__cause__, candidate.__context__, getattr(candidate, "reason", None), *candidate.args]


def _last_words(causes: list[BaseException]) -> str:
    """The plainest of `causes`: the operating system's own words where there are any."""
    for cause in causes:
        # requests derives its errors from OSError and fills the fields with what it likes.
        if isinstance(cause, OSError) and isinstance(cause.strerror, str) and cause.strerror:
            return cause.strerror.lower()
    return without_credentials(str(causes[0])).removesuffix(".")
