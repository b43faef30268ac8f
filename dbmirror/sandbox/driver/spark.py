"""A driver that runs Spark: its image, on top of any of the sandbox's drivers, and the wait until Spark answers."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import docker
import docker.errors

from dbmirror.engine.buildx import build
from dbmirror.engine.failures import BuildFailed
from dbmirror.engine.images import inspect_image
from dbmirror.files import digest_of, sha256_hex
from dbmirror.processes.temporary import temporary_folder
from dbmirror.progress import SILENT, Observer
from dbmirror.sandbox.driver.image import REPOSITORY, DriverImage, index_secrets
from dbmirror.sandbox.errors import SandboxNotBuilt

CONNECT_PORT: Final = 15002
"""Where Spark's Connect server listens on the driver's loopback: `sc://127.0.0.1:15002`."""
_START_SECONDS: Final = 120.0


def ensure_spark_image(driver: DriverImage, *, ca_bundle: Path | None, observer: Observer = SILENT) -> DriverImage:
    """`driver` with a Spark Connect server and the cluster's Spark client, from the engine or else built.

    The build fetches PySpark's sources (430 MB) once. Raises SandboxNotBuilt, or EngineError where Docker fails.
    """
    context = _context()
    inputs = {path: sha256_hex(content) for path, content in context.items()}
    digest = digest_of({"context": inputs, "driver": driver.name})
    name = f"{REPOSITORY}:15.4-spark-{digest.removeprefix('sha256:')[:12]}"
    if inspect_image(name) is None:
        with temporary_folder("spark") as folder:
            for path, content in context.items():
                target = folder / "context" / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            try:
                build(
                    folder / "context",
                    tags=[name],
                    labels={},
                    secrets=index_secrets(folder, ca_bundle),
                    build_arguments={"DRIVER": driver.name},
                    observer=observer,
                )
            except BuildFailed as error:
                raise SandboxNotBuilt(
                    f"The sandbox's driver with Spark could not be built: {error.message}", remedy=error.remedy
                ) from error
    return replace(driver, name=name)


def await_spark(connected: docker.DockerClient, container: str) -> None:
    """Return when the Spark of the driver in `container` answers, within two minutes. Raises SandboxNotBuilt."""
    probe = ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{CONNECT_PORT}"]
    deadline = time.monotonic() + _START_SECONDS
    try:
        found = connected.containers.get(container)
        while time.monotonic() < deadline:
            if found.exec_run(probe).exit_code == 0:
                return
            time.sleep(0.5)
        said = found.logs(tail=3).decode(errors="replace").strip()
    except docker.errors.APIError as error:
        raise SandboxNotBuilt(f"The driver's container {container} is gone: {error.explanation}.") from error
    raise SandboxNotBuilt(
        f"Spark does not answer on the driver within {_START_SECONDS:.0f} s: {said}",
        remedy="It needs about 1.5 GB of memory: see that this machine has that much to spare.",
    )


def _context() -> dict[str, bytes]:
    here = resources.files(__package__)
    files = {"with-index": (here / "with-index").read_bytes()}

    def add(folder: Traversable, prefix: str) -> None:
        for entry in folder.iterdir():
            if entry.is_dir():
                add(entry, f"{prefix}{entry.name}/")
            else:
                files[f"{prefix}{entry.name}"] = entry.read_bytes()

    add(here / "spark", "")
    return dict(sorted(files.items()))
