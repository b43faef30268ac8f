"""Compose stacks: `docker compose` as a child process, with its project, files and variables named in each call."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dbmirror.engine.compose_project import ComposeProject, command, docker_environment, require_own
from dbmirror.engine.docker import client, plugin_version
from dbmirror.engine.errors import EngineError
from dbmirror.foreign_text.characters import plain
from dbmirror.processes.programs import Finished, ProcessFailed, hand_over, run

CALL_SECONDS: Final = 1800.0
"""How long a call of compose may take: images are built before, and a stack that starts waits for a tunnel's health."""
OLDEST_COMPOSE: Final = (2, 20)
"""The first compose whose files may have all that compose.yaml has."""


class ComposeUnavailable(EngineError):
    """The compose plugin is missing or too old."""


class StackFailed(EngineError):
    """A stack could not be started or stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A container of a stack."""

    name: str
    """The service's name in compose.yaml."""
    container: str
    state: str
    """`running`, `exited`, `restarting`, `created`, …"""
    health: str
    """`healthy`, `unhealthy`, `starting`; empty where it has no health check."""
    ports: tuple[tuple[int, int], ...] = ()
    """Ports of the container with those of this machine that lead to them, as the engine published them."""


def require_compose() -> None:
    """Raises EngineUnavailable where no engine answers, ComposeUnavailable where compose is missing or too old."""
    client().close()
    version = plugin_version("compose")
    oldest = ".".join(map(str, OLDEST_COMPOSE))
    remedy = (
        f"Install compose {oldest} or newer: package docker-compose-plugin (Docker's repositories) or "
        "docker-compose-v2 (Ubuntu), or the binary in ~/.docker/cli-plugins."
    )
    if version is None:
        raise ComposeUnavailable("Docker has no compose plugin, which the lab runs with.", remedy=remedy)
    if tuple(map(int, version.split(".")))[:2] < OLDEST_COMPOSE:
        raise ComposeUnavailable(f"compose {version} is too old: the lab needs {oldest}.", remedy=remedy)


def up(
    project: ComposeProject, *, scale: Mapping[str, int] | None = None, on_line: Callable[[str], None] = lambda _: None
) -> None:
    """Create and start the stack from images that are there, and replace containers whose settings changed.

    `scale` gives services another number of containers than compose.yaml does.
    Raises NotOwn where something in the engine has its name and is not its own, StackFailed that says what stood in
    the way.
    """
    require_own(project)
    scaled = [word for service, count in (scale or {}).items() for word in ("--scale", f"{service}={count}")]
    _run(command(project, "up", "--detach", "--no-build", "--remove-orphans", *scaled), on_line=on_line)


def down(project: ComposeProject, *, on_line: Callable[[str], None] = lambda _: None) -> None:
    """Stop the stack and remove its containers, networks and volumes; what it bound from this machine stays.

    Raises NotOwn, StackFailed.
    """
    require_own(project)
    _run(command(project, "down", "--volumes", "--remove-orphans", "--timeout", "10"), on_line=on_line)


def restart(project: ComposeProject, service: str) -> None:
    """Stop the service's containers and start them again. Raises NotOwn, StackFailed."""
    require_own(project)
    _run(command(project, "restart", "--timeout", "5", service))


def services(project: ComposeProject) -> tuple[Service, ...]:
    """The stack's containers, running or not, sorted by name; none where it is down, or was never up."""
    if not project.is_known:
        return ()
    lines: list[str] = []
    _run(command(project, "ps", "--all", "--format", "json"), on_line=lines.append, quiet=True)
    documents: list[dict[str, Any]] = []
    for line in lines:
        try:
            document = json.loads(line)
        except ValueError:
            continue
        # Compose 2.20 prints one array, 2.21 and newer one object a line.
        documents += document if isinstance(document, list) else [document]
    found = (
        Service(
            name=str(each.get("Service", "")),
            container=str(each.get("Name", "")),
            state=str(each.get("State", "")),
            health=str(each.get("Health", "")),
            ports=tuple(sorted(set(_published(each)))),
        )
        for each in documents
    )
    return tuple(sorted(found, key=lambda service: service.container))


def _published(container: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    for port in container.get("Publishers") or ():
        if port.get("PublishedPort"):
            yield int(port.get("TargetPort") or 0), int(port["PublishedPort"])


def execute(project: ComposeProject, service: str, argv: Sequence[str], *, timeout: float = 30.0) -> Finished:
    """Run `argv` in the service's container; a code other than 0 is no error. Raises ProcessFailed after `timeout`."""
    return run(
        command(project, "exec", "--no-TTY", service, *argv),
        environment=docker_environment(),
        check=False,
        timeout=timeout,
    )


def last_logs(project: ComposeProject, service: str, *, lines: int = 10) -> str:
    """The last lines that the service wrote."""
    argv = command(project, "logs", "--no-color", "--no-log-prefix", "--tail", str(lines), service)
    return run(argv, environment=docker_environment(), check=False, timeout=30).stdout


def print_logs(
    project: ComposeProject, service: str | None, *, follow: bool = False, on_line: Callable[[str], None]
) -> None:
    """Call `on_line` with each line that the stack's containers, or the service's, wrote; `follow` goes on.

    Without the colours that a container's program gave it.
    """
    options = ["--no-color", *(["--follow"] if follow else [])]
    argv = command(project, "logs", *options, *([service] if service else []))
    # Until the user ends it, or until all is told.
    _run(argv, on_line=lambda line: on_line(plain(line)), timeout=None if follow else CALL_SECONDS)


def open_shell(project: ComposeProject, service: str, shell: str) -> int:
    """Run `shell` in the service's container on this terminal; its exit code. Raises StackFailed."""
    try:
        return hand_over(command(project, "exec", service, shell), environment=docker_environment())
    except ProcessFailed as error:
        raise _explained(error) from error


def _run(
    argv: Sequence[str],
    *,
    on_line: Callable[[str], None] = lambda _: None,
    quiet: bool = False,
    timeout: float | None = CALL_SECONDS,
) -> None:
    try:
        run(
            argv,
            on_stdout=on_line,
            on_stderr=None if quiet else on_line,
            environment=docker_environment(),
            timeout=timeout,
        )
    except ProcessFailed as error:
        raise _explained(error) from error


def _explained(error: ProcessFailed) -> EngineError:
    said = error.output.strip()
    if (
        port := re.search(r"(?:0\.0\.0\.0|127\.0\.0\.1):(\d+).{0,200}(?:already allocated|already in use)", said)
    ) is not None:
        return StackFailed(
            f"Port {port[1]} of this machine is in use already.",
            remedy="Stop what listens there ('ss -ltnp' shows it), or start the lab again: 'dbmirror lab up' takes the "
            "next free port.",
        )
    if (network := re.search(r"network (\S+) declared as external, but could not be found", said)) is not None:
        return StackFailed(
            f"The Docker network {network[1]}, which the driver is said to be on, is not there.",
            remedy="Bring the sandbox up ('dbmirror sandbox up'), or correct 'networks' of the mirror's lab section.",
        )
    client().close()  # no engine at all has an error of its own
    last = said.splitlines()[-1:] or ["it said nothing"]
    return StackFailed(f"docker compose failed: {last[0]}", remedy=f"The command was: {error.command}")
