"""Push an image through the Docker Engine, and make sure that what arrived is that image."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import docker
import docker.errors
import requests
import urllib3
from docker.models.images import Image

from dbmirror.progress import SILENT, Observer
from dbmirror.publish.registries.complaints import complaint
from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.errors import (
    AuthenticationFailed,
    CredentialExpired,
    EngineRefused,
    QuotaRefused,
    RateLimited,
    RegistryError,
    TagTaken,
    UnexpectedAnswer,
)
from dbmirror.publish.registries.events import PushProgress
from dbmirror.publish.registries.registry_api import RegistryClient, RemoteManifest
from dbmirror.publish.registries.retries import Patience
from dbmirror.publish.registries.stillness import given_up, told
from dbmirror.publish.registries.target import DOCKER_HUB, RegistryTarget


class _EngineSilent(EngineRefused):
    """The engine runs, and said nothing for as long as its client waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """What a push came to."""

    reference: str
    """`HOST/REPOSITORY:TAG`."""
    digest: str
    """`sha256:…` of the manifest: `HOST/REPOSITORY@DIGEST` names this image for ever."""
    already_there: bool
    """Whether the registry had the image under this tag, so that nothing was sent."""
    layers_pushed: int
    layers_reused: int
    """Layers that the registry had."""
    bytes: int
    """What the pushed layers take in the registry, compressed."""


def push(
    image: str,
    target: RegistryTarget,
    tag: str,
    credential: Credential,
    *,
    engine: docker.DockerClient,
    observer: Observer = SILENT,
    attempts: int = 3,
    replace: bool = False,
    renew: Callable[[], Credential] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> PushResult:
    """Push the local `image` (an id or a reference) to `target` under `tag`.

    An image that is there under this tag already is not sent again. A tag that names another image is left alone,
    unless `replace`. What is worth trying again is tried `attempts` times in all, besides what the engine itself does
    for each layer (five times, 50 s). The local tag that the engine needs is put back to what it was. Where the
    registry no longer accepts the login in the middle, `renew` logs in again, by default with the same credential.

    Raises TagTaken, the RegistryError that the registry's words mean, UnexpectedAnswer where what arrived is not this
    image, PushStoodStill where nothing moves for as long as the engine's client waits, EngineRefused
    where the engine has no such image or went away.
    """
    reference = target.reference(tag)
    local = _local_image(engine, image)
    stage = f"push to {target.name}"
    registry = RegistryClient(target, credential)
    patience = Patience(attempts=attempts, sleep=sleep, observer=observer)
    patience.apply(registry.log_in)
    present = patience.apply(lambda: registry.digest_of(tag))
    if present is not None:
        manifest = patience.apply(lambda: registry.manifest(present))
        if _is_same(local, manifest, target):
            observer.note(f"{reference} is there already: {present}.")
            return PushResult(
                reference=reference,
                digest=present,
                already_there=True,
                layers_pushed=0,
                layers_reused=len(manifest.layers),
                bytes=0,
            )
        if not replace:
            raise TagTaken(
                f"{reference} already names another image ({present}).",
                remedy="A cluster that starts from this tag would get other packages. Where none does, --replace-tag "
                "lets it name the new image.",
            )
    layers = _layers_of(local)
    observer.started(stage, total=len(set(layers)))
    progress = PushProgress(stage, observer)

    def send() -> None:
        nonlocal credential, registry
        with told(progress, stage, engine.api.timeout, observer):
            failure = _send(engine, target, tag, credential, progress)
            if failure is None:
                return
            error = complaint(failure, target=target, credential=credential)
            if isinstance(error, AuthenticationFailed | CredentialExpired):
                observer.warn(f"{target.host} no longer accepts the login in the middle of the push. Logging in again.")
                credential = renew() if renew else credential
                registry = RegistryClient(target, credential)
                registry.log_in()
                failure = _send(engine, target, tag, credential, progress)
                if failure is None:
                    return
        raise _refused(failure, target, credential, registry)

    with _tagged(engine, local, reference, observer):
        patience.apply(send)
    digest = patience.apply(lambda: registry.digest_of(tag))
    if digest is None or digest != (progress.digest or digest):
        raise UnexpectedAnswer(
            f"{reference} is {digest or 'not there'} after a push that ended well with {progress.digest}.",
            remedy="Somebody else may have pushed this tag at the same time: push again.",
        )
    arrived = patience.apply(lambda: registry.manifest(digest))
    _verify(local, arrived, registry, target, reference)
    observer.finished(stage, f"{reference} is {digest}")
    return PushResult(
        reference=reference,
        digest=digest,
        already_there=False,
        layers_pushed=len(progress.pushed),
        layers_reused=len(progress.reused - progress.pushed),
        bytes=_bytes_of(layers, arrived, progress.pushed),
    )


def _send(
    engine: docker.DockerClient,
    target: RegistryTarget,
    tag: str,
    credential: Credential,
    progress: PushProgress,
) -> str | None:
    """Have the engine push; the words with which that failed, else None."""
    try:
        with _engine_asked("push"):
            try:
                events = engine.api.push(
                    target.full_name, tag=tag, stream=True, decode=True, auth_config=credential.docker_auth_config()
                )
                return progress.follow(events)
            except docker.errors.APIError as error:
                return str(error.explanation or error)
    except _EngineSilent:
        raise given_up(progress, target, engine.api.timeout) from None


def _refused(failure: str, target: RegistryTarget, credential: Credential, registry: RegistryClient) -> RegistryError:
    """The error of a failed push. How long a limit lasts the engine keeps to itself: the registry is asked for that."""
    error = complaint(failure, target=target, credential=credential, logged_in=True)
    if not isinstance(error, QuotaRefused):
        return error
    try:
        registry.try_upload()
    except QuotaRefused as refusal:
        return refusal if isinstance(refusal, RateLimited) else error
    except RegistryError:
        return error
    return RateLimited(error.message, remedy=error.remedy, pause=0.0)


def _local_image(engine: docker.DockerClient, image: str) -> Image:
    with _engine_asked("find the image"):
        try:
            return engine.images.get(image)
        except docker.errors.ImageNotFound:
            raise EngineRefused(f"There is no image {image} here.", remedy="Build it first.") from None


@contextlib.contextmanager
def _engine_asked(what: str) -> Iterator[None]:
    """Whatever the engine or the connection to it fails with, as EngineRefused."""
    try:
        yield
    except docker.errors.APIError as error:
        raise EngineRefused(f"The Docker Engine could not {what}: {error.explanation or error}.") from None
    except (docker.errors.DockerException, requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        # Not chained: the request, and with it the credential's header, hangs on the exception.
        if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError) or "timed out" in str(error).lower():
            raise _EngineSilent(
                f"The Docker Engine said nothing in time when it was to {what}.",
                remedy="See whether it is well (`docker info`), and try again.",
            ) from None
        raise EngineRefused(
            f"The Docker Engine went away when it was to {what} ({type(error).__name__}).",
            remedy="See whether it runs (`docker info`) and push again: layers that arrived are kept.",
        ) from None


@contextlib.contextmanager
def _tagged(engine: docker.DockerClient, local: Image, reference: str, observer: Observer) -> Iterator[None]:
    """The local tag that a push needs; afterwards it is again what it was: nothing, or another image's.

    It stays where it is the image's only name: removing that would remove the image.
    """
    repository, _, tag = reference.rpartition(":")
    others = [name for name in local.tags if name != reference.removeprefix(f"{DOCKER_HUB}/")]
    with _engine_asked("tag the image"):
        try:
            before = engine.images.get(reference)
        except docker.errors.ImageNotFound:
            before = None
        engine.api.tag(local.id, repository, tag, force=True)
    try:
        yield
    finally:
        try:
            with _engine_asked("put the local tag back"):
                if others and (before is None or before.id != local.id):
                    engine.images.remove(reference, noprune=True)
                if before is not None and before.id != local.id:
                    engine.api.tag(before.id, repository, tag, force=True)
        except EngineRefused as error:
            # What the push itself came to matters more than a name left behind.
            observer.warn(f"The local tag {reference} stays: {error.message}")


def _layers_of(local: Image) -> list[str]:
    return [str(layer) for layer in local.attrs.get("RootFS", {}).get("Layers") or []]


def _is_same(local: Image, remote: RemoteManifest, target: RegistryTarget) -> bool:
    """Whether the registry's manifest is the local image, by what identifies it in either of Docker's image stores."""
    name = target.full_name.removeprefix(f"{DOCKER_HUB}/")
    known = {str(local.id), *(local.attrs.get("RepoDigests") or [])}
    return bool(known & {remote.digest, remote.config_digest, f"{name}@{remote.digest}"})


def _verify(
    local: Image, arrived: RemoteManifest, registry: RegistryClient, target: RegistryTarget, reference: str
) -> None:
    if arrived.config_digest is not None:
        registry.blob(arrived.config_digest)
    if not _is_same(local, arrived, target):
        raise UnexpectedAnswer(
            f"{reference} arrived as {arrived.digest}, which is not the image {local.id}.",
            remedy="Do not use it. Remove the tag in the registry and push again.",
        )


def _bytes_of(layers: list[str], arrived: RemoteManifest, pushed: set[str]) -> int:
    """The engine names a layer by its short id: of the unpacked layer in the classic store, else of the packed one."""
    sizes = {}
    for position, layer in enumerate(arrived.layers):
        names = {layer.digest, layers[position] if position < len(layers) else layer.digest}
        if any(name.removeprefix("sha256:")[:12] in pushed for name in names):
            sizes[layer.digest] = layer.size
    return sum(sizes.values())
