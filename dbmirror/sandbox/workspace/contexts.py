"""The command-execution API of the stand-in workspace: contexts on a driver that really run the commands they get."""

from __future__ import annotations

import json
import queue
import secrets
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Final

from dbmirror.processes.child import spawn
from dbmirror.sandbox.workspace.catalogue import USER
from dbmirror.sandbox.workspace.fleet import ApiError, Fleet

MOST_CONTEXTS: Final = 150
"""Of one cluster, notebooks included."""
ON_DRIVER: Final = {
    "DATABRICKS_RUNTIME_VERSION": "15.4",
    "DB_HOME": "/databricks",
    "DB_IS_DRIVER": "TRUE",
    "SPARK_HOME": "/databricks/spark",
    "VIRTUAL_ENV": "/local_disk0/.ephemeral_nfs/envs/pythonEnv-6f2c1d0e-3b5a-4c7d-9e8f-0a1b2c3d4e5f",
    "PYSPARK_GATEWAY_SECRET": "sandbox-canary-gateway-secret",
    "MLFLOW_TRACKING_URI": "databricks",
}
"""What a notebook's Python has in its environment, other than a session of SSH."""
_STANDARD: Final = frozenset({"USER_ISOLATION", "LEGACY_TABLE_ACL"})
_FINAL: Final = frozenset({"Finished", "Error", "Cancelled"})

Arguments = Mapping[str, Any]
OnDriver = Callable[[str, Sequence[str]], Sequence[str]]
"""The command of this machine that runs a command, as root, on the driver of a cluster."""


@dataclass(slots=True)
class _Command:
    status: str = "Queued"
    results: dict[str, Any] | None = None


@dataclass(slots=True)
class _Context:
    cluster_id: str
    driver: str
    """The address of the driver that it runs on: another one has none of its contexts."""
    process: subprocess.Popen[bytes]
    pid: str
    """On the driver."""
    commands: dict[str, _Command] = field(default_factory=dict)
    waiting: queue.SimpleQueue[tuple[str, str] | None] = field(default_factory=queue.SimpleQueue)
    now: str | None = None
    """The command that runs."""


class Contexts:
    """The contexts of all clusters of a fleet. Safe to use from several threads."""

    def __init__(self, fleet: Fleet, on_driver: OnDriver, *, python: str = "/databricks/python3/bin/python3") -> None:
        self._fleet = fleet
        self._on_driver = on_driver
        self._python = python
        self._contexts: dict[str, _Context] = {}
        self._lock = threading.RLock()

    def create(self, arguments: Arguments) -> dict[str, Any]:
        """contexts/create."""
        cluster_id = str(arguments["clusterId"])
        driver = self._driver_for_commands(cluster_id)
        if arguments.get("language") != "python":
            raise ApiError(400, "INVALID_PARAMETER_VALUE", "The sandbox's driver runs Python alone.")
        with self._lock:
            self._drop_lost(cluster_id)
            if sum(each.cluster_id == cluster_id for each in self._contexts.values()) >= MOST_CONTEXTS:
                message = f"Too many execution contexts are open right now.(Limit set to {MOST_CONTEXTS})"
                raise ApiError(400, "INVALID_STATE", f"ContextLimitExceeded: {message}")
            identifier = secrets.token_hex(16)
            self._contexts[identifier] = context = self._start(cluster_id, driver)
        threading.Thread(target=self._work, args=(context,), daemon=True).start()
        return {"id": identifier}

    def status(self, arguments: Arguments) -> dict[str, Any]:
        """contexts/status."""
        self._find(arguments)
        return {"id": arguments["contextId"], "status": "Running"}

    def destroy(self, arguments: Arguments) -> dict[str, Any]:
        """contexts/destroy."""
        context = self._find(arguments)
        with self._lock:
            self._contexts.pop(str(arguments["contextId"]), None)
        self._end(context)
        return {"id": arguments["contextId"]}

    def execute(self, arguments: Arguments) -> dict[str, Any]:
        """commands/execute."""
        context = self._find(arguments)
        identifier = secrets.token_hex(16)
        context.commands[identifier] = _Command()
        context.waiting.put((identifier, str(arguments["command"])))
        return {"id": identifier}

    def command_status(self, arguments: Arguments) -> dict[str, Any]:
        """commands/status."""
        command = self._command(self._find(arguments), arguments)
        results = {} if command.results is None else {"results": command.results}
        return {"id": arguments["commandId"], "status": command.status, **results}

    def cancel(self, arguments: Arguments) -> dict[str, Any]:
        """commands/cancel."""
        context = self._find(arguments)
        command = self._command(context, arguments)
        with self._lock:
            running = context.now == arguments["commandId"]
            if command.status not in _FINAL:
                command.status = "Cancelling" if running else "Cancelled"
        if running:
            self._signal(context, "INT")
        return {"id": arguments["commandId"]}

    def open_on(self, cluster_id: str) -> int:
        """How many contexts the cluster has."""
        with self._lock:
            return sum(each.cluster_id == cluster_id for each in self._contexts.values())

    def close(self) -> None:
        """End all contexts."""
        with self._lock:
            ended = list(self._contexts.values())
            self._contexts.clear()
        for context in ended:
            self._end(context)

    def _driver_for_commands(self, cluster_id: str) -> str:
        cluster = self._fleet.get(cluster_id)
        if cluster["state"] != "RUNNING":
            raise ApiError(
                400, "INVALID_STATE", f"ClusterNotReady: Cluster {cluster_id} is not running: {cluster['state']}"
            )
        if cluster.get("data_security_mode") in _STANDARD:
            message = f"Commands are not permitted in access mode {cluster['data_security_mode']}."
            raise ApiError(403, "PERMISSION_DENIED", message)
        if (single := cluster.get("single_user_name") or USER) != USER:
            message = (
                f"Single-user check failed: user '{USER}' attempted to run a command on single-user cluster "
                f"{cluster_id}, but the single user of this cluster is '{single}'"
            )
            raise ApiError(400, "INVALID_PARAMETER_VALUE", message)
        return str(cluster["driver"]["private_ip"])

    def _start(self, cluster_id: str, driver: str) -> _Context:
        source = resources.files("dbmirror.sandbox.driver").joinpath("notebook_python.py").read_text()
        variables = [f"{name}={value}" for name, value in ON_DRIVER.items()]
        argv = self._on_driver(cluster_id, ["env", *variables, self._python, "-u", "-c", source])
        process = spawn(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if process.stdout is None or not (said := process.stdout.readline().strip()).isdigit():
            process.kill()
            raise ApiError(500, "INTERNAL_ERROR", "The Python process of the context did not start.")
        return _Context(cluster_id=cluster_id, driver=driver, process=process, pid=said.decode())

    def _work(self, context: _Context) -> None:
        """Run the context's commands, one after the other, until it ends."""
        while (next_one := context.waiting.get()) is not None:
            identifier, source = next_one
            command = context.commands[identifier]
            with self._lock:
                if command.status in _FINAL:
                    continue
                command.status, context.now = "Running", identifier
            results = self._answer(context, source)
            with self._lock:
                context.now = None
                cancelled = "cancelled" in results
                command.results = None if cancelled else results
                command.status = "Cancelled" if cancelled else "Finished"

    @staticmethod
    def _answer(context: _Context, source: str) -> dict[str, Any]:
        stdin, stdout = context.process.stdin, context.process.stdout
        with suppress(OSError, ValueError):
            if stdin is not None and stdout is not None:
                stdin.write(json.dumps(source).encode() + b"\n")
                stdin.flush()
                answer: dict[str, Any] = json.loads(stdout.readline())
                return answer
        return {"resultType": "error", "summary": "The Python process exited unexpectedly.", "cause": ""}

    def _find(self, arguments: Arguments) -> _Context:
        cluster_id, identifier = str(arguments["clusterId"]), str(arguments["contextId"])
        with self._lock:
            self._drop_lost(cluster_id)
            context = self._contexts.get(identifier)
        if context is None or context.cluster_id != cluster_id:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"ContextNotFound: {identifier}")
        return context

    def _drop_lost(self, cluster_id: str) -> None:
        """Forget the contexts of a driver that is no longer the cluster's."""
        driver = self._fleet.get(cluster_id).get("driver", {}).get("private_ip")
        lost = [i for i, c in self._contexts.items() if c.cluster_id == cluster_id and c.driver != driver]
        for identifier in lost:
            self._end(self._contexts.pop(identifier))

    @staticmethod
    def _command(context: _Context, arguments: Arguments) -> _Command:
        command = context.commands.get(str(arguments["commandId"]))
        if command is None:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"CommandNotFound: {arguments['commandId']}")
        return command

    def _end(self, context: _Context) -> None:
        context.waiting.put(None)
        self._signal(context, "KILL")
        context.process.kill()
        context.process.wait()

    def _signal(self, context: _Context, name: str) -> None:
        argv = self._on_driver(context.cluster_id, ["sh", "-c", f"kill -{name} {context.pid}"])
        with suppress(subprocess.TimeoutExpired):
            spawn(argv, stderr=subprocess.DEVNULL).wait(10)
