"""Starting a terminated cluster, and waiting until it runs."""

from __future__ import annotations

from databricks.sdk.clock import Clock, RealClock
from databricks.sdk.service.compute import ClusterDetails, State

from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.parallel import go_on
from dbmirror.progress import SILENT, Observer
from dbmirror.workspace.client import WorkspaceClient
from dbmirror.workspace.clusters import ClusterState, get_details, read, started_at
from dbmirror.workspace.errors import (
    ClusterNotStarted,
    LoginRefused,
    RateLimited,
    WorkspaceBusy,
    WorkspaceUnreachable,
    said_clearly,
)
from dbmirror.workspace.renewal import renew_login

STAGE = "start"
_FIRST_PAUSE = 2.0
_LONGEST_PAUSE = 15.0
_SECONDS_UNTIL_PENDING = 30.0
_FAILURES_IN_A_ROW = 3


def start(
    w: WorkspaceClient,
    cluster_id: str,
    *,
    observer: Observer = SILENT,
    clock: Clock | None = None,
    deadline: float = 1200.0,
) -> ClusterState:
    """Start the cluster if it is terminated, and wait until it runs, for at most `deadline` seconds.

    Every new state is reported under the stage `start`. Raises ClusterNotStarted in the API's words where the cluster
    ends in ERROR or TERMINATED or takes longer; ClusterUnknown; WorkspaceError.
    """
    return _await(w, cluster_id, observer, clock or RealClock(), deadline)


def await_restart(
    w: WorkspaceClient,
    cluster_id: str,
    *,
    before: str | None,
    observer: Observer = SILENT,
    clock: Clock | None = None,
    deadline: float = 1200.0,
) -> ClusterState:
    """Wait until the cluster, whose restart was ordered, runs again; `before` is when it had started last until then.

    Nothing is started. Reports and raises as `start`.
    """
    return _await(w, cluster_id, observer, clock or RealClock(), deadline, restart_after=before or "")


def _await(
    w: WorkspaceClient,
    cluster_id: str,
    observer: Observer,
    clock: Clock,
    deadline: float,
    *,
    restart_after: str | None = None,
) -> ClusterState:
    began = clock.time()
    attempt = _Attempt(w, cluster_id, observer, clock, restart_after=restart_after)
    pause = _FIRST_PAUSE
    observer.started(STAGE)
    while not attempt.look():
        if clock.time() - began + pause > deadline:
            raise ClusterNotStarted(
                f"The cluster {cluster_id} did not run within {deadline:g} s; the last of it was '{attempt.said}'.",
                remedy="Look at its event log in the workspace, and try again: a start that is under way goes on.",
            )
        go_on()
        clock.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    state = read(w, cluster_id)
    observer.finished(STAGE, f"{state.cluster.cluster_name} runs")
    return state


class _Attempt:
    """What is known of one start while it is under way."""

    def __init__(
        self,
        w: WorkspaceClient,
        cluster_id: str,
        observer: Observer,
        clock: Clock,
        *,
        restart_after: str | None = None,
    ) -> None:
        self.said = ""
        self._restart_after = restart_after
        self._began = clock.time()
        self._w = w
        self._cluster_id = cluster_id
        self._observer = observer
        self._clock = clock
        self._asked: float | None = None
        self._rose = False
        self._failures = 0
        self._renewed = False

    def look(self) -> bool:
        """Look at the cluster, and start it if that is to be done. True once it runs."""
        try:
            details = get_details(self._w, self._cluster_id)
        except (WorkspaceUnreachable, WorkspaceBusy, RateLimited):
            # A start takes minutes: one lost request is no reason to give up.
            self._failures += 1
            if self._failures == _FAILURES_IN_A_ROW:
                raise
            return False
        except LoginRefused:
            # Once in a row: a login that is refused when it is new is wrong.
            if self._renewed or not renew_login(self._w):
                raise
            self._renewed = True
            self._observer.note("The workspace no longer accepts the login; it was made anew.")
            return False
        self._failures = 0
        self._renewed = False
        self._report(details)
        self._rose = self._rose or details.state in {State.PENDING, State.RESTARTING}
        if details.state is State.ERROR or (details.state is State.TERMINATED and self._is_over()):
            raise _not_started(details)
        if details.state is State.TERMINATED and self._asked is None and self._restart_after is None:
            with said_clearly(self._w.config.host, profile=self._w.config.profile, auth=self._w.config.auth_type):
                self._w.clusters.start(self._cluster_id)
            self._asked = self._clock.time()
        return details.state in {State.RUNNING, State.RESIZING} and self._has_restarted(details)

    def _has_restarted(self, details: ClusterDetails) -> bool:
        """Whether it is the new driver that runs; always, where no restart was ordered."""
        if self._restart_after is None or self._rose or started_at(details) != self._restart_after:
            return True
        return self._clock.time() - self._began > _SECONDS_UNTIL_PENDING

    def _is_over(self) -> bool:
        """A terminated cluster has been up since, or had its time to leave that state."""
        if self._restart_after is not None:
            return True
        late = self._asked is not None and self._clock.time() - self._asked > _SECONDS_UNTIL_PENDING
        return self._rose or late

    def _report(self, details: ClusterDetails) -> None:
        state = details.state.value.lower() if details.state else "unknown"
        said = f"{state}: {foreign_line(details.state_message or '', 200)}".rstrip(": ")
        if said != self.said:
            self._observer.advanced(STAGE, said)
            self.said = said


def _not_started(details: ClusterDetails) -> ClusterNotStarted:
    reason = details.termination_reason
    words = [foreign_line(details.state_message or "", 400)]
    if reason is not None:
        words.append(" ".join(part.value for part in (reason.code, reason.type) if part is not None))
        words += [f"{name}: {foreign_line(value, 300)}" for name, value in sorted((reason.parameters or {}).items())]
    said = "; ".join(word for word in words if word) or "no reason given"
    state = details.state.value if details.state else "UNKNOWN"
    return ClusterNotStarted(
        f"The cluster {details.cluster_name} ({details.cluster_id}) did not start and is {state}: {said}.",
        remedy="Its event log in the workspace says more; a quota, a policy or the node type are the usual causes.",
    )
