"""The lab of a mirror as files of its folder: compose.yaml, and the contexts of the lab's and the tunnel's images."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import jinja2
import msgspec
from msgspec import Meta

import dbmirror
from dbmirror.config import Memory, MirrorName, SparkRemote
from dbmirror.files import digest_of, sha256_hex
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.hosts.driver import DRIVER_PORT, DRIVER_USER
from dbmirror.lab_containers.tunnel.settings import MOST_JUMPS
from dbmirror.lock.lab import LabLock
from dbmirror.lock.model import BaseKind, Lock
from dbmirror.lock.python.lock_files import lock_digest
from dbmirror.render.context import BuildContext
from dbmirror.render.dockerfile_templates import environment, shipped_folder
from dbmirror.render.errors import RenderError
from dbmirror.render.file_groups import BuildFile
from dbmirror.render.lab_files import INSIDE, MISSING, fetched_files, lab_lists, python_release, tunnel_lists
from dbmirror.render.quoting import Quoted

OWNER_LABEL: Final = "dev.dbmirror.lab"
"""The label of all that compose.yaml makes; its value is the identity of the lab that it was made for."""
_UV_SCRIPTS: Final = ("install-build-tools.sh", "uv.sh")
"""Scripts of the cluster image's build that the lab's runs, too."""
ENVIRONMENT_PYTHON: Final = "/databricks/python3/bin/python"
_Host = Annotated[str, Meta(pattern=r"\A([A-Za-z0-9][A-Za-z0-9._-]*|[0-9A-Fa-f:.]+)\Z")]
_Word = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z")]
_User = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9._@+-]*\Z")]
_Port = Annotated[int, Meta(ge=1, le=65535)]
_Processes = Annotated[int, Meta(ge=64, le=4_194_304)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabSettings:
    """What of a mirror's configuration and cluster the lab's files state."""

    mirror: MirrorName
    cluster: _Word
    """The cluster's id, under which its host key is pinned."""
    host: _Host | None = None
    """The driver's address, where the configuration names one; None for what the workspace states."""
    port: _Port = DRIVER_PORT
    user: _User = DRIVER_USER
    forwards: tuple[_Port, ...] = (4040,)
    """Ports of the driver that the tunnel forwards; 4040 is Spark's user interface."""
    networks: tuple[_Word, ...] = ()
    """Docker networks of this machine that the driver is on; none for a driver elsewhere."""
    spark_remote: SparkRemote | None = None
    """Address of a Spark Connect server as the lab sees it; None for the workspace's."""
    memory: Memory | None = None
    """The most that the lab may take; None for what `lab up` makes of this machine's."""
    processes: _Processes = 4096
    """The most that may run in it at once, threads included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabFiles:
    """All that is rendered of a lab."""

    compose: bytes
    """compose.yaml."""
    lab: BuildContext
    tunnel: BuildContext
    examples: BuildContext
    """Notebooks to begin with, and the scripts that they are paired with."""
    lab_image: str
    """Tags that name what went into the images; the user's id is added by compose.yaml."""
    tunnel_image: str
    made_of: Mapping[str, str]
    """Which image the one of each context (`lab`, `tunnel`) is made of."""
    fetched: Mapping[str, tuple[BuildFile, ...]]
    """What the build of the lab's image is handed, in folders by their name."""


def render_lab(lock: Lock, *, image: str, settings: LabSettings, lab_lock: LabLock | None = None) -> LabFiles:
    """The lab of the mirror whose cluster image is `image`, built from `lock`; the same arguments give the same bytes.

    Without `lab_lock` the build of its image ends with the command that makes one.
    Raises RenderError where a value is hostile.
    """
    try:
        settings = decode_json(msgspec.json.encode(settings), LabSettings)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise RenderError(
            f"What the lab is to be made of has not the form that it must have: {error}.",
            remedy="Correct the mirror's section in dbmirror.toml.",
        ) from error
    shipped = shipped_folder("compose")
    templates = _templates(shipped)
    python = python_release(lock)
    official = lock.base.kind is BaseKind.OFFICIAL
    values = {
        "mirror": settings.mirror,
        "runtime": lock.runtime,
        "image": image,
        "base": lock.base.reference,
        "official": "yes" if official else "",
        "interpreter": ENVIRONMENT_PYTHON if official else f"python{python}",
        "lock": lock_digest(lock),
        "description": f"JupyterLab in the mirror of a Databricks cluster on runtime {lock.runtime}",
    }
    lab = BuildContext({**_lab_context(shipped, templates, values), **lab_lists(settings.mirror, lab_lock)})
    tunnel = BuildContext({**_tunnel_context(shipped, templates, values), **tunnel_lists(settings.mirror, lab_lock)})
    repository, _, tag = image.rpartition(":")
    lab_image = f"{repository}-lab:{tag}-{_digest(lab)}"
    tunnel_image = f"dbmirror/tunnel:{_digest(tunnel)}"
    project = f"dbmirror-{settings.mirror.replace('.', '-')}"
    compose = templates.get_template("compose.yaml.j2").render(
        **values,
        **{
            name: getattr(settings, name)
            for name in ("cluster", "host", "port", "user", "networks", "spark_remote", "processes")
        },
        forwards=tuple(dict.fromkeys(settings.forwards)),
        jumps=tuple(range(1, MOST_JUMPS + 1)),
        project=project,
        owner_label=OWNER_LABEL,
        memory=settings.memory or "8g",
        lab_image=f"{lab_image}-u${{DBMIRROR_LAB_UID:-1000}}",
        tunnel_image=f"{tunnel_image}-u${{DBMIRROR_LAB_UID:-1000}}",
    )
    return LabFiles(
        compose=compose.encode(),
        lab=lab,
        tunnel=tunnel,
        examples=BuildContext(_examples()),
        lab_image=lab_image,
        tunnel_image=tunnel_image,
        made_of={"lab": image, "tunnel": lock.base.reference},
        fetched=fetched_files(lab_lock),
    )


def _lab_context(shipped: Path, templates: jinja2.Environment, values: Mapping[str, str]) -> dict[str, bytes]:
    folder = shipped / "lab"
    files = {
        "Dockerfile": templates.get_template("lab/Dockerfile.j2").render(**values).encode(),
        **_scripts(
            shipped / "scripts",
            *("add-user.sh", "create-lab.sh", "fetched.sh", "finish-lab.sh", "install-debs.sh", "install-irkernel.sh"),
            *("left-out.sh", "try-kernel.py"),
        ),
        **_scripts(shipped_folder("images") / "python" / "scripts", *_UV_SCRIPTS),
        **_tree(folder / "server", "server"),
        **_tree(folder / "etc", "etc"),
        **_tree(folder / "home", "home"),
        **_tree(folder / "settings", "settings"),
        **_inside_files(),
    }
    for start, prefix in ((folder, "lab/"), (INSIDE, "")):
        for name, content in _tree(start / "kernels", "kernels").items():
            rendered = name.removesuffix(".j2")
            is_template = rendered != name
            files[rendered] = (
                templates.get_template(f"{prefix}{name}").render(**values).encode() if is_template else content
            )
    return files


def _inside_files() -> dict[str, bytes]:
    """What runs in the lab's containers."""
    return {
        f"inside/{name}": content
        for folder in sorted(INSIDE.glob("dbmirror_lab*"))
        for name, content in _tree(folder, folder.name).items()
    }


def _tunnel_context(shipped: Path, templates: jinja2.Environment, values: Mapping[str, str]) -> dict[str, bytes]:
    return {
        "Dockerfile": templates.get_template("tunnel/Dockerfile.j2").render(**values).encode(),
        **_scripts(shipped / "scripts", "add-user.sh", "fetched.sh", "install-debs.sh"),
        **_tree(Path(dbmirror.__file__).parent / "lab_containers" / "tunnel", "tunnel"),
    }


def _examples() -> dict[str, bytes]:
    paths = shipped_folder("examples").iterdir()
    return {path.name: path.read_bytes() for path in paths if path.suffix in {".ipynb", ".py"}}


def _scripts(folder: Path, *names: str) -> dict[str, bytes]:
    return {f"scripts/{name}": (folder / name).read_bytes() for name in names}


def _tree(folder: Path, name: str) -> dict[str, bytes]:
    """Every file below `folder`, but for byte code, under `name`."""
    return {
        f"{name}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _templates(folder: Path) -> jinja2.Environment:
    loaded = environment(folder, INSIDE)
    loaded.filters.update(
        yaml=_compose_string, number=_number, word_or_nothing=_word_or_nothing, json=_json, join=_join
    )
    return loaded


def _compose_string(value: str | None) -> Quoted:
    """`value` as a double-quoted YAML string; a `$` stands for itself, but in the one variable that is ours."""
    text = json.dumps(value or "").replace("$", "$$")
    return Quoted(text.replace("$${DBMIRROR_LAB_UID:-1000}", "${DBMIRROR_LAB_UID:-1000}"))


def _word_or_nothing(value: str | None) -> Quoted:
    if value and not re.fullmatch(r"[A-Za-z0-9:][A-Za-z0-9._:-]*", value):
        raise RenderError(f"{value[:80]!r} is no host.", remedy="Correct the mirror's section in dbmirror.toml.")
    return Quoted(value or "")


def _number(value: int) -> Quoted:
    return Quoted(str(int(value)))


def _json(value: str) -> Quoted:
    return Quoted(json.dumps(value))


def _join(values: tuple[int, ...], separator: str) -> str:
    return separator.join(map(str, values))


def _digest(context: BuildContext) -> str:
    """Of all that makes the image: what a build says that lacks its files names the mirror, and images are shared."""
    parts = {name: sha256_hex(content) for name, content in context.files.items() if name != MISSING}
    return digest_of(parts).removeprefix("sha256:")[:12]
