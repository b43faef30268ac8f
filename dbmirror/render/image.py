"""A lock as the build context of a cluster image: the Dockerfile of its flavour and all that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from dbmirror.config import MirrorName, Waiver
from dbmirror.filters.flavour import Flavour
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.lock.debs.model import DebianLock
from dbmirror.lock.model import AptPackage, BaseKind, CapturedWheel, GitSource, ImageLayer, Lock, LockedPackage
from dbmirror.lock.r.model import RLock
from dbmirror.render.context import BuildContext
from dbmirror.render.debian_packages import compilers_list, headers_list, native_packages, packages_list, system_list
from dbmirror.render.debian_steps import R_PREFERENCES, debian_groups, debian_steps, require_chosen_for
from dbmirror.render.dockerfile_templates import environment, shipped_folder
from dbmirror.render.errors import RenderError
from dbmirror.render.file_groups import BuildFile, file_groups, list_of
from dbmirror.render.image_labels import labels
from dbmirror.render.image_settings import ImageSettings
from dbmirror.render.r_layers import RPart, linked_r_files, r_file_groups, r_files, r_part, r_preferences
from dbmirror.render.requirements import build_line, build_requirement_lines, context_path, wheel_line
from dbmirror.runtimes.model import Runtime

_PYTHON_RELEASE = Annotated[str, Meta(pattern=r"\A3\.\d+\Z")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """The packages of one image layer, by how they get there."""

    name: ImageLayer
    wheels: tuple[LockedPackage, ...]
    captured: tuple[LockedPackage, ...]
    builds: tuple[LockedPackage, ...]

    @property
    def sources(self) -> bool:
        return any(isinstance(package.source, GitSource) for package in self.builds)

    @property
    def fetched_sources(self) -> bool:
        return any(package.build_requires or not isinstance(package.source, GitSource) for package in self.builds)

    @property
    def headers(self) -> bool:
        return any(
            package.name in native_packages() and native_packages()[package.name].build for package in self.builds
        )


def render(
    lock: Lock,
    runtime: Runtime,
    *,
    mirror: str,
    settings: ImageSettings | None = None,
    r_lock: RLock | None = None,
    flavour: Flavour = Flavour.PYTHON,
    debian: DebianLock | None = None,
) -> BuildContext:
    """The context that builds the image of `lock`; the same arguments give the same bytes.

    A flavour with R needs `r_lock`; the flavour `r` takes base, target and snapshot from a `lock` without packages.
    Without `debian` it is no more than a draft, by which those are chosen: `debian_steps` of its files.
    The context lacks the files of `linked_files(lock, r_lock)`, which the caller puts there. Raises RenderError where
    a value is hostile or cannot be installed, where `debian` is of other steps, or where the base cannot carry the
    runtime, its Python or its R.
    """
    settings = settings or ImageSettings()
    lock, waivers = _validated(lock, Lock), _validated(settings.waivers, tuple[Waiver, ...])
    mirror = _validated(mirror, MirrorName)
    python = _validated(lock.target.python.rpartition(".")[0], _PYTHON_RELEASE)
    r_lock = _validated(r_lock, RLock | None)
    _require_halves(lock, r_lock, flavour)
    official = lock.base.kind is BaseKind.OFFICIAL
    layers = _layers(lock)
    builds = tuple(layer for layer in layers if layer.builds)
    files = _shipped_files(tools=flavour.has_python or not official) | _layer_files(layers)
    apt_packages = packages_list(lock.packages, lock.base)
    if apt_packages:
        files["apt/packages.txt"] = apt_packages
    if builds:
        files["apt/compilers.txt"] = compilers_list(lock.base, python=python, official=official)
        for layer in builds:
            if layer.headers:
                files[f"apt/build-{layer.name}.txt"] = headers_list(layer.builds, lock.base)
    if not official:
        files["apt/system.txt"] = system_list(runtime, lock.base, python=python)
        files |= _environment_files(runtime, lsp=flavour.has_python)
    part: RPart | None = None
    if r_lock is not None:
        repository = settings.r_repository
        part = r_part(r_lock)
        files |= r_files(part, r_lock, lock.base, repository=repository)
        files[R_PREFERENCES] = r_preferences(r_lock.r_version)
    debian = _validated(debian, DebianLock | None)
    if debian is not None:
        steps = debian_steps({name: content.encode() for name, content in files.items()})
        require_chosen_for(steps, debian, mirror=mirror)
    groups = all_file_groups(lock, runtime, flavour=flavour, r_lock=r_lock, debian=debian)
    files |= {f"files/{group}.tsv": list_of(group_files) for group, group_files in groups.items()}
    files["Dockerfile"] = (
        environment(*(shipped_folder("images") / name for name in dict.fromkeys((flavour, "r", "python"))))
        .get_template("Dockerfile.j2")
        .render(
            base=lock.base.reference,
            official=official,
            python=python,
            interpreter="/databricks/python3/bin/python" if official else f"python{python}",
            fips_override=runtime.needs_fips_override,
            builds=builds,
            layers=layers,
            r=part,
            image_layers=_image_layers(layers, part),
            apt_packages=bool(apt_packages),
            groups=groups,
            mirror=mirror,
            labels=labels(lock, r_lock, debian=debian, mirror=mirror, waivers=waivers, flavour=flavour),
        )
    )
    files[".dockerignore"] = _allow_list(files, linked_files(lock, r_lock))
    return BuildContext({name: content.encode() for name, content in files.items()})


def all_file_groups(
    lock: Lock, runtime: Runtime, *, flavour: Flavour, r_lock: RLock | None, debian: DebianLock | None
) -> Mapping[str, tuple[BuildFile, ...]]:
    """What the build fetches, or is handed, of all kinds: see `dbmirror.render.file_groups.file_groups`."""
    of_r = r_file_groups(r_lock, architecture=lock.target.architecture) if r_lock is not None else {}
    of_debian = debian_groups(debian) if debian is not None else {}
    return {**of_debian, **file_groups(lock, runtime, flavour=flavour), **of_r}


def linked_files(lock: Lock, r_lock: RLock | None = None) -> Mapping[str, str]:
    """Captured wheels and vendored sources: their place in the build context to that in the mirror's folder.

    The caller links or copies `wheels/FILE` to `image/wheels/LAYER/FILE`, and removes what is not listed.
    """
    files = {
        context_path(package, package.source): package.source.path
        for package in lock.packages
        if isinstance(package.source, CapturedWheel | GitSource)
    }
    return {**files, **(linked_r_files(r_lock) if r_lock is not None else {})}


def _require_halves(lock: Lock, r_lock: RLock | None, flavour: Flavour) -> None:
    again = "Make the lock again for this flavour."
    if flavour.has_r and r_lock is None:
        raise RenderError(f"An image of flavour {flavour} needs the lock's R half, and there is none.", remedy=again)
    if r_lock is not None and (not flavour.has_r or r_lock.snapshot != lock.snapshot):
        raise RenderError("The two halves of the lock do not belong to one image.", remedy=again)
    if lock.packages and not flavour.has_python:
        raise RenderError(f"An image of flavour {flavour} cannot have the lock's Python packages.", remedy=again)


def _image_layers(layers: tuple[_Layer, ...], part: RPart | None) -> list[tuple[Any, Any]]:
    """For each layer of the image its Python and its R packages, None for what it has not."""
    ours, theirs = ({layer.name: layer for layer in half} for half in (layers, part.layers if part else ()))
    return [(ours.get(name), theirs.get(name)) for name in ImageLayer if name in ours or name in theirs]


def _validated(value: Any, kind: Any) -> Any:
    """`value` taken apart and put together again, so that each part has the grammar that its type states."""
    try:
        return decode_json(msgspec.json.encode(value), kind)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise RenderError(
            f"A value of the lock is not valid: {error}.",
            remedy="Take the snapshot and make the lock again.",
        ) from error


def _layers(lock: Lock) -> tuple[_Layer, ...]:
    found = []
    for name in ImageLayer:
        packages = [p for p in lock.packages if p.layer is name and not isinstance(p.source, AptPackage)]
        packages.sort(key=lambda package: package.name)
        captured = tuple(p for p in packages if isinstance(p.source, CapturedWheel))
        wheels = tuple(p for p in packages if p.source.is_wheel and p not in captured)
        builds = tuple(p for p in packages if not p.source.is_wheel)
        if packages:
            found.append(_Layer(name=name, wheels=wheels, captured=captured, builds=builds))
    return tuple(found)


def _shipped_files(*, tools: bool) -> dict[str, str]:
    folder = shipped_folder("images") / "python"
    files = {f"scripts/{path.name}": path.read_text("utf-8") for path in sorted((folder / "scripts").iterdir())}
    if tools:
        files["requirements/build-tools.txt"] = (folder / "build-tools.txt").read_text("utf-8")
    return files


def _layer_files(layers: tuple[_Layer, ...]) -> dict[str, str]:
    files = {}
    for layer in layers:
        if layer.wheels:
            files[f"requirements/{layer.name}.txt"] = _lines(wheel_line(package) for package in layer.wheels)
        if layer.captured:
            files[f"requirements/{layer.name}.captured.txt"] = _lines(wheel_line(package) for package in layer.captured)
        if layer.builds:
            files[f"builds/{layer.name}/packages.tsv"] = _lines(build_line(package) for package in layer.builds)
        for package in layer.builds:
            required = _lines(build_requirement_lines(package))
            files[f"builds/{layer.name}/requirements/{package.name}.txt"] = required
    return files


def _environment_files(runtime: Runtime, *, lsp: bool) -> dict[str, str]:
    if not runtime.tool_requirements:
        raise RenderError(
            f"dbmirror does not know which virtualenv runtime {runtime.version} uses, and cannot make its environment.",
            remedy=f"Use the official base {runtime.official_image}.",
        )
    files = {"requirements/environments/tools.txt": _lines(runtime.tool_requirements)}
    if lsp and runtime.lsp_requirements:
        files["requirements/environments/python-lsp.txt"] = _lines(runtime.lsp_requirements)
    return files


def _allow_list(files: Mapping[str, str], linked: Mapping[str, str]) -> str:
    folders = sorted({name.partition("/")[0] for name in [*files, *linked] if "/" in name})
    return "# Only what the Dockerfile reads.\n*\n" + "".join(f"!{folder}\n" for folder in folders)


def _lines(lines: Any) -> str:
    return "".join(f"{line}\n" for line in lines)
