"""Many mirrors as one bake file for `docker buildx bake`: to be committed, and read on any machine and builder.

The file stands beside dbmirror.toml. From that folder, on this machine or in a pipeline, with no dbmirror at hand:

    docker buildx bake                          every mirror, in parallel, into the engine
    docker buildx bake demo                     one of them
    docker buildx bake --builder kube --push    on the nodes of a Kubernetes builder, straight to a registry

('kube' was made once, with `docker buildx create --name kube --driver kubernetes`.)
A remote builder reads the base image from a registry, not from this machine's engine, and `--push` sends to the
registry that the tags name ([mirrors.NAME] image = "registry.example/team/demo"); what it pushes is not verified.
The build's secrets are files that variables of the environment name; a build has no secret whose variable is unset:

    DBMIRROR_CA_BUNDLE=/etc/ssl/corporate.pem docker buildx bake

From 0.20 on buildx asks before it reads a file outside of the folder: add `--allow fs.read=/etc/ssl/corporate.pem`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec

from dbmirror.config import MirrorName
from dbmirror.files import canonical_json
from dbmirror.foreign_text.decoding import convert
from dbmirror.render.errors import RenderError

FILE_NAME: Final = "docker-bake.json"
"""One of the names that `docker buildx bake` looks for by itself."""
PLATFORM: Final = "linux/amd64"
SECRET_VARIABLES: Final = {
    "ca-bundle": "DBMIRROR_CA_BUNDLE",
    "netrc": "DBMIRROR_NETRC",
    "proxy": "DBMIRROR_PROXY",
}
"""The secret mounts of the Dockerfiles, by id, and the variable that names the file of each."""
_SHARED: Final = "_mirror"


@dataclass(frozen=True, slots=True, kw_only=True)
class BakeTarget:
    """One mirror's image."""

    mirror: str
    context: PurePosixPath
    """Its rendered build context, relative to the folder of the bake file."""
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    """Beyond those of the Dockerfile."""


def render_bakefile(mirrors: Sequence[BakeTarget]) -> bytes:
    """The bake file that builds all of `mirrors`; the same mirrors, in any order, give the same bytes.

    Raises RenderError for a mirror that stands there twice, has a name that is none, or an absolute context.
    """
    targets: dict[str, Any] = {}
    for mirror in mirrors:
        name = target_name(mirror.mirror)
        if name in targets:
            raise RenderError(f"The mirror {mirror.mirror} is to be built twice.")
        if mirror.context.is_absolute():
            raise RenderError(f"{mirror.context} is a path of this machine, which no bake file may hold.")
        targets[name] = {
            "inherits": [_SHARED],
            "context": _literal(str(mirror.context)),
            "tags": [_literal(tag) for tag in mirror.tags],
            "labels": {_literal(key): _literal(value) for key, value in mirror.labels.items()},
        }
    files = ", ".join(f'"{secret}" = {variable}' for secret, variable in SECRET_VARIABLES.items())
    shared = {
        "dockerfile": "Dockerfile",
        "platforms": [PLATFORM],
        "output": ["type=docker"],
        # Attestations make an index of the image, which not every registry's client takes.
        "attest": ["type=provenance,disabled=true", "type=sbom,disabled=true"],
        "secret": f'${{[for id, file in {{{files}}} : "id=${{id}},src=${{file}}" if file != ""]}}',
    }
    document = {
        "variable": {variable: {"default": ""} for variable in SECRET_VARIABLES.values()},
        "group": {"default": {"targets": sorted(targets)}},
        "target": {_SHARED: shared, **targets},
    }
    return canonical_json(document)


def target_name(mirror: str) -> str:
    """The target of a mirror: its name, where bake can take it. A dot is written as two underscores.

    No two mirrors get the same one: a mirror's name never has two underscores in a row, nor one at its end.
    Raises RenderError for what is not a mirror's name.
    """
    try:
        name: str = convert(mirror, MirrorName)
    except msgspec.ValidationError as error:
        raise RenderError(f"{mirror[:80]!r} is not a mirror's name.") from error
    return "default_" if name == "default" else name.replace(".", "__")


def _literal(text: str) -> str:
    """`text` as a string of the bake file, where `${` and `%{` would begin an expression."""
    return text.replace("${", "$${").replace("%{", "%%{")
