"""The driver's image: its build context from this folder's files and the sandbox's own packages, and its build."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import docker
import docker.errors
import msgspec

from dbmirror.engine.buildx import build
from dbmirror.engine.failures import BuildFailed
from dbmirror.engine.images import inspect_image
from dbmirror.files import digest_of, sha256_hex
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.processes.temporary import temporary_folder
from dbmirror.progress import SILENT, Observer
from dbmirror.sandbox.base import BaseImage
from dbmirror.sandbox.driver.jars import jars
from dbmirror.sandbox.driver.packages import PackageList
from dbmirror.sandbox.driver.r import r_context, r_published
from dbmirror.sandbox.driver.repository import metrics
from dbmirror.sandbox.driver.wheels import calendar, forecast, numbers
from dbmirror.sandbox.errors import SandboxNotBuilt

REPOSITORY: Final = "dbmirror-sandbox/driver"
_REPORT: Final = "/usr/share/dbmirror-sandbox/report.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverImage:
    """An image of the driver that is in the engine."""

    name: str
    """Its tag ends in a digest of all that it is made from."""
    pins: int
    missing: tuple[tuple[str, str], ...]
    """Each pin that it lacks, with the reason; sorted."""


def published(*, r: bool = False) -> dict[str, bytes]:
    """What the workspace serves for the driver's build and a mirror's, path to content.

    A wheel and a git repository; with `r` a CRAN-like repository and one more of git.
    """
    name, content = calendar()
    files = {f"/files/{name}": content}
    files |= {f"/git/metrics.git/{path}": content for path, content in metrics().files.items()}
    return files | r_published() if r else files


def ensure_driver_image(
    connected: docker.DockerClient,
    *,
    base: BaseImage,
    packages: PackageList,
    files_url: str,
    ca_bundle: Path | None,
    r: bool = False,
    observer: Observer = SILENT,
) -> DriverImage:
    """The driver's image for `packages`, from the engine if one of just these inputs is there, else built.

    `files_url` is where the build's steps reach what `published` says; `ca_bundle` a PEM file of certificate
    authorities for the build; `r` asks for R and R packages on it. Raises SandboxNotBuilt where the build fails,
    EngineError where Docker does.
    """
    context = _context(packages, files_url if r else None)
    arguments = {
        "BASE": base.name,
        "FILES_URL": files_url,
        "COMMIT": metrics().commit,
        "HEADERS": " ".join(packages.headers),
        **({"VARIANT": "r"} if r else {}),
    }
    inputs = {path: [mode, sha256_hex(content)] for path, (mode, content) in context.items()}
    digest = digest_of({"context": inputs, "arguments": arguments, "base": base.image_id})
    name = f"{REPOSITORY}:15.4-{digest.removeprefix('sha256:')[:12]}"
    if inspect_image(name) is None:
        with ExitStack() as stack:
            folder = stack.enter_context(temporary_folder("driver"))
            for path, (mode, content) in context.items():
                target = folder / "context" / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
                target.chmod(mode)
            try:
                build(
                    folder / "context",
                    tags=[name],
                    labels={},
                    secrets=index_secrets(folder, ca_bundle),
                    build_arguments=arguments,
                    observer=observer,
                )
            except BuildFailed as error:
                raise SandboxNotBuilt(
                    f"The sandbox's driver could not be built: {error.message}", remedy=error.remedy
                ) from error
    return _read_report(connected, name)


def _context(packages: PackageList, r_files_url: str | None) -> dict[str, tuple[int, bytes]]:
    """The build context: path to mode and content. With the workspace's address it has what R needs, too."""
    here = resources.files(__package__)
    names = ("Dockerfile", "with-index", "build-constraints.txt", "collect.py", "missing_pins.py")
    files = {name: (here / name).read_bytes() for name in names}
    files |= {f"root/{path}": content for path, content in _tree(here / "root")}
    files |= {f"root/databricks/jars/{name}": content for name, content in jars()}
    files["packages.txt"] = packages.text.encode()
    for folder, (name, content) in (("volume", forecast()), ("private", numbers())):
        files[f"{folder}/{name}"] = content
    if r_files_url is not None:
        files |= dict(r_context(r_files_url))
    # An installed package keeps no modes: a program is known by its first line.
    return {path: (0o755 if content.startswith(b"#!") else 0o644, content) for path, content in sorted(files.items())}


def _tree(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _tree(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry.read_bytes()


def index_secrets(folder: Path, ca_bundle: Path | None) -> dict[str, Path]:
    """The build's secrets: a private certificate authority and this machine's index, which is written into `folder`."""
    secrets = {"ca-bundle": ca_bundle} if ca_bundle else {}
    names = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
    index = next((value for value in map(os.environ.get, names) if value), None)
    if index:
        file = folder / "index-url"
        file.touch(mode=0o600)
        file.write_text(index)
        secrets["index-url"] = file
    return secrets


class _Report(msgspec.Struct, frozen=True):
    """The report that the image's own build leaves in it."""

    pins: int
    missing: dict[str, str]


def _read_report(connected: docker.DockerClient, name: str) -> DriverImage:
    """What the image says of its own packages, read from a container that never starts."""
    try:
        container = connected.containers.create(name)
        try:
            chunks, _ = container.get_archive(_REPORT)
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                member = archive.extractfile(archive.getmembers()[0])
                report = decode_json(member.read() if member else b"", _Report)
        finally:
            container.remove(force=True)
        return DriverImage(name=name, pins=report.pins, missing=tuple(sorted(report.missing.items())))
    except (docker.errors.DockerException, tarfile.TarError, IndexError, KeyError, msgspec.DecodeError) as error:
        raise SandboxNotBuilt(
            f"The image {name} does not say what is in it.", remedy=f"Remove it with 'docker image rm {name}'."
        ) from error
