"""A notebook context on a cluster, by the workspace's command-execution API: the SDK's calls, bounded and checked."""

from __future__ import annotations

import html
import re
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

import msgspec

from dbmirror.foreign_text.characters import last_line, plain
from dbmirror.foreign_text.decoding import convert
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.hosts.context_errors import (
    AnswerGarbled,
    CommandCancelled,
    CommandLate,
    CommandRaised,
    CommandsForbidden,
    ContextError,
    ContextLost,
    TooManyContexts,
)
from dbmirror.hosts.ssh_socket import Deadline
from dbmirror.parallel import go_on
from dbmirror.workspace.answers import headers
from dbmirror.workspace.client import WorkspaceClient
from dbmirror.workspace.clusters import clearly
from dbmirror.workspace.errors import AnswerInvalid, PermissionMissing, WorkspaceError
from dbmirror.workspace.patience import answered_within

_SECONDS_TO_OPEN: Final = 120.0
"""A context is a Python of its own, which a busy driver takes its time to start."""
_SECONDS_TO_LEARN: Final = 10.0
"""How long an interruption waits for the id of a context that is being opened."""
_LONGEST: Final = 20_000
"""Characters of a traceback that are looked at."""
_GONE: Final = (
    "contextnotfound",
    "context not found",
    "clusternotready",
    "is not running",
    "not in running state",
    "does not exist",
    "unexpected state",
)
_FIRST_PAUSE: Final = 0.03
_LONGEST_PAUSE: Final = 0.5
_WAITING: Final = frozenset({"Queued", "Running", "Cancelling"})

T = TypeVar("T")


class _Created(msgspec.Struct, frozen=True):
    id: str


class _ContextStatus(msgspec.Struct, frozen=True):
    status: str = "Unknown"


class _Results(msgspec.Struct, frozen=True, rename="camel"):
    result_type: str = ""
    data: Any = None
    summary: str | None = None
    cause: str | None = None


class _CommandStatus(msgspec.Struct, frozen=True):
    status: str
    results: _Results | None = None


class NotebookContext:
    """A Python of the driver that keeps its state from one command to the next. Close it: a cluster has 150 at most."""

    def __init__(self, w: WorkspaceClient, cluster_id: str, *, cluster_name: str) -> None:
        """A new context on the running cluster.

        Raises CommandsForbidden, TooManyContexts, ContextLost where the cluster does not run; other ContextErrors.
        """
        self._w = w
        self._name = f"driver of {cluster_name} (workspace API)"
        self._everywhere = {"clusterId": cluster_id}
        deadline = Deadline(_SECONDS_TO_OPEN)
        self._create()
        try:
            self._await_python(deadline)
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """What messages call the driver: `driver of demo (workspace API)`."""
        return self._name

    def execute(self, source: str, *, timeout: float) -> str:
        """What the Python `source` prints, as far as the workspace gives it back, within `timeout` seconds.

        The command is cancelled where it takes longer or this is interrupted. Raises ContextError.
        """
        command = self._call("POST", "commands/execute", {"language": "python", "command": source}, _Created).id
        try:
            found = self._end_of(command, Deadline(timeout))
        except ContextLost:
            raise
        except BaseException:
            with suppress(ContextError):
                self._call("POST", "commands/cancel", {"commandId": command}, dict)
            raise
        return self._printed(found)

    def _end_of(self, command: str, deadline: Deadline) -> _CommandStatus:
        pause = _FIRST_PAUSE
        while True:
            found = self._call("GET", "commands/status", {"commandId": command}, _CommandStatus)
            if found.status not in _WAITING:
                return found
            go_on()
            if not deadline.left():
                raise CommandLate(self._name, "a command", deadline.seconds)
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def close(self) -> None:
        """End the context. Raises nothing: where the cluster is gone, it is, too."""
        with suppress(ContextError):
            self._call("POST", "contexts/destroy", {}, dict)

    def _create(self) -> None:
        """A context of which nobody knows the id would stay: an interruption waits for the answer, and ends it."""
        outcome: SimpleQueue[_Created | BaseException] = SimpleQueue()

        def ask() -> None:
            try:
                with answered_within(self._w, _SECONDS_TO_OPEN):
                    outcome.put(self._call("POST", "contexts/create", {"language": "python"}, _Created))
            except BaseException as error:
                outcome.put(error)

        threading.Thread(target=ask, daemon=True).start()
        try:
            found = _next(outcome, _SECONDS_TO_OPEN + 10)
        except BaseException:
            with suppress(Empty):
                late = outcome.get(timeout=_SECONDS_TO_LEARN)
                if isinstance(late, _Created):
                    self._everywhere["contextId"] = late.id
                    self.close()
            raise
        if isinstance(found, BaseException):
            raise found
        if found is None:
            raise CommandLate(self._name, "the start of a Python", _SECONDS_TO_OPEN)
        self._everywhere["contextId"] = found.id

    def _await_python(self, deadline: Deadline) -> None:
        pause = _FIRST_PAUSE
        while (status := self._call("GET", "contexts/status", {}, _ContextStatus).status) != "Running":
            if status != "Pending":
                raise ContextLost(self._name, f"it is in state {foreign_line(status, 60)} before its first command")
            go_on()
            if not deadline.left():
                raise CommandLate(self._name, "the start of a Python", deadline.seconds)
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _call(self, method: str, path: str, fields: Mapping[str, str], kind: type[T]) -> T:
        """The answer of version 1.2 of the API, in its form. Raises ContextError."""
        given = {**self._everywhere, **fields}
        try:
            with clearly(self._w):
                answer = self._w.api_client.do(
                    method,
                    f"/api/1.2/{path}",
                    query=given if method == "GET" else None,
                    body=given if method == "POST" else None,
                    headers=headers(self._w),
                )
                return convert(answer, kind)
        except WorkspaceError as error:
            raise _said(self._name, error) from error

    def _printed(self, found: _CommandStatus) -> str:
        results = found.results
        if found.status == "Cancelled":
            raise CommandCancelled(self._name)
        if results is not None and results.result_type == "error":
            raise CommandRaised(self._name, _last_words(results))
        if found.status == "Finished" and results is not None and results.result_type == "text":
            return results.data if isinstance(results.data, str) else ""
        kind = results.result_type if results is not None else "no result"
        state, kind = foreign_line(found.status, 60), foreign_line(kind, 60)
        raise AnswerGarbled(self._name, f"the command is {state or 'in no state'} with {kind or 'no kind of result'}")


def _next(outcome: SimpleQueue[_Created | BaseException], seconds: float) -> _Created | BaseException | None:
    """What comes within that time; a signal interrupts the wait."""
    deadline = Deadline(seconds)
    while deadline.left():
        go_on()
        with suppress(Empty):
            return outcome.get(timeout=0.1)
    return None


def _said(name: str, error: WorkspaceError) -> ContextError:
    """The workspace's refusal as what it means for the context: the API has no codes for it, but words."""
    words = error.message.rstrip(".")
    said = words.lower()
    if "execution contexts" in said:
        return TooManyContexts(name, words)
    if isinstance(error, PermissionMissing) or "single-user check failed" in said or "access mode" in said:
        return CommandsForbidden(name, words)
    if any(sign in said for sign in _GONE):
        return ContextLost(name, words)
    if isinstance(error, AnswerInvalid):
        return AnswerGarbled(name, words)
    return ContextError(error.message, remedy=error.remedy)


def _last_words(results: _Results) -> str:
    """The error and, of its traceback, the last line."""
    summary = last_line(plain(re.sub(r"<[^<>]{0,200}>", "", html.unescape((results.summary or "")[:_LONGEST]))))
    return foreign_line(summary or last_line(plain((results.cause or "")[-_LONGEST:])), 400) or "it gives no reason"
