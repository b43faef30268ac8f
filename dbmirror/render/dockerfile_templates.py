"""The one loader of images/, compose/ and examples/: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

import functools
from pathlib import Path

import jinja2

import dbmirror
from dbmirror.render import quoting
from dbmirror.render.errors import RenderError


def shipped_folder(name: str) -> Path:
    """The folder `images`, `compose` or `examples` of dbmirror. Raises RenderError where it is missing."""
    package = Path(dbmirror.__file__).parent
    for folder in (package / "_shipped" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise RenderError(
        f"This installation of dbmirror lacks its {name}/ folder.", remedy="Install it again: pip install dbmirror."
    )


@functools.cache
def environment(*folders: Path) -> jinja2.Environment:
    """Templates of `folders`, those of the first before those of the next with the same name.

    Every printed value must have gone through a filter of `quoting`: an unknown name, and a value without such a
    filter, end in an error when the template is rendered. The same folders give the same environment, which keeps what
    it has compiled while its file does not change.
    """
    loaded = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        undefined=jinja2.StrictUndefined,
        finalize=quoting.only_quoted,
        autoescape=False,  # noqa: S701 (HTML escaping says nothing about Dockerfiles; `finalize` demands our quoting)
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    loaded.filters.clear()
    loaded.filters.update(label=quoting.label, reference=quoting.reference, word=quoting.word, shell=quoting.shell)
    return loaded
