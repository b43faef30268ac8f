"""Text files for Terraform, asset bundles, pipelines and people: their templates' loader and their quoting."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import jinja2

from dbmirror.foreign_text.characters import escaped
from dbmirror.render import quoting
from dbmirror.render.errors import RenderError
from dbmirror.render.quoting import Quoted

_PRINTABLE = re.compile(r"[ -~]*", re.ASCII)
_PATH = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*(/[A-Za-z0-9._][A-Za-z0-9._-]*)*", re.ASCII)


def fill(template: str, **values: object) -> bytes:
    """The file that `template` (a path below this package, `deployment_templates/cluster.tf.j2`) makes of `values`.

    Raises RenderError where a value is not valid where it would stand.
    """
    return _environment().get_template(template).render(**values).encode()


def hcl(value: str, width: int = 0) -> Quoted:
    """`value` as a quoted string of HCL, in which nothing is interpolated; filled up to `width` characters."""
    text = _printable(value, "Terraform").replace("\\", "\\\\").replace('"', '\\"')
    text = text.replace("${", "$${").replace("%{", "%%{")
    return Quoted(f'"{text}"'.ljust(width))


def yaml(value: str) -> Quoted:
    """`value` as a double-quoted scalar of YAML.

    Raises RenderError where it holds a `$`: pipelines and bundles expand `${…}`, `$(…)` and `$NAME` within quotes too,
    and not all of them have a way to write it otherwise.
    """
    if "$" in value:
        raise RenderError(f"{value[:80]!r} holds a '$', which pipelines and bundles would expand.")
    return Quoted(json.dumps(_printable(value, "YAML")))


def code(value: str) -> Quoted:
    """`value` as a code span of Markdown, whatever backticks it has; what is not printable is shown escaped."""
    text = escaped(value)
    fence = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return Quoted(f"{fence}{space}{text}{space}{fence}")


def argv(words: Sequence[str]) -> Quoted:
    """`words` as one command of a POSIX shell."""
    return Quoted(shlex.join(_printable(word, "a shell") for word in words))


def path(value: str) -> Quoted:
    """`value` as a relative path that needs no quotes in any of these languages."""
    if not _PATH.fullmatch(value):
        raise RenderError(f"{value[:80]!r} is not a plain relative path.")
    return Quoted(value)


def number(value: int) -> Quoted:
    """`value` as a decimal number, the same in all of these languages."""
    return Quoted(f"{value:d}")


def _printable(value: str, language: str) -> str:
    if not _PRINTABLE.fullmatch(value):
        raise RenderError(f"{value[:80]!r} cannot be written in {language}: it is not printable ASCII.")
    return value


@cache
def _environment() -> jinja2.Environment:
    """Delimiters are `<< >>`, `<% %>`, `<# #>`: pipelines and secret references have braces of their own."""
    package = files(__package__)
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: package.joinpath(name).read_text("utf-8")),
        undefined=jinja2.StrictUndefined,
        finalize=quoting.only_quoted,
        autoescape=False,  # noqa: S701 (HTML escaping says nothing about these files; `finalize` demands our quoting)
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    indent = environment.filters["indent"]
    environment.filters.clear()
    environment.filters.update(argv=argv, code=code, hcl=hcl, number=number, path=path, yaml=yaml)
    environment.filters.update(reference=quoting.reference, shell=quoting.shell, word=quoting.word)
    environment.filters["indent"] = indent  # for blocks of template text; a value does not pass `finalize` by it
    return environment
