"""A container as a host: one started from an image for inspection and removed again, or one that runs already."""

from __future__ import annotations

import secrets
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self, cast

import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from dbmirror import runs
from dbmirror.engine.docker import client as connect_engine
from dbmirror.engine.docker import unavailable
from dbmirror.engine.errors import EngineError
from dbmirror.errors import DockerError
from dbmirror.hosts.exec_stream import Deadline, NoHalfClose, converse
from dbmirror.hosts.interface import Completed, HostError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

LIFETIME = 86_400
"""Seconds after which an inspection container ends and removes itself, should this process die without a word."""
ROLE_LABEL = "dbmirror.role"
RUN_LABEL = "dbmirror.run"
"""The mark of the run that made the container, so that a later run can tell a forgotten one."""
INSPECTION = "inspection"
"""The role of the containers that are made here."""
EXEC_MARK = "DBMIRROR_EXEC"
"""The environment variable that marks the processes of one exec, so that they can be found and stopped."""

_STOP_MARKED = r"""
marked() {
  for p in /proc/[0-9]*; do
    tr '\000' '\n' <"$p/environ" 2>/dev/null | grep -qxF "$1" && echo "${p#/proc/}"
  done
}
for p in $(marked "$1"); do kill -TERM "$p"; done 2>/dev/null
for i in 1 2 3 4 5 6 7 8; do [ -z "$(marked "$1")" ] && exit 0; sleep 0.25; done
for p in $(marked "$1"); do kill -KILL "$p"; done 2>/dev/null
"""
"""The engine has no call that ends an exec: this finds its processes by their mark, asks, waits, then kills."""


class ContainerHostError(DockerError, HostError):
    """A container could not be started or reached, or could not run a command or hand over a file. Exit code 4."""


class NoEngine(ContainerHostError):
    """No Docker Engine answers."""


class NoSuchImage(ContainerHostError):
    """The engine has no image of that name."""


class ContainerStopped(ContainerHostError):
    """The container does not run, or is gone."""


class ContainerHost:
    """A container of `image` that does nothing but wait, made on entry and removed on exit, also on Ctrl-C.

    `network` names the network it joins; without one it has no network at all. `user` is the user of its
    commands, as in `docker run --user`; without one the image says. `attach` takes a running container instead.
    """

    def __init__(
        self,
        image: str,
        *,
        client: DockerClient | None = None,
        network: str | None = None,
        user: str | None = None,
    ) -> None:
        self._image = image
        self._client = client
        self._network = network
        self._user = user
        self._container: Container | None = None
        self._ours = True
        self.name = f"a container of {image}"

    @classmethod
    def attach(
        cls, container: Container | str, *, client: DockerClient | None = None, user: str | None = None
    ) -> ContainerHost:
        """The running `container` (a value of the SDK, or its name or id), which stays as it is on exit.

        Raises ContainerStopped where it does not run or is not there, NoEngine where no engine answers.
        """
        host = cls("", client=client, user=user)
        host._ours = False
        if isinstance(container, str):
            host.name = f"container {container}"
            with host._docker_terms():
                found = host._engine().containers.get(container)
        else:
            host.name = f"container {container.name}"
            found = container
            host._client = client or container.client
        with host._docker_terms():
            found.reload()
        if found.status != "running":
            raise ContainerStopped(
                f"{host.name} is {found.status}, not running.", remedy=f"Start it: docker start {found.name}"
            )
        host._container = found
        return host

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Make and start the container, unless that is done already. Raises ContainerHostError."""
        if self._container is not None:
            return
        name = f"dbmirror-inspection-{secrets.token_hex(6)}"
        try:
            with self._docker_terms():
                clear_left_behind(self._engine())
                container = self._engine().containers.create(
                    self._image,
                    name=name,
                    entrypoint=["sleep"],
                    command=[str(LIFETIME)],
                    network_mode=self._network or "none",
                    labels={ROLE_LABEL: INSPECTION, RUN_LABEL: runs.mark()},
                    auto_remove=True,
                    stop_signal="SIGKILL",
                    healthcheck={"test": ["NONE"]},
                )
                container.start()
        except BaseException:
            # The engine may have made it before the interruption or the failed start: it goes by its name.
            self._remove(name)
            raise
        self._container = container
        self.name = f"a container of {self._image}"

    def close(self) -> None:
        """Remove the container, if it was made here. Closing twice is harmless."""
        container, self._container = self._container, None
        if container is not None and self._ours:
            self._remove(str(container.id))

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        """Run `argv` (no shell) with `stdin`, for at most `timeout` seconds; at the deadline its processes end.

        Raises ContainerHostError if it cannot be started or takes longer.
        """
        container = self._running()
        arguments = tuple(argv)
        deadline = Deadline(timeout)
        mark = f"{EXEC_MARK}={secrets.token_hex(16)}"
        api = self._engine().api
        with self._docker_terms():
            identifier = api.exec_create(
                container.id,
                list(arguments),
                stdin=bool(stdin),
                user=self._user or "",
                environment=[mark],
            )["Id"]
        try:
            with self._docker_terms():
                stream = cast("Any", api.exec_start(identifier, socket=True))
            try:
                stdout, stderr = converse(stream, stdin, deadline)
            finally:
                stream.close()
            code = self._exit_code(identifier, deadline)
        except TimeoutError:
            self._stop(mark)
            raise ContainerHostError(
                f"{arguments[0]!r} in {self.name} did not end within {timeout:g} seconds and was stopped."
            ) from None
        except NoHalfClose as error:
            self._stop(mark)
            raise ContainerHostError(
                f"The connection to the Docker Engine cannot hand data to a command in {self.name}.",
                remedy="Reach the engine over its Unix socket (DOCKER_HOST=unix://…).",
            ) from error
        except OSError as error:
            raise ContainerStopped(f"The connection to {self.name} broke off: {error}.") from error
        except BaseException:
            self._stop(mark)
            raise
        if code in {126, 127} and b"OCI runtime exec failed" in stdout + stderr:
            raise ContainerHostError(f"{arguments[0]!r} cannot be run in {self.name}: there is no such program.")
        return Completed(argv=arguments, code=code, stdout=stdout, stderr=stderr)

    def fetch(self, path: str, *, limit: int = 1 << 30) -> bytes:
        """The content of the regular file at the absolute `path`, of at most `limit` bytes; links are followed.

        Raises ContainerHostError if there is no such file, or it is larger.
        """
        if not path.startswith("/") or "\0" in path:
            raise ContainerHostError(f"{path!r} is not an absolute path.")
        container = self._running()
        try:
            chunks, facts = cast("Any", container.get_archive(path))
            if facts["linkTarget"]:
                chunks.close()
                chunks, facts = cast("Any", container.get_archive(facts["linkTarget"]))
        except NotFound as error:
            raise ContainerHostError(f"There is no file {path} in {self.name}.") from error
        except (DockerException, requests.RequestException) as error:
            raise ContainerHostError(f"{path} in {self.name} cannot be read: {error}.") from error
        try:
            if facts["size"] > limit:
                raise ContainerHostError(f"{path} in {self.name} is larger than {limit} bytes.")
            with tarfile.open(fileobj=cast("IO[bytes]", _Chunks(iter(chunks))), mode="r|") as archive:
                member = archive.next()
                content = archive.extractfile(member) if member is not None and member.isfile() else None
                if content is None:
                    raise ContainerHostError(f"{path} in {self.name} is not a regular file.")
                return content.read()
        except (tarfile.TarError, requests.RequestException) as error:
            raise ContainerHostError(f"{path} in {self.name} could not be read to its end: {error}.") from error
        finally:
            chunks.close()

    def _engine(self) -> DockerClient:
        if self._client is None:
            try:
                self._client = connect_engine()
            except EngineError as error:
                raise NoEngine(error.message, remedy=error.remedy) from error
        return self._client

    def _running(self) -> Container:
        self.start()
        if self._container is None:
            raise ContainerStopped(f"{self.name} was closed.")
        return self._container

    def _exit_code(self, identifier: str, deadline: Deadline) -> int:
        # The stream may end a moment before the engine has seen the process end.
        while True:
            with self._docker_terms():
                facts = self._engine().api.exec_inspect(identifier)
            if not facts["Running"] and facts["ExitCode"] is not None:
                return int(facts["ExitCode"])
            deadline.remaining()
            time.sleep(0.02)

    def _stop(self, mark: str) -> None:
        container = self._container
        if container is not None:
            try:
                container.exec_run(["sh", "-c", _STOP_MARKED, "dbmirror", mark], user="0")
            except (DockerException, requests.RequestException):
                return

    def _remove(self, name: str) -> None:
        client = self._client
        if client is not None:
            try:
                client.api.remove_container(name, force=True, v=True)
            except (DockerException, requests.RequestException):
                # Gone already, or being removed, or no engine to ask: LIFETIME takes care of the rest.
                return

    @contextmanager
    def _docker_terms(self) -> Iterator[None]:
        """Say in this room's errors what the SDK raises."""
        try:
            yield
        except ImageNotFound as error:
            raise NoSuchImage(
                f"The Docker Engine has no image {self._image}.", remedy=f"Pull or build it: docker pull {self._image}"
            ) from error
        except NotFound as error:
            raise ContainerStopped(f"{self.name} cannot be used: {error.explanation or error}.") from error
        except APIError as error:
            if error.status_code == requests.codes.conflict:
                raise ContainerStopped(
                    f"{self.name} does not run.", remedy="Start it, or run the command again."
                ) from error
            raise ContainerHostError(f"{self.name} cannot be used: {error.explanation or error}.") from error
        except (DockerException, requests.RequestException) as error:
            said = unavailable(error)
            raise NoEngine(said.message, remedy=said.remedy) from error


def left_behind(client: DockerClient) -> tuple[str, ...]:
    """The names of the inspection containers of runs of this home that ended without removing them, sorted."""
    made = client.api.containers(all=True, filters={"label": [f"{ROLE_LABEL}={INSPECTION}", RUN_LABEL]})
    return tuple(sorted(each["Names"][0].lstrip("/") for each in made if runs.is_over(each["Labels"][RUN_LABEL])))


def clear_left_behind(client: DockerClient) -> None:
    """Remove what `left_behind` finds; it may go by itself in the same moment."""
    for name in left_behind(client):
        with suppress(APIError):
            client.api.remove_container(name, force=True, v=True)


class _Chunks:
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
