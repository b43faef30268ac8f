"""R's own rules: names compared letter by letter, R itself, and what R notebooks need."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from dbmirror.filters.language import Language, notebook_environment
from dbmirror.filters.lists import Spelling
from dbmirror.filters.model import Rule, Ruling, Verdict
from dbmirror.filters.needs import Need, Required, needed_by
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Inventory, RPackage
from dbmirror.runtimes.r_notebooks import R_ITSELF, R_NOTEBOOK_PACKAGES

_PATTERN = re.compile(r"[A-Za-z*?][A-Za-z0-9.*?]*")
_R_ITSELF = Rule(name="r-itself", pattern="base", reason="It is a part of R itself.")


def normalise_pattern(pattern: str) -> str:
    """`pattern` as it is: R compares names letter by letter. Raises ValueError where no R package has such a name."""
    if not _PATTERN.fullmatch(pattern):
        raise ValueError(f"{pattern!r} cannot match the name of any R package")
    return pattern


SPELLING = Spelling(prefix="r_", normalise=normalise_pattern, characters="letters, digits and '.'")


def r_language(inventory: Inventory, *, notebook: str | None = None) -> Language[RPackage]:
    """The R packages of `inventory`. `notebook` as with Python.

    R's own packages, those that R notebooks need, and all that these require on the cluster are kept whatever the
    lists say. Of a name in several libraries the copy counts that `Inventory.effective_r` names.
    Raises FilterError for a notebook environment that the driver has not.
    """
    chosen = notebook_environment(inventory, notebook)
    copies = inventory.effective_r(chosen)

    def requires(name: str, _extras: Collection[str]) -> Iterator[Required]:
        return (Required(name=each) for each in copies[name].depends if each in copies) if name in copies else iter(())

    own: dict[str, Need | None] = dict.fromkeys(sorted(R_NOTEBOOK_PACKAGES))
    protected: dict[str, Need | None] = {**needed_by(own, requires), **own}

    def first_rulings(package: RPackage) -> Iterator[Ruling]:
        if package.priority == "base" or package.name in R_ITSELF:
            yield Verdict.KEEP, _R_ITSELF
        if package.name in protected:
            yield Verdict.KEEP, _notebook_rule(package.name, protected[package.name])
        if package.layer is Layer.PLATFORM:
            yield Verdict.DROP, _platform_rule(package)

    def spelled(name: str) -> str:
        """`name` in another case is understood where only one package has it."""
        alike = sorted({each.name for each in inventory.r_packages if each.name.lower() == name.lower()})
        return alike[0] if name not in alike and len(alike) == 1 else name

    return Language(
        a_package="R package",
        installed=inventory.r_packages,
        effective=copies,
        requires=requires,
        first_rulings=first_rulings,
        why_hidden=_hidden_rule,
        spelled=spelled,
    )


def _platform_rule(package: RPackage) -> Rule:
    return Rule(
        name="platform",
        pattern=package.library,
        reason="The platform puts this library into the container with its Spark when the cluster starts.",
    )


def _notebook_rule(name: str, need: Need | None) -> Rule:
    if need is None:
        return Rule(name="notebook", pattern=name, reason=R_NOTEBOOK_PACKAGES[name])
    reason = f"{need.requirer} requires it, and R notebooks do not work without that."
    return Rule(name="notebook", pattern=need.requirer, reason=reason)


def _hidden_rule(package: RPackage, winner: RPackage) -> Rule:
    if package.layer is Layer.PLATFORM:
        return _platform_rule(package)
    reason = f"library({winner.name}) gets version {winner.version} of {winner.library}."
    return Rule(name="shadowed", pattern=winner.library, reason=reason)
