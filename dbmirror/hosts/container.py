"""A container as a host: one started from an image for inspection and removed again, or one that runs already."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from dbmirror.engine.docker import client as connect_engine
from dbmirror.engine.docker import unavailable
from dbmirror.engine.errors import EngineError
from dbmirror.hosts.container_errors import ContainerHostError, ContainerStopped, NoEngine, NoSuchImage
from dbmirror.hosts.container_file import read_file
from dbmirror.hosts.containment import confinement
from dbmirror.hosts.exec_stream import Deadline, NoHalfClose, TooMuchOutput, converse
from dbmirror.hosts.inspections import clear_left_behind, inspection_labels
from dbmirror.hosts.interface import Completed
from dbmirror.processes.programs import LARGEST_OUTPUT

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

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


class ContainerHost:
    """A container of `image` that does nothing but wait, made on entry and removed on exit.

    It is confined (see `dbmirror.hosts.containment`), for its commands may run what a package's author wrote: read-only
    but for the folders `writable`, which are in memory, with no capability but `capabilities` and no network but
    `network`. It ends by itself when this process ends, however that comes about. `user` is the user of its commands,
    as in `docker run --user`; without one the image says. `attach` takes a running container instead, as it is.
    """

    def __init__(
        self,
        image: str,
        *,
        client: DockerClient | None = None,
        network: str | None = None,
        user: str | None = None,
        writable: Sequence[str] = (),
        capabilities: Sequence[str] = (),
    ) -> None:
        self._image = image
        self._client = client
        self._network = network
        self._user = user
        self._writable = tuple(writable)
        self._capabilities = tuple(capabilities)
        self._lifeline: Any = None
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
                engine = self._engine()
                clear_left_behind(engine)
                container = engine.containers.create(
                    self._image,
                    name=name,
                    # Ends with its input, which the engine closes when this process no longer holds the connection.
                    entrypoint=["cat"],
                    command=[],
                    stdin_open=True,
                    # Takes in the children that a command left behind.
                    init=True,
                    labels=inspection_labels(),
                    auto_remove=True,
                    stop_signal="SIGKILL",
                    **confinement(
                        engine,
                        self._image,
                        network=self._network,
                        writable=self._writable,
                        capabilities=self._capabilities,
                    ),
                )
                self._lifeline = engine.api.attach_socket(str(container.id), params={"stdin": 1, "stream": 1})
                container.start()
        except BaseException:
            # The engine may have made it before the interruption or the failed start: it goes by its name.
            self._remove(name)
            raise
        self._container = container
        self.name = f"a container of {self._image}"

    @property
    def image(self) -> str:
        """The image that it is of, as it was named."""
        return self._image

    def close(self) -> None:
        """Remove the container, if it was made here. Closing twice is harmless."""
        container, self._container = self._container, None
        lifeline, self._lifeline = self._lifeline, None
        if container is not None and self._ours:
            self._remove(str(container.id))
        if lifeline is not None:
            with suppress(OSError):
                lifeline.close()

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float = 60.0,
        limit: int = LARGEST_OUTPUT,
        on_stdout: Callable[[bytes], object] = lambda _: None,
    ) -> Completed:
        """Run `argv` (no shell) with `stdin`, for at most `timeout` seconds; at the deadline its processes end.

        `on_stdout` is given each piece of stdout as it comes.

        A container of its own ends with them, and the next command gets a new one: what left its deadline behind may
        hold on to more. Raises ContainerHostError if it cannot be started, takes longer, or prints more than
        `limit` bytes.
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
                stdout, stderr = converse(stream, stdin, deadline, limit=limit, on_stdout=on_stdout)
            finally:
                stream.close()
            code = self._exit_code(identifier, deadline)
        except TimeoutError:
            self._stop(mark)
            raise ContainerHostError(
                f"{arguments[0]!r} in {self.name} did not end within {timeout:g} seconds and was stopped."
            ) from None
        except TooMuchOutput:
            self._stop(mark)
            raise ContainerHostError(
                f"{arguments[0]!r} in {self.name} printed more than {limit >> 20} MiB and was stopped."
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
        return read_file(self._running(), path, limit=limit, name=self.name)

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
        if self._ours:
            # What runs in there may have taken all processes, or end whatever is sent to end it.
            self.close()
        elif container is not None:
            with suppress(DockerException, requests.RequestException):
                container.exec_run(["sh", "-c", _STOP_MARKED, "dbmirror", mark], user="0")

    def _remove(self, name: str) -> None:
        client = self._client
        if client is not None:
            try:
                client.api.remove_container(name, force=True, v=True)
            except (DockerException, requests.RequestException):
                # Gone already, or being removed, or no engine to ask: it ends with its input.
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
