"""The few calls of the registry HTTP API that a push needs: log in, look up a tag, read an image's configuration."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from dbmirror.foreign_text.decoding import decode_json
from dbmirror.http_client.limits import IDLE_SECONDS
from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.target import RegistryTarget
from dbmirror.publish.registries.token_login import Authorization
from dbmirror.publish.registries.transport import Answer, Transport

_MANIFEST_TYPES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)


class _Descriptor(Struct):
    digest: str
    size: int = 0


class _Manifest(Struct):
    config: _Descriptor | None = None
    layers: tuple[_Descriptor, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteLayer:
    """A layer as the registry holds it."""

    digest: str
    size: int
    """Compressed, in bytes."""


@dataclass(frozen=True, slots=True)
class RemoteManifest:
    """What a tag or a digest names in the registry."""

    digest: str
    """`sha256:…` of the manifest's bytes."""
    config_digest: str | None
    """The image's configuration, which is the image's id in Docker's classic store; None for an index of several."""
    layers: tuple[RemoteLayer, ...]
    """From the base upwards; empty for an index."""


class RegistryClient:
    """One repository's registry API, with one credential."""

    def __init__(self, target: RegistryTarget, credential: Credential, *, timeout: float = IDLE_SECONDS) -> None:
        self._target = target
        self._transport = Transport(target, credential, timeout=timeout)
        self._authorization = Authorization(target, credential, self._transport)

    def log_in(self) -> None:
        """Have the registry look at the credential, without sending anything.

        Raises AuthenticationFailed, CredentialExpired, InsufficientScope, and the other RegistryErrors of a registry
        that cannot be reached or does not speak the protocol.
        """
        answer = self._ask("GET", "/v2/")
        if answer.status != 200:
            raise self._transport.complaint(answer.words())
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise self._transport.failure("It answers with a web page")
        if not self._authorization.may_push():
            raise self._transport.complaint("insufficient_scope: the token allows no push")

    def digest_of(self, reference: str) -> str | None:
        """The digest of the manifest that a tag or digest names; None where there is none (yet). Costs no pull."""
        answer = self._ask("HEAD", self._manifest_path(reference))
        if answer.status == 404:
            return None
        digest = answer.headers.get("Docker-Content-Digest", "")
        if answer.status != 200 or not digest:
            raise self._transport.complaint(answer.words(), logged_in=True)
        return digest

    def manifest(self, digest: str) -> RemoteManifest:
        """The manifest with this digest, its bytes held against it. Raises UnexpectedAnswer where they differ."""
        content = self._content(self._manifest_path(digest), digest)
        try:
            manifest = decode_json(content, _Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self._transport.failure("What it gave is no manifest") from None
        return RemoteManifest(
            digest=digest,
            config_digest=manifest.config.digest if manifest.config else None,
            layers=tuple(RemoteLayer(layer.digest, layer.size) for layer in manifest.layers),
        )

    def blob(self, digest: str) -> bytes:
        """A small blob, such as an image's configuration, its bytes held against its digest."""
        return self._content(f"/v2/{self._target.repository}/blobs/{digest}", digest)

    def tag(self, digest: str, tag: str) -> None:
        """Let `tag` name the manifest `digest` of this repository; nothing but the manifest is sent."""
        kind, content = self._content_of(self._manifest_path(digest), digest)
        answer = self._ask("PUT", self._manifest_path(tag), body=content, kind=kind)
        if answer.status != 201:
            raise self._transport.complaint(answer.words(), logged_in=True)

    def try_upload(self) -> None:
        """Begin an upload, and leave it: the registry forgets it. Raises RateLimited, QuotaRefused, RegistryError."""
        answer = self._ask("POST", f"/v2/{self._target.repository}/blobs/uploads/")
        if answer.status != 202:
            raise self._transport.complaint(answer.words(), logged_in=True)

    def _manifest_path(self, reference: str) -> str:
        return f"/v2/{self._target.repository}/manifests/{reference}"

    def _content(self, path: str, digest: str) -> bytes:
        return self._content_of(path, digest)[1]

    def _content_of(self, path: str, digest: str) -> tuple[str, bytes]:
        """The media type that is stated, and the bytes, held against their digest."""
        answer = self._ask("GET", path)
        if answer.status != 200:
            raise self._transport.complaint(answer.words(), logged_in=True)
        if "sha256:" + hashlib.sha256(answer.content).hexdigest() != digest:
            raise self._transport.failure(f"What came is not {digest}")
        return answer.headers.get("Content-Type", ""), answer.content

    def _ask(self, method: str, path: str, *, body: bytes | None = None, kind: str = "") -> Answer:
        url = self._target.base_url + path
        headers = {"Accept": ", ".join(_MANIFEST_TYPES) if "/manifests/" in path else "*/*"}
        headers |= {"Content-Type": kind} if kind else {}
        known = self._authorization.header()
        answer = self._transport.request(
            method, url, headers=headers | ({"Authorization": known} if known else {}), body=body
        )
        if answer.status != 401:
            return answer
        header = self._authorization.answer(answer.headers.get("WWW-Authenticate", ""))
        answer = self._transport.request(method, url, headers=headers | {"Authorization": header}, body=body)
        if answer.status == 401 and header.startswith("Bearer "):
            # The token service took the credential; what the registry misses is a right, or the token's time is over.
            raise self._transport.complaint(answer.words(), logged_in=True)
        return answer
