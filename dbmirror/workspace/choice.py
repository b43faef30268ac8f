"""Which cluster a mirror is of: the one that was named, else the one of its snapshot, else the only one or a choice."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dbmirror.snapshot import Cluster
from dbmirror.workspace.client import WorkspaceClient
from dbmirror.workspace.clusters import list_clusters, one_cluster
from dbmirror.workspace.errors import ClusterAmbiguous, ClusterReplaced, ClusterUnknown
from dbmirror.workspace.mirrorable import ClusterSummary, Fits, Login

Ask = Callable[[Sequence[ClusterSummary], Fits], ClusterSummary | None]
"""Shows clusters to somebody who can choose one that fits; None for none of them."""
_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is said of the cluster by whom."""

    mirror: str
    option: str | None = None
    """A name or id: `--cluster`, which comes first."""
    section: str | None = None
    """A name or id: the mirror's section in dbmirror.toml."""
    pinned: Cluster | None = None
    """The cluster that the mirror's snapshot is of."""
    profile: str | None = None
    """The profile's own `cluster_id`."""
    switch: bool = False
    """The mirror may become one of another cluster."""


def choose_cluster(
    w: WorkspaceClient,
    wish: Wish,
    *,
    login: Login,
    fits: Fits = lambda cluster: cluster.can_snapshot,
    ask: Ask | None = None,
) -> ClusterSummary:
    """The cluster that the mirror is of.

    A mirror with a snapshot stays with its cluster: another one that is named is an error, unless a switch is wanted.
    Of a new mirror it is the one that is named, else the only one that `fits`; of several `ask` lets somebody choose.
    Raises ClusterReplaced, ClusterUnknown, or ClusterAmbiguous with the choices; WorkspaceError.
    """
    named, pinned = wish.option or wish.section, wish.pinned
    if pinned is None or wish.switch:
        return _new(w, wish, named or wish.profile, login=login, fits=fits, ask=ask)
    if named is None or named == pinned.cluster_id:
        return _pinned(w, wish, pinned, login)
    meant = _called(w, named, login)
    if any(cluster.cluster_id == pinned.cluster_id for cluster in meant):
        return next(cluster for cluster in meant if cluster.cluster_id == pinned.cluster_id)
    raise _other(wish, pinned, _one_of(w, wish, meant, named, ask))


def _new(
    w: WorkspaceClient,
    wish: Wish,
    wanted: str | None,
    *,
    login: Login,
    fits: Fits,
    ask: Ask | None,
) -> ClusterSummary:
    if wanted:
        return _one_of(w, wish, _called(w, wanted, login), wanted, ask)
    clusters = list_clusters(w, login)
    fitting = [cluster for cluster in clusters if fits(cluster)]
    if not fitting:
        raise ClusterUnknown(
            f"There is no cluster in {w.config.host} that can be mirrored.",
            remedy=f"'dbmirror clusters {shlex.quote(login.profile)}' says why of each.",
        )
    if len(fitting) == 1:
        return fitting[0]
    chosen = ask(clusters, fits) if ask is not None else None
    if chosen is not None:
        return chosen
    raise ClusterAmbiguous(
        f"{len(fitting)} clusters of {w.config.host} can be mirrored, and none is named.",
        remedy=_choices(wish, fitting),
    )


def _called(w: WorkspaceClient, wanted: str, login: Login) -> list[ClusterSummary]:
    """The clusters of that id or name, at least one. Raises ClusterUnknown with what there is."""
    if re.fullmatch(r"\d{4}-\d{6}-[A-Za-z0-9]+", wanted):
        try:
            return [one_cluster(w, wanted, login)]
        except ClusterUnknown:
            # It may still be a name of that form.
            pass
    clusters = list_clusters(w, login)
    meant = [c for c in clusters if wanted in {c.cluster_id, c.cluster_name}]
    if meant:
        return meant
    shown = _shown(clusters)
    raise ClusterUnknown(
        f"There is no cluster {wanted!r} in {w.config.host}.",
        remedy=f"There are: {shown}." if shown else "The workspace has no cluster that you see.",
    )


def _one_of(
    w: WorkspaceClient, wish: Wish, meant: Sequence[ClusterSummary], wanted: str, ask: Ask | None
) -> ClusterSummary:
    if len(meant) == 1:
        return meant[0]
    chosen = ask(meant, lambda _: True) if ask is not None else None
    if chosen is not None:
        return chosen
    raise ClusterAmbiguous(
        f"Several clusters of {w.config.host} have the name {wanted!r}.", remedy=_choices(wish, meant)
    )


def _pinned(w: WorkspaceClient, wish: Wish, pinned: Cluster, login: Login) -> ClusterSummary:
    try:
        return one_cluster(w, pinned.cluster_id, login)
    except ClusterUnknown as error:
        raise ClusterReplaced(
            f"The mirror {wish.mirror} is of the cluster {pinned.cluster_name} ({pinned.cluster_id}), which "
            f"{w.config.host} no longer has.",
            remedy=f"To mirror another cluster of that workspace from now on: dbmirror snapshot {wish.mirror} "
            "--switch-cluster, with --cluster and its name or id. To work with the last snapshot: "
            f"dbmirror build {wish.mirror} --frozen.",
        ) from error


def _other(wish: Wish, pinned: Cluster, other: ClusterSummary) -> ClusterReplaced:
    by = "--cluster names" if wish.option else "its section in dbmirror.toml names"
    return ClusterReplaced(
        f"The mirror {wish.mirror} is of the cluster {pinned.cluster_name} ({pinned.cluster_id}), and {by} another, "
        f"{other.cluster_name} ({other.cluster_id}).",
        remedy=f"To stay with {pinned.cluster_name}: dbmirror snapshot {wish.mirror} --cluster {pinned.cluster_id}. "
        f"To mirror {other.cluster_name} from now on: dbmirror snapshot {wish.mirror} --cluster {other.cluster_id} "
        f"--switch-cluster. To have both, give {other.cluster_name} a mirror of its own: a [mirrors.NAME] section with "
        f'cluster = "{other.cluster_id}" in dbmirror.toml.',
    )


def _choices(wish: Wish, clusters: Sequence[ClusterSummary]) -> str:
    first = clusters[0].cluster_id
    return (
        f"Name one: dbmirror snapshot {wish.mirror} --cluster {first}. The mirror stays with it. "
        f"There are: {_shown(clusters)}."
    )


def _shown(clusters: Sequence[ClusterSummary]) -> str:
    shown = [f"{c.cluster_id} ({c.cluster_name}, {c.state.lower()})" for c in clusters[:_MOST_SHOWN]]
    more = f" and {len(clusters) - _MOST_SHOWN} more" if len(clusters) > _MOST_SHOWN else ""
    return f"{', '.join(shown)}{more}"
