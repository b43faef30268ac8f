"""Images of the engine: what one is made of, and how one comes to be there."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import docker.errors
import requests

from dbmirror.engine.docker import client, unavailable
from dbmirror.engine.errors import MAKE_ROOM, EngineError
from dbmirror.foreign_text.redaction import without_credentials
from dbmirror.progress import SILENT, Observer


class ImageUnavailable(EngineError):
    """An image is not in the engine and could not be pulled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """An image as the engine's inspect states it."""

    image_id: str
    """`sha256:…`"""
    repo_digests: tuple[str, ...]
    """`repository@sha256:…` for each registry that it was pulled from or pushed to."""
    os: str
    architecture: str
    """Docker's word for it: `amd64`, `arm64`."""
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    user: str
    """Empty where the image sets none: then it is root."""
    command: tuple[str, ...]
    entrypoint: tuple[str, ...]
    healthcheck: tuple[str, ...]
    size: int
    """Bytes of all layers, unpacked (on the containerd image store: of the compressed content too)."""
    layers: tuple[str, ...]
    """The layers' diff ids, lowest first."""


def inspect_image(reference: str) -> ImageFacts | None:
    """The image that `reference` (a name, an id or a digest) means in the engine; None where there is none.

    Raises EngineError where the engine does not answer.
    """
    with closing(client()) as connected:
        try:
            return image_facts(connected.images.get(reference).attrs)
        except docker.errors.ImageNotFound:
            return None
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise unavailable(error) from error


def image_history(reference: str) -> tuple[str, ...]:
    """The instructions that made the image, lowest layer first, as its history states them.

    Raises ImageUnavailable where there is no such image, EngineError where the engine does not answer.
    """
    with closing(client()) as connected:
        try:
            entries: list[dict[str, Any]] = connected.images.get(reference).history()
        except docker.errors.ImageNotFound as error:
            raise ImageUnavailable(f"There is no image {reference} in the engine.") from error
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise unavailable(error) from error
    return tuple(str(entry.get("CreatedBy") or "") for entry in reversed(entries))


def ensure_image(reference: str, *, observer: Observer = SILENT, timeout: float = 1800.0) -> ImageFacts:
    """The image `reference` from the engine, pulled first if it is not there; at most `timeout` seconds.

    Credentials are those of `docker login`. Raises ImageUnavailable where it cannot be pulled, saying whether the
    registry was unreachable, refused, or has no such image; EngineError where the engine does not answer.
    """
    found = inspect_image(reference)
    if found is not None:
        return found
    _pull(reference, observer=observer, timeout=timeout)
    found = inspect_image(reference)
    if found is None:
        raise ImageUnavailable(f"{reference} was pulled, but the engine does not have it.")
    return found


def image_facts(document: Mapping[str, Any]) -> ImageFacts:
    """The facts in `document`, the engine's answer to an inspect."""
    configuration = document.get("Config") or {}
    variables = (entry.partition("=") for entry in configuration.get("Env") or ())
    return ImageFacts(
        image_id=document["Id"],
        repo_digests=tuple(sorted(document.get("RepoDigests") or ())),
        os=document.get("Os") or "",
        architecture=document.get("Architecture") or "",
        environment=MappingProxyType({name: value for name, _, value in variables}),
        labels=MappingProxyType(dict(sorted((configuration.get("Labels") or {}).items()))),
        user=configuration.get("User") or "",
        command=tuple(configuration.get("Cmd") or ()),
        entrypoint=tuple(configuration.get("Entrypoint") or ()),
        healthcheck=tuple((configuration.get("Healthcheck") or {}).get("Test") or ()),
        size=int(document.get("Size") or 0),
        layers=tuple((document.get("RootFS") or {}).get("Layers") or ()),
    )


def _pull(reference: str, *, observer: Observer, timeout: float) -> None:
    """Pull `reference`, reading the event stream to its end: a pull that fails has answered 200 before."""
    stage = f"pull {reference}"
    observer.started(stage)
    deadline = time.monotonic() + timeout
    layers: set[str] = set()
    with closing(client(timeout=min(timeout, 300.0))) as connected:
        try:
            repository, tag = split_reference(reference)
            for event in connected.api.pull(repository, tag=tag, stream=True, decode=True, platform="linux/amd64"):
                if time.monotonic() > deadline:
                    raise ImageUnavailable(f"{reference} was not pulled within {timeout:.0f} s.", remedy=_OTHER_BASE)
                if problem := event.get("errorDetail") or event.get("error"):
                    raise _refused(reference, problem.get("message", "") if isinstance(problem, dict) else problem)
                if event.get("status") == "Pull complete" and event.get("id") not in layers:
                    layers.add(event.get("id", ""))
                    observer.advanced(stage, f"{len(layers)} layers")
        except (requests.ReadTimeout, requests.ConnectionError) as error:
            raise _refused(reference, str(error)) from error
        except docker.errors.APIError as error:
            raise _refused(reference, error.explanation or str(error)) from error
        except docker.errors.DockerException as error:
            raise unavailable(error) from error
    observer.finished(stage, f"{len(layers)} layers")


def split_reference(reference: str) -> tuple[str, str]:
    """Repository and tag or digest of `reference`; the tag is `latest` where it names none."""
    if "@" in reference:
        name, _, digest = reference.partition("@")
        head, colon, _ = name.rpartition(":")
        return (head if colon and "/" not in name.rpartition(":")[2] else name), digest
    head, colon, tag = reference.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (reference, "latest")


_OTHER_BASE: Final = (
    "Name another base with '--base IMAGE' (one that 'docker images' shows, or of a registry that this machine "
    "reaches); 'dbmirror doctor' says what this machine can reach."
)
_REASONS: Final[tuple[tuple[str, str, str], ...]] = (
    (
        r"no space left on device",
        "the disk is full where Docker keeps its images",
        MAKE_ROOM,
    ),
    (
        r"toomanyrequests|rate limit",
        "the registry's rate limit is reached",
        "Log in with 'docker login', or wait and try again.",
    ),
    (
        r"certificate|x509",
        "the registry's certificate is not trusted by the Docker Engine",
        "Install the certificate authority for the engine (/etc/docker/certs.d or the system's trust store), then "
        "restart it.",
    ),
    (
        r"no such host|no route|unreachable|timeout|timed out|deadline exceeded|connection (refused|reset)|EOF",
        "its registry cannot be reached from the Docker Engine",
        _OTHER_BASE,
    ),
    (
        r"denied|unauthorized|authentication required|forbidden",
        "its registry refuses it, or has no such repository",
        "Check the name, and log in with 'docker login REGISTRY' if it is private. " + _OTHER_BASE,
    ),
    (r"not found|manifest unknown|no matching manifest", "its registry has no such image for linux/amd64", _OTHER_BASE),
)
"""What the engine says of a pull that failed, what that means, and what to do; the first match counts."""


def _refused(reference: str, said: str) -> ImageUnavailable:
    said = without_credentials(said)
    for pattern, meaning, remedy in _REASONS:
        if re.search(pattern, said, re.IGNORECASE):
            return ImageUnavailable(f"{reference} cannot be pulled: {meaning} ({said.strip()}).", remedy=remedy)
    return ImageUnavailable(f"{reference} cannot be pulled: {said.strip()}.", remedy=_OTHER_BASE)
