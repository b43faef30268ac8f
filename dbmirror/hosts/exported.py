"""Folders of an image as tar archives, which the engine makes: nothing of the image is started."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, Final, cast

import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from dbmirror.hosts.container_errors import ContainerHostError, NoSuchImage
from dbmirror.hosts.container_file import Chunks
from dbmirror.hosts.containment import confinement
from dbmirror.hosts.inspections import clear_left_behind, inspection_labels

if TYPE_CHECKING:
    from docker import DockerClient

_PIECE: Final = 1 << 20


@contextmanager
def exported(image: str, paths: Iterable[str], *, client: DockerClient) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """Each of the absolute `paths` that `image` (a name or id in the engine) has, with the tar archive of it.

    An archive is read once, from front to back, before the next one is asked for; its names start from the folder that
    the path lies in. A path that is a link gives the link alone. Raises NoSuchImage, ContainerHostError.
    """
    name = f"dbmirror-inspection-{secrets.token_hex(6)}"

    def archives() -> Iterator[tuple[str, IO[bytes]]]:
        for path in paths:
            try:
                stream, _ = client.api.get_archive(name, path, chunk_size=_PIECE)
            except NotFound:
                continue
            try:
                yield path, cast("IO[bytes]", Chunks(iter(stream)))
            finally:
                cast("Any", stream).close()

    try:
        clear_left_behind(client)
        client.containers.create(
            image,
            name=name,
            # Never started.
            entrypoint=["true"],
            command=[],
            labels=inspection_labels(),
            **confinement(client, image),
        )
        yield archives()
    except ImageNotFound as error:
        raise NoSuchImage(f"The Docker Engine has no image {image}.", remedy="Build or pull it.") from error
    except (DockerException, requests.RequestException) as error:
        raise ContainerHostError(f"The files of {image} cannot be read: {error}.") from error
    finally:
        with suppress(APIError, requests.RequestException):
            client.api.remove_container(name, force=True, v=True)
