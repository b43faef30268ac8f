"""The base image of the driver and of mirrors made from the sandbox: Debian 12, pulled or made from Debian packages."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dbmirror.clones.own_records import Kind, remember
from dbmirror.engine.docker import run_docker
from dbmirror.engine.images import ImageUnavailable, ensure_image, inspect_image
from dbmirror.foreign_text.characters import last_line
from dbmirror.processes.programs import ProcessFailed, run
from dbmirror.processes.temporary import temporary_folder
from dbmirror.progress import SILENT, Observer
from dbmirror.sandbox.errors import SandboxNotBuilt

BASE_IMAGE: Final = "dbmirror-sandbox/base:bookworm"
PULLED: Final = "pulled from Docker Hub"
MADE: Final = "made from Debian packages"
_OFFICIAL: Final = "debian:bookworm-slim"
_OR_LOAD: Final = f"or load the image with 'docker load' and name it {BASE_IMAGE}."
_PULL_SECONDS: Final = 15.0
_MAKE_SECONDS: Final = 900.0
_CONTENTS: Final = ("--include=ca-certificates",)
_SUITES: Final = ("bookworm", "bookworm-updates", "bookworm-security")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """A base image that is in the engine."""

    name: str
    image_id: str
    """`sha256:…`"""
    origin: str
    """PULLED or MADE."""


def ensure_base(*, observer: Observer = SILENT) -> BaseImage:
    """The base image, from the engine if it is there, else pulled within 15 s, else made with mmdebstrap.

    Its id is remembered: a mirror on it needs no question.

    Raises SandboxNotBuilt where neither way works, saying what to install; EngineError where Docker does not answer.
    """
    found = _found()
    if found is not None:
        remember(Kind.SANDBOX_BASE, found.image_id.encode())
        return found
    observer.started("base image")
    try:
        ensure_image(_OFFICIAL, observer=observer, timeout=_PULL_SECONDS)
        run_docker(["docker", "tag", _OFFICIAL, BASE_IMAGE])
    except ImageUnavailable as error:
        observer.note(f"{error.message} It is made from Debian packages instead.")
        _make(observer)
    made = _found()
    if made is None:
        raise SandboxNotBuilt(f"{BASE_IMAGE} was made, but the engine does not have it.")
    remember(Kind.SANDBOX_BASE, made.image_id.encode())
    observer.finished("base image", f"{made.name}, {made.origin}")
    return made


def debian_sources(folder: Path = Path("/etc/apt")) -> list[str]:
    """The `deb` lines for Debian 12 in this machine's apt sources, of both formats; empty where it has none."""
    entries: list[str] = []
    for path in sorted([folder / "sources.list", *folder.glob("sources.list.d/*")]):
        if path.suffix == ".sources":
            entries += _deb822(path.read_text(errors="replace"))
        elif path.suffix == ".list" and path.is_file():
            entries += _one_line(path.read_text(errors="replace"))
    return list(dict.fromkeys(entries))


def _found() -> BaseImage | None:
    image = inspect_image(BASE_IMAGE)
    if image is None:
        return None
    made = image.labels.get("dev.dbmirror.base") == "mmdebstrap"
    return BaseImage(name=BASE_IMAGE, image_id=image.image_id, origin=MADE if made else PULLED)


def _make(observer: Observer) -> None:
    if shutil.which("mmdebstrap") is None:
        raise SandboxNotBuilt(
            f"{_OFFICIAL} cannot be pulled, and mmdebstrap, which makes such an image from packages, is not installed.",
            remedy=f"Install it with 'sudo apt-get install mmdebstrap uidmap', {_OR_LOAD}",
        )
    if os.geteuid() != 0 and shutil.which("newuidmap") is None:
        raise SandboxNotBuilt(
            f"{_OFFICIAL} cannot be pulled, and mmdebstrap, which makes such an image from packages, needs newuidmap "
            "where it does not run as root.",
            remedy=f"Install it with 'sudo apt-get install uidmap', {_OR_LOAD}",
        )
    observer.advanced("base image", "making it with mmdebstrap")
    with temporary_folder("base") as folder:
        archive = str(folder / "base.tar")
        # What documentation there is goes, as in Docker Hub's image; licences stay.
        excluded = [f"path-exclude=/usr/share/{part}/*" for part in ("man", "info", "doc", "locale", "lintian")]
        options = [f"--dpkgopt={option}" for option in (*excluded, "path-include=/usr/share/doc/*/copyright")]
        try:
            run(
                ["mmdebstrap", "--variant=minbase", *options, *_CONTENTS, "bookworm", archive, *debian_sources()],
                timeout=_MAKE_SECONDS,
            )
        except ProcessFailed as error:
            raise SandboxNotBuilt(
                f"mmdebstrap could not make {BASE_IMAGE}: {_last_error(error.output) or error.message}",
                remedy="Check that this machine reaches its Debian mirror ('apt-get update'), and try again.",
            ) from error
        changes = [
            "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            'CMD ["bash"]',
            "LABEL dev.dbmirror.base=mmdebstrap",
        ]
        run_docker(
            ["docker", "import", *(part for change in changes for part in ("--change", change)), archive, BASE_IMAGE]
        )


def _one_line(text: str) -> list[str]:
    entries = []
    for line in text.splitlines():
        fields = line.split("#")[0].split()
        if not fields or fields[0] != "deb":
            continue
        fields = fields[1:]
        if fields and fields[0].startswith("["):
            while fields and not fields.pop(0).endswith("]"):
                pass
        if len(fields) >= 3 and fields[1] in _SUITES and "main" in fields[2:]:
            entries.append(f"deb {fields[0]} {fields[1]} main")
    return entries


def _deb822(text: str) -> list[str]:
    entries = []
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in lines.split("\n\n"):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')} {line.strip()}"
            else:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in {"no", "false"}:
            continue
        if "main" not in fields.get("components", "").split():
            continue
        entries += [
            f"deb {uri} {suite} main"
            for uri in fields.get("uris", "").split()
            for suite in fields.get("suites", "").split()
            if suite in _SUITES
        ]
    return entries


def _last_error(text: str) -> str:
    """Apt's own last error; else the last line."""
    errors = [line for line in text.splitlines() if line.startswith("E:")]
    return last_line(errors[-1] if errors else text)
