"""One file of a container, out of the tar archive in which the engine hands it over."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, cast

import requests
from docker.errors import DockerException, NotFound

from dbmirror.hosts.container_errors import ContainerHostError

if TYPE_CHECKING:
    from docker.models.containers import Container


def read_file(container: Container, path: str, *, limit: int, name: str) -> bytes:
    """The content of the regular file at the absolute `path`, of at most `limit` bytes; links are followed.

    `name` is what messages call the container. Raises ContainerHostError if there is no such file, or it is larger.
    """
    if not path.startswith("/") or "\0" in path:
        raise ContainerHostError(f"{path!r} is not an absolute path.")
    try:
        chunks, facts = cast("Any", container.get_archive(path))
        if facts["linkTarget"]:
            chunks.close()
            chunks, facts = cast("Any", container.get_archive(facts["linkTarget"]))
    except NotFound as error:
        raise ContainerHostError(f"There is no file {path} in {name}.") from error
    except (DockerException, requests.RequestException) as error:
        raise ContainerHostError(f"{path} in {name} cannot be read: {error}.") from error
    try:
        if facts["size"] > limit:
            raise ContainerHostError(f"{path} in {name} is larger than {limit} bytes.")
        with tarfile.open(fileobj=cast("IO[bytes]", Chunks(iter(chunks))), mode="r|") as archive:
            member = archive.next()
            content = archive.extractfile(member) if member is not None and member.isfile() else None
            if content is None:
                raise ContainerHostError(f"{path} in {name} is not a regular file.")
            return content.read(limit)
    except (tarfile.TarError, requests.RequestException) as error:
        raise ContainerHostError(f"{path} in {name} could not be read to its end: {error}.") from error
    finally:
        chunks.close()


class Chunks:
    """An iterator of byte strings as a file that tarfile can read once from front to back."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end."""
        parts = [self._rest]
        have = len(self._rest)
        while have < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            parts.append(chunk)
            have += len(chunk)
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]
