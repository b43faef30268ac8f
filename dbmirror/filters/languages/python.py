"""Python's own rules: PEP 503 names, Requires-Dist with its markers, and what the notebook's REPL needs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from packaging.utils import canonicalize_name

from dbmirror.filters.language import Language, notebook_environment
from dbmirror.filters.lists import Spelling
from dbmirror.filters.model import Rule, Ruling, Verdict
from dbmirror.filters.needs import Need, Required, needed_by
from dbmirror.filters.requirements import marker_environment, requirements
from dbmirror.inventory.layers import Layer, effective
from dbmirror.inventory.model import Distribution, Inventory

INSTALLERS = frozenset({"pip", "setuptools", "virtualenv", "wheel"})
"""What Python on a cluster is filled with: the platform installs cluster libraries by virtualenv and pip."""

_PATTERN = re.compile(r"[A-Za-z0-9*?]([A-Za-z0-9._*?-]*[A-Za-z0-9*?])?")
_EDGE = Rule(
    name="edge",
    pattern=Layer.EDGE.value,
    reason="The platform puts it into /databricks/.python_edge_libs itself when the cluster starts.",
)


def normalise_pattern(pattern: str) -> str:
    """`pattern` in PEP 503 form: lower case, with one `-` for each run of `-`, `_` and `.`.

    Raises ValueError where it holds anything but letters, digits, `-`, `_`, `.`, `*` and `?`.
    """
    if not _PATTERN.fullmatch(pattern):
        raise ValueError(f"{pattern!r} cannot match the name of any package")
    return re.sub(r"[-_.]+", "-", pattern).lower()


SPELLING = Spelling(prefix="", normalise=normalise_pattern, characters="letters, digits, '-', '_' and '.'")


def python_language(
    inventory: Inventory, *, runtime_repl: frozenset[str], notebook: str | None = None
) -> Language[Distribution]:
    """The Python packages of `inventory`.

    `runtime_repl` names (PEP 503 form) what the runtime's REPL needs at the runtime's versions; with pip and its
    like, and with all that these require on the cluster, it is kept whatever the lists say. `notebook` is the folder
    of the notebook-scoped environment to mirror; without it one is taken only if it is the only one.
    Raises FilterError for a notebook environment that the driver has not.
    """
    visible = effective(inventory.distributions, notebook_environment(inventory, notebook))
    environment = marker_environment(inventory)

    def requires(name: str, extras: Collection[str]) -> Iterator[Required]:
        if name not in visible:
            return
        for requirement in requirements(visible[name], environment, sorted(extras)):
            required = canonicalize_name(requirement.name)
            if required in visible:
                words = f"{requirement.name}{_bracketed(requirement.extras)}{requirement.specifier}"
                yield Required(name=required, extras=frozenset(requirement.extras), words=words)

    own: dict[str, Need | None] = dict.fromkeys(sorted(runtime_repl | INSTALLERS))
    protected: dict[str, Need | None] = {**needed_by(own, requires), **own}

    def first_rulings(distribution: Distribution) -> Iterator[Ruling]:
        if distribution.layer is Layer.EDGE:
            yield Verdict.DROP, _EDGE
        if distribution.name in protected:
            yield Verdict.KEEP, _repl_rule(distribution.name, protected[distribution.name])

    return Language(
        a_package="package",
        installed=inventory.distributions,
        effective=visible,
        requires=requires,
        first_rulings=first_rulings,
        why_hidden=_shadowed,
        spelled=canonicalize_name,
        problems=inventory.problems,
    )


def _repl_rule(name: str, need: Need | None) -> Rule:
    if need is not None:
        reason = f"The runtime's own {need.requirer} requires it ({need.requirement}): notebooks do not start without."
        return Rule(name="repl", pattern=need.requirer, reason=reason)
    if name in INSTALLERS:
        return Rule(name="repl", pattern=name, reason="The platform installs cluster libraries with it.")
    return Rule(name="repl", pattern=name, reason="Notebooks start only with the runtime's own version of it.")


def _shadowed(_distribution: Distribution, winner: Distribution) -> Rule:
    return Rule(
        name="shadowed",
        pattern=winner.layer.value,
        reason=f"Imports get {winner.name} {winner.version} of the {winner.layer.value} layer.",
    )


def _bracketed(extras: Collection[str]) -> str:
    listed = ",".join(sorted(extras))
    return f"[{listed}]" if listed else ""
