"""How the containers that dbmirror makes to look into an image are known, and cleared where a killed run left them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from docker.errors import APIError

from dbmirror.processes import runs

if TYPE_CHECKING:
    from docker import DockerClient

ROLE_LABEL = "dbmirror.role"
RUN_LABEL = "dbmirror.run"
"""The mark of the run that made the container, so that a later run can tell a forgotten one."""
INSPECTION = "inspection"
"""Their role."""


def inspection_labels() -> dict[str, str]:
    """The labels of a container that this run makes."""
    return {ROLE_LABEL: INSPECTION, RUN_LABEL: runs.mark()}


def left_behind(client: DockerClient) -> tuple[str, ...]:
    """The names of the inspection containers of runs of this home that ended without removing them, sorted."""
    made = client.api.containers(all=True, filters={"label": [f"{ROLE_LABEL}={INSPECTION}", RUN_LABEL]})
    return tuple(sorted(each["Names"][0].lstrip("/") for each in made if runs.is_over(each["Labels"][RUN_LABEL])))


def clear_left_behind(client: DockerClient) -> None:
    """Remove what `left_behind` finds; it may go by itself in the same moment."""
    for name in left_behind(client):
        with suppress(APIError):
            client.api.remove_container(name, force=True, v=True)
