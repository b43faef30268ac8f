"""Bring the sandbox up, take it down, say how it stands."""

from __future__ import annotations

import shlex
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests

from dbmirror.engine.docker import client, unavailable
from dbmirror.folders import sandbox_folder, sandbox_profile_file, state_folder
from dbmirror.progress import SILENT, Observer
from dbmirror.sandbox import profile
from dbmirror.sandbox.base import ensure_base
from dbmirror.sandbox.driver.containers import container_name, remove_containers
from dbmirror.sandbox.driver.image import ensure_driver_image
from dbmirror.sandbox.driver.packages import PackageList, read_packages
from dbmirror.sandbox.driver.r import REPOSITORY_PATH
from dbmirror.sandbox.driver.spark import await_spark, ensure_spark_image
from dbmirror.sandbox.errors import SandboxRefused, WorkspaceNotAnswering
from dbmirror.sandbox.host_keys import forget_host_key, pin_host_key
from dbmirror.sandbox.network import ensure_network, remove_network, require_unused
from dbmirror.sandbox.registry.detached import read_detached, start_detached, stop_detached
from dbmirror.sandbox.registry.server import find_docker_registry
from dbmirror.sandbox.running_workspace import ensure_workspace, stop_workspace
from dbmirror.sandbox.state import Record, SandboxState, instance, only_one, read_record, write_record
from dbmirror.sandbox.workspace import process
from dbmirror.sandbox.workspace.catalogue import make_cluster_id

STAGE = "sandbox"
_REGISTRY_SECONDS = 7 * 24 * 3600.0
"""After a week the registry ends by itself; the next `up --registry` starts another."""


def up(
    *,
    name: str = "demo",
    packages: Path | None = None,
    r: bool = False,
    spark: bool = False,
    registry: bool = False,
    observer: Observer = SILENT,
    ca_bundle: Path | None = None,
) -> SandboxState:
    """Make the sandbox, or what is missing of it, and return when its cluster runs.

    `name` names the profile and the mirror; `packages` is a file of `name==version` lines for the driver instead of
    the project's own; `r` asks for a driver with R, `spark` for one that runs Spark, `registry` for a registry on
    loopback; `ca_bundle` is a PEM file of certificate authorities that the driver's build has to trust.
    Nothing is written outside `folders.state_folder()`. A second call finds all there and changes nothing.
    Raises SandboxRefused (a usage error), SandboxNotBuilt or EngineError (Docker), WorkspaceNotAnswering.
    """
    profile.require_free_name(name)
    wanted = read_packages(packages)
    if registry:
        find_docker_registry()
    with only_one(), closing(client(timeout=120)) as connected:
        require_same_name(name)
        observer.started(STAGE)
        try:
            record = _build(
                connected,
                name=name,
                packages=wanted,
                r=r,
                spark=spark,
                registry=registry,
                ca_bundle=ca_bundle,
                observer=observer,
            )
        except BaseException as error:
            if read_record() is None:
                stop_workspace()
                stop_detached(_registry_folder())
                shutil.rmtree(sandbox_folder(), ignore_errors=True)
            if isinstance(error, docker.errors.DockerException | requests.RequestException):
                raise unavailable(error) from error
            raise
    state = _state(record)
    for pin, reason in state.missing:
        observer.warn(f"The driver lacks {pin}: {reason}.")
    observer.finished(STAGE, f"driver at {state.driver_address}, workspace at {state.workspace_url}")
    return state


def down(observer: Observer = SILENT) -> None:
    """Remove the sandbox's containers, network, process and files; its images stay, for the next `up` to be fast.

    What is not there is no error. Raises SandboxRefused where a lab is still on the network, and EngineError where
    Docker does not answer: then all of it stays.
    """
    folder = sandbox_folder()
    with only_one(), closing(client(timeout=120)) as connected:
        try:
            require_unused(connected, instance())
            observer.started(STAGE)
            stop_workspace()
            stop_detached(_registry_folder())
            remove_containers(connected, instance())
            remove_network(connected, instance())
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise unavailable(error) from error
        if record := read_record():
            forget_host_key(record.cluster_id)
        shutil.rmtree(folder, ignore_errors=True)
        observer.finished(STAGE, "removed; its images stay")


def status() -> SandboxState | None:
    """How the sandbox stands at this moment; None where there is none."""
    record = read_record()
    return None if record is None else _state(record)


def _build(
    connected: docker.DockerClient,
    *,
    name: str,
    packages: PackageList,
    r: bool,
    spark: bool,
    registry: bool,
    ca_bundle: Path | None,
    observer: Observer,
) -> Record:
    """Make what is missing and write it down; the record of what is there then."""
    base = ensure_base(observer=observer)
    first_id = make_cluster_id(instance(), name, packages.text, f"r={r}", f"spark={spark}")
    settings, running = ensure_workspace(connected, name, first_id, r=r, observer=observer)
    image = ensure_driver_image(
        connected,
        base=base,
        packages=packages,
        files_url=settings.files_url,
        ca_bundle=ca_bundle,
        r=r,
        observer=observer,
    )
    if spark:
        image = ensure_spark_image(image, ca_bundle=ca_bundle, observer=observer)
    if running is not None and running != image.name:
        # Another image is another driver with another host key: what was pinned for the old one ends.
        observer.note(
            f"The driver's packages are to be others than those of the sandbox's cluster {settings.cluster_id}: "
            "another cluster takes its place."
        )
        stop_workspace()
        settings, _ = ensure_workspace(connected, name, first_id, r=r, observer=observer)
    observer.advanced(STAGE, "starting the driver")
    process.ask(settings.port, settings.token, "open", {"image": image.name})
    if spark:
        observer.advanced(STAGE, "starting Spark")
        await_spark(connected, container_name(instance(), settings.cluster_id))
    pin_host_key(connected, settings)
    if registry:
        observer.advanced(STAGE, "starting the registry")
        start_detached("dockerhub", folder=_registry_folder(), lifetime=_REGISTRY_SECONDS)
    identity_file, _ = profile.ensure_key(name)
    profile.write_profile(name=name, host=_url(settings.port), token=settings.token, cluster_id=settings.cluster_id)
    profile.write_mirror(
        name=name,
        cluster_id=settings.cluster_id,
        base=base.name,
        identity_file=identity_file,
        network=ensure_network(connected, instance()).name,
        files_url=settings.files_url,
        r_repository=f"{settings.files_url}{REPOSITORY_PATH}" if r else None,
        spark=spark,
        registry=read_detached(_registry_folder()),
    )
    record = Record(
        profile=name,
        port=settings.port,
        addresses=settings.addresses,
        cluster_id=settings.cluster_id,
        base_image=base.name,
        base_origin=base.origin,
        driver_image=image.name,
        pins=image.pins,
        missing=image.missing,
    )
    write_record(record)
    return record


def _state(record: Record) -> SandboxState:
    cluster: dict[str, Any] = {}
    try:
        listed = process.ask(record.port, process.read_token(sandbox_folder()), "state", timeout=5)["clusters"]
        cluster = next((each for each in listed if each["cluster_id"] == record.cluster_id), {})
    except WorkspaceNotAnswering:
        pass
    address = cluster.get("driver", {}).get("private_ip")
    return SandboxState(
        profile=record.profile,
        profile_file=sandbox_profile_file(),
        workspace_url=_url(record.port),
        workspace_answers=bool(cluster),
        cluster_id=record.cluster_id,
        cluster_state=cluster.get("state"),
        driver_container=container_name(instance(), record.cluster_id) if address else None,
        driver_address=address,
        driver_image=record.driver_image,
        base_image=record.base_image,
        base_origin=record.base_origin,
        pins=record.pins,
        missing=record.missing,
        registry=running.host if (running := read_detached(_registry_folder())) else None,
    )


def require_same_name(name: str) -> None:
    """Raises SandboxRefused where this home has a sandbox of another name, which `name` would end."""
    record = read_record()
    if (
        record is None
        or record.profile == name
        or not process.answers(record.port, process.read_token(sandbox_folder()))
    ):
        return
    raise SandboxRefused(
        f"This home has the sandbox {record.profile} already, and a home has one: {name} would end it.",
        remedy=f"To replace it: dbmirror sandbox down && dbmirror sandbox up --name {name}. To have both, give {name} "
        f"a home of its own: DBMIRROR_HOME={shlex.quote(str(state_folder()))}-{name} dbmirror sandbox up --name "
        f"{name}",
    )


def _registry_folder() -> Path:
    return sandbox_folder() / "registry"


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"
