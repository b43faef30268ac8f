"""The calls of the REST API that dbmirror makes, and what the stand-in workspace answers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from dbmirror.sandbox.workspace.catalogue import NODE_TYPES, SPARK_VERSIONS, USER
from dbmirror.sandbox.workspace.contexts import Contexts
from dbmirror.sandbox.workspace.fleet import ApiError, Fleet
from dbmirror.sandbox.workspace.libraries import Libraries

DISCOVERY: Final = "/.well-known/databricks-config"
"""Where the SDK asks a host what it is before it authenticates."""
Arguments = Mapping[str, Any]


class Api:
    """The REST API over a fleet. Every answer is a JSON document; an error is an ApiError."""

    def __init__(
        self, fleet: Fleet, libraries: list[dict[str, Any]], contexts: Contexts, *, settling: float = 0.0
    ) -> None:
        """`settling` is how many seconds the libraries of a cluster that has started are on their way."""
        self._fleet = fleet
        self._libraries = Libraries(fleet, libraries, settling=settling, now=time.time)
        self._calls: dict[tuple[str, str], Callable[[Arguments], dict[str, Any]]] = {
            ("GET", "clusters/list"): self._list,
            ("GET", "clusters/get"): lambda arguments: fleet.get(_cluster_id(arguments)),
            ("POST", "clusters/start"): _silent(lambda arguments: fleet.start(_cluster_id(arguments))),
            ("POST", "clusters/restart"): _silent(lambda arguments: fleet.restart(_cluster_id(arguments))),
            ("POST", "clusters/delete"): _silent(lambda arguments: fleet.terminate(_cluster_id(arguments))),
            ("POST", "clusters/edit"): _silent(lambda arguments: fleet.edit(_cluster_id(arguments), dict(arguments))),
            ("POST", "clusters/events"): self._events,
            ("GET", "clusters/list-node-types"): lambda _: {"node_types": list(NODE_TYPES)},
            ("GET", "clusters/spark-versions"): lambda _: {"versions": list(SPARK_VERSIONS)},
            ("GET", "libraries/cluster-status"): self._library_status,
            ("GET", "libraries/all-cluster-statuses"): self._all_library_statuses,
            ("POST", "libraries/install"): _silent(self._install),
            ("POST", "libraries/uninstall"): _silent(self._uninstall),
            ("GET", "preview/scim/v2/Me"): lambda _: _me(),
        }
        self._commands: dict[tuple[str, str], Callable[[Arguments], dict[str, Any]]] = {
            ("POST", "contexts/create"): contexts.create,
            ("GET", "contexts/status"): contexts.status,
            ("POST", "contexts/destroy"): contexts.destroy,
            ("POST", "commands/execute"): contexts.execute,
            ("GET", "commands/status"): contexts.command_status,
            ("POST", "commands/cancel"): contexts.cancel,
        }
        """The calls of version 1.2, which 2.0 has as well."""

    def answer(self, method: str, path: str, arguments: Arguments) -> dict[str, Any]:
        """The answer to `method` on `path` (`/api/2.1/clusters/get`), its query or body in `arguments`."""
        match = re.fullmatch(r"/api/(1\.2|2\.[01])/(.+)", path)
        call = self._calls.get((method, match[2])) if match and match[1] != "1.2" else None
        if match and match[1] != "2.1":
            call = call or self._commands.get((method, match[2]))
        if match and match.groups() == ("2.0", "clusters/list") and method == "GET":
            call = self._list_at_once
        if call is None:
            raise ApiError(404, "ENDPOINT_NOT_FOUND", f"No API found for '{method} {path}'")
        return call(arguments)

    def _list_at_once(self, _: Arguments) -> dict[str, Any]:
        """The list of version 2.0, which knows neither pages nor filters."""
        return {"clusters": self._fleet.listed()}

    def _list(self, arguments: Arguments) -> dict[str, Any]:
        """The list of version 2.1, in pages."""
        clusters = self._fleet.listed()
        states = arguments.get("filter_by.cluster_states")
        if states:
            wanted = {states} if isinstance(states, str) else set(states)
            clusters = [cluster for cluster in clusters if cluster["state"] in wanted]
        # Pages are kept short, so that whoever reads only the first one is found out.
        size = min(int(arguments.get("page_size") or 4), 100)
        first = int(arguments.get("page_token") or 0)
        page: dict[str, Any] = {"clusters": clusters[first : first + size]}
        if first + size < len(clusters):
            page["next_page_token"] = str(first + size)
        return page

    def _events(self, arguments: Arguments) -> dict[str, Any]:
        events = self._fleet.events(_cluster_id(arguments))
        wanted = set(arguments.get("event_types") or ())
        events = [event for event in events if not wanted or event["type"] in wanted]
        if arguments.get("order") == "ASC":
            events.reverse()
        first, size = int(arguments.get("offset") or 0), int(arguments.get("limit") or 50)
        page: dict[str, Any] = {"events": events[first : first + size], "total_count": len(events)}
        if first + size < len(events):
            page["next_page"] = {**arguments, "offset": first + size, "limit": size}
        return page

    def _library_status(self, arguments: Arguments) -> dict[str, Any]:
        cluster_id = _cluster_id(arguments)
        return {"cluster_id": cluster_id, "library_statuses": self._libraries.statuses(cluster_id)}

    def _install(self, arguments: Arguments) -> None:
        self._libraries.install(_cluster_id(arguments), arguments.get("libraries") or ())

    def _uninstall(self, arguments: Arguments) -> None:
        self._libraries.uninstall(_cluster_id(arguments), arguments.get("libraries") or ())

    def _all_library_statuses(self, _: Arguments) -> dict[str, Any]:
        ids = [cluster["cluster_id"] for cluster in self._fleet.listed()]
        return {"statuses": [self._library_status({"cluster_id": cluster_id}) for cluster_id in ids]}


def discovery(host: str) -> dict[str, Any]:
    """What the workspace at the URL `host` says of itself to everybody."""
    return {"oidc_endpoint": f"{host}/oidc", "workspace_id": "4242424242424242", "cloud": "AWS"}


def _cluster_id(arguments: Arguments) -> str:
    cluster_id = arguments.get("cluster_id")
    if not isinstance(cluster_id, str) or not cluster_id:
        raise ApiError(400, "INVALID_PARAMETER_VALUE", "Missing required field: cluster_id")
    return cluster_id


def _silent(call: Callable[[Arguments], None]) -> Callable[[Arguments], dict[str, Any]]:
    def answered(arguments: Arguments) -> dict[str, Any]:
        call(arguments)
        return {}

    return answered


def _me() -> dict[str, Any]:
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": "4242424242424242",
        "userName": USER,
        "displayName": "Sandbox",
        "active": True,
        "emails": [{"type": "work", "value": USER, "primary": True}],
        "groups": [{"display": "users", "type": "direct", "value": "1"}],
    }
