"""DESCRIPTION of an installed R package."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from dbmirror.foreign_text.clean_urls import clean_urls_in
from dbmirror.foreign_text.decoding import convert
from dbmirror.inventory.field_checks import fits, printable
from dbmirror.inventory.model import RName, RPackage
from dbmirror.inventory.parsers.headers import fields
from dbmirror.inventory.parsers.malformed import Malformed

_SECRET_FIELD = re.compile(r"token|password|auth|secret|credential", re.IGNORECASE)
_BUILT = re.compile(r"R (\d+\.\d+\.\d+)")


def parse_description(content: str, *, library: str, apt_package: str | None = None) -> RPackage | Malformed:
    """The package that `content` describes, installed in `library`. URLs lose their credentials.

    Of the `Remote*` fields those whose name speaks of a token or password are left out.
    """
    values: dict[str, str] = {}
    remote: dict[str, str] = {}
    for spelling, value in fields(content):
        values.setdefault(spelling.lower(), value)
        if spelling.startswith("Remote") and spelling != "Remotes" and not _SECRET_FIELD.search(spelling):
            remote.setdefault(spelling, clean_urls_in(value))
    if not values.get("package"):
        return Malformed("its DESCRIPTION has no name")
    needed = {name for field in ("depends", "imports", "linkingto") for name in _names(values.get(field, ""))}
    hostile = sorted(name for name in needed if not fits(name, RName))
    if hostile:
        return Malformed(f"its DESCRIPTION depends on {printable(hostile[0])!r}, which is not a valid name")
    built = _BUILT.match(values.get("built", ""))
    package: dict[str, Any] = {
        "name": values["package"],
        "version": values.get("version", ""),
        "library": library,
        "priority": values.get("priority") or None,
        "repository": values.get("repository") or None,
        "remote": tuple(sorted(remote.items())),
        "depends": tuple(sorted(needed - {"R"})),
        "system_requirements": values.get("systemrequirements") or None,
        "needs_compilation": values.get("needscompilation", "").lower() == "yes",
        "built_under": built[1] if built else None,
        "apt_package": apt_package,
    }
    try:
        return convert(package, RPackage)
    except msgspec.ValidationError as error:
        return Malformed(f"its DESCRIPTION has a value that is not valid: {printable(str(error))}")


def _names(value: str) -> list[str]:
    """The names in a list of dependencies: `R (>= 3.5), methods, Rcpp (>= 1.0)`."""
    names = (part.partition("(")[0].strip() for part in value.split(","))
    return [name for name in names if name]
