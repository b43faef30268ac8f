"""The stand-in's libraries go through the states of the Libraries API."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue
from databricks.sdk.service.compute import Library, LibraryInstallStatus, MavenLibrary, PythonPyPiLibrary

from dbmirror.sandbox.workspace.fleet import Fleet
from dbmirror.sandbox.workspace.libraries import Libraries

ID = "1-2-first"


def test_after_a_start_libraries_are_on_their_way_one_behind_the_other(fleet: Fleet) -> None:
    fleet.open()
    started = fleet.get(ID)["last_restarted_time"] / 1000
    now = [started]
    installed = [{"library": {"pypi": {"package": f"p{n}"}}, "status": "INSTALLED"} for n in range(3)]
    libraries = Libraries(fleet, installed, settling=6.0, now=lambda: now[0])

    def states(seconds: float) -> list[str]:
        now[0] = started + seconds
        return [each["status"] for each in libraries.statuses(ID)]

    assert states(0.5) == ["PENDING", "PENDING", "PENDING"]
    assert states(2.5) == ["INSTALLING", "RESOLVING", "PENDING"]
    assert states(4.5) == ["INSTALLED", "INSTALLED", "INSTALLING"]
    assert states(6.5) == ["INSTALLED", "INSTALLED", "INSTALLED"]


def test_a_library_that_is_uninstalled_stays_until_the_next_start(
    client: WorkspaceClient, fleet: Fleet, until: Callable[[Callable[[], bool]], None]
) -> None:
    fleet.open()
    six = Library(pypi=PythonPyPiLibrary(package="simplejson==3.19.2"))

    def state() -> LibraryInstallStatus | None:
        found = [each.status for each in client.libraries.cluster_status(ID) if each.library == six]
        return found[0] if found else None

    client.libraries.uninstall(ID, [six])
    assert state() is LibraryInstallStatus.UNINSTALL_ON_RESTART
    client.clusters.restart(ID)
    until(lambda: fleet.get(ID)["state"] == "RUNNING")
    assert state() is None


def test_what_is_not_there_cannot_be_uninstalled(client: WorkspaceClient) -> None:
    with pytest.raises(InvalidParameterValue, match="not installed"):
        client.libraries.uninstall(ID, [Library(pypi=PythonPyPiLibrary(package="nothing"))])


def test_a_jar_for_another_scala_is_skipped_and_the_rest_fails_with_its_reason(
    client: WorkspaceClient, fleet: Fleet
) -> None:
    fleet.open()
    jar = Library(maven=MavenLibrary(coordinates="com.acme:acme-udfs_2.13:1.0"))
    six = Library(pypi=PythonPyPiLibrary(package="six==1.16.0"))
    client.libraries.install(ID, [jar, six])
    found = {str(each.library): each for each in client.libraries.cluster_status(ID)}
    assert found[str(jar)].status is LibraryInstallStatus.SKIPPED
    assert found[str(six)].status is LibraryInstallStatus.FAILED
    assert "installs nothing" in " ".join(found[str(six)].messages or ())
