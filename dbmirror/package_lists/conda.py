"""What `conda env export` writes: conda's own packages, and below `pip` those of a Python index."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.inventory.field_checks import fits
from dbmirror.inventory.model import Interpreter, Problem, PythonVersion, RVersion
from dbmirror.package_lists.environments import environments_of
from dbmirror.package_lists.model import ListUnreadable, PackageList, inexact
from dbmirror.package_lists.requirements import read_requirements

_PACKAGE: Final = re.compile(r"(?:[^\s=<>!~]+::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(?P<stated>[=<>!~ ].*)?")
_OTHER_NAMES: Final = (
    "it is conda's package, and an index's of that name can be another one: 'pip list --format json' in that "
    "environment says what its Python packages are called there"
)


def read_conda(text: str, file: Path, python: str | None, architecture: str | None) -> PackageList:
    """The environment that `text` describes; conda's packages are problems, for their names are conda's own.

    `python` and `architecture` are the cluster's, where they are known. Raises ListUnreadable.
    """
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ListUnreadable(f"{file} is no YAML: {foreign_line(str(error), 200)}.") from None
    entries = document.get("dependencies") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ListUnreadable(f"{file} has no list 'dependencies', as 'conda env export' writes it.")
    stated = dict(_conda_package(entry, file) for entry in entries if isinstance(entry, str))
    own = _exact(stated.get("python"))
    interpreter = Interpreter(path="/listed", version=own) if own and fits(own, PythonVersion) else None
    r = _exact(stated.get("r-base"))
    pip = read_requirements(
        "\n".join(line for entry in entries if isinstance(entry, dict) for line in _pip_lines(entry, file)),
        file,
        environments_of(python or own, architecture),
    )
    return PackageList(
        kind="what 'conda env export' writes",
        distributions=pip.distributions,
        problems=(
            *pip.problems,
            *(_problem(name, words, file) for name, words in sorted(stated.items()) if name != "python"),
        ),
        python=interpreter,
        r_version=r if r and fits(r, RVersion) else None,
        notes=pip.notes,
    )


def _conda_package(entry: str, file: Path) -> tuple[str, str]:
    found = _PACKAGE.fullmatch(entry.strip())
    if found is None:
        raise ListUnreadable(f"{file}: {foreign_line(entry, 200)!r} is no package as conda writes it.")
    return found["name"].lower(), (found["stated"] or "").strip()


def _exact(stated: str | None) -> str | None:
    """`3.11.8` of `=3.11.8=hab00c5b_0_cpython`; None where no full version stands there."""
    found = re.fullmatch(r"==?\s*([0-9]+\.[0-9]+\.[0-9]+)(=.*)?", stated or "")
    return found[1] if found else None


def _problem(name: str, stated: str, file: Path) -> Problem:
    return inexact(name, f"conda {stated.lstrip('=') or 'any version'}", _OTHER_NAMES, place=file.name)


def _pip_lines(entry: dict[Any, Any], file: Path) -> list[str]:
    lines = entry.get("pip") or []
    if set(entry) != {"pip"} or not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise ListUnreadable(f"{file} has something else than 'pip' and its packages among the dependencies.")
    return [" ".join(str(line).split()) for line in lines]
