"""Which cluster a mirror is of: named, pinned by its snapshot, the only one, or chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient

from dbmirror.snapshot import Cluster
from dbmirror.workspace import errors
from dbmirror.workspace.choice import Ask, Wish, choose_cluster
from dbmirror.workspace.mirrorable import ClusterSummary, Fits, Login
from tests.workspace.conftest import Workspace, a_cluster

ID = "0101-120000-abcdefgh"
OTHER = "0202-130000-abcdefgh"
CLOSED = {"ssh_public_keys": [], "data_security_mode": "USER_ISOLATION"}
"""Neither SSH nor the workspace's API leads to such a cluster's driver."""
PINNED = Cluster(cluster_id=ID, cluster_name="analytics", spark_version="15.4.x-scala2.12")


def hold(workspace: Workspace, *clusters: dict[str, Any]) -> None:
    workspace.clusters = {cluster["cluster_id"]: cluster for cluster in clusters}


def chosen(w: WorkspaceClient, *, ask: Ask | None = None, **wish: Any) -> ClusterSummary:
    return choose_cluster(w, Wish(mirror="demo", **wish), login=Login(profile="demo"), ask=ask)


def test_a_cluster_is_found_by_its_id_or_name(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster(), a_cluster(OTHER, cluster_name="other"))
    assert chosen(w, option=ID).cluster_name == "analytics"
    assert chosen(w, section="other").cluster_id == OTHER
    assert chosen(w, profile="other").cluster_id == OTHER
    assert chosen(w, option="analytics", section="other", profile="other").cluster_id == ID


def test_an_unknown_cluster_lists_the_choices(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster())
    for wanted in ("nothing", "0101-120000-none"):
        with pytest.raises(errors.ClusterUnknown, match=f"no cluster '{wanted}'") as caught:
            chosen(w, option=wanted)
        assert f"{ID} (analytics, running)" in caught.value.remedy


def test_an_ambiguous_name_says_the_option(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster("1-a", state="TERMINATED"), a_cluster("1-b"))
    with pytest.raises(errors.ClusterAmbiguous, match="the name 'analytics'") as caught:
        chosen(w, section="analytics")
    assert caught.value.remedy == (
        "Name one: dbmirror snapshot demo --cluster 1-a. The mirror stays with it. "
        "There are: 1-a (analytics, terminated), 1-b (analytics, running)."
    )


def test_without_a_name_the_only_one_that_can_be_mirrored_is_meant(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster("1-a", **CLOSED), a_cluster("1-b", cluster_name="b"))
    assert chosen(w).cluster_id == "1-b"


def test_of_several_none_is_taken_because_it_runs(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster("1-a", state="TERMINATED", cluster_name="a"), a_cluster("1-b", cluster_name="b"))
    with pytest.raises(errors.ClusterAmbiguous, match=r"2 clusters of .* can be mirrored") as caught:
        chosen(w)
    assert "--cluster 1-a" in caught.value.remedy
    assert "--start" not in caught.value.remedy


def test_of_several_somebody_chooses(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster("1-a"), a_cluster("1-b"), a_cluster("1-c", **CLOSED))
    asked: list[tuple[int, int]] = []

    def ask(clusters: Sequence[ClusterSummary], fits: Fits) -> ClusterSummary | None:
        asked.append((len(clusters), len([*filter(fits, clusters)])))
        return clusters[1]

    assert chosen(w, ask=ask).cluster_id == "1-b"
    assert asked == [(3, 2)], "those that cannot be mirrored are shown, too"
    with pytest.raises(errors.ClusterAmbiguous):
        chosen(w, ask=lambda *_: None)


def test_without_any_that_can_be_mirrored_it_says_so(w: WorkspaceClient, workspace: Workspace) -> None:
    with pytest.raises(errors.ClusterUnknown, match="that can be mirrored"):
        chosen(w)
    hold(workspace, a_cluster(**CLOSED))
    with pytest.raises(errors.ClusterUnknown, match="that can be mirrored"):
        chosen(w)


# A mirror that has a snapshot


def test_a_mirror_stays_with_its_cluster_when_another_one_runs(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster(state="TERMINATED"), a_cluster(OTHER, cluster_name="other"))
    assert chosen(w, pinned=PINNED).cluster_id == ID
    assert chosen(w, pinned=PINNED, profile=OTHER).cluster_id == ID, "the profile's default is not the mirror's"


def test_of_two_of_a_name_the_pinned_one_is_meant(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster(), a_cluster(OTHER))
    assert chosen(w, section="analytics", pinned=PINNED).cluster_id == ID


def test_a_cluster_that_was_renamed_is_still_the_mirrors(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster(cluster_name="renamed"))
    assert chosen(w, pinned=PINNED).cluster_name == "renamed"


@pytest.mark.parametrize("named", [{"option": "other"}, {"option": OTHER}, {"section": "other"}])
def test_another_cluster_is_an_error_with_the_choice(
    w: WorkspaceClient, workspace: Workspace, named: dict[str, str]
) -> None:
    hold(workspace, a_cluster(), a_cluster(OTHER, cluster_name="other"))
    with pytest.raises(errors.ClusterReplaced, match=f"is of the cluster analytics .{ID}.") as caught:
        chosen(w, pinned=PINNED, **named)
    assert f"dbmirror snapshot demo --cluster {ID}." in caught.value.remedy
    assert f"dbmirror snapshot demo --cluster {OTHER} --switch-cluster" in caught.value.remedy
    assert f'cluster = "{OTHER}"' in caught.value.remedy


def test_a_switch_that_is_asked_for_is_made(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster(), a_cluster(OTHER, cluster_name="other"))
    assert chosen(w, pinned=PINNED, option="other", switch=True).cluster_id == OTHER
    assert chosen(w, pinned=PINNED, section="other", switch=True).cluster_id == OTHER


def test_a_pinned_cluster_that_is_gone_is_not_replaced(w: WorkspaceClient, workspace: Workspace) -> None:
    hold(workspace, a_cluster(OTHER, cluster_name="analytics"))
    with pytest.raises(errors.ClusterReplaced, match="no longer has") as caught:
        chosen(w, pinned=PINNED)
    assert "--switch-cluster" in caught.value.remedy
