"""Which distributions of a snapshot are mirrored, and for each one the rule that said so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from dbmirror.filters.errors import FilterError
from dbmirror.filters.lists import FilterList
from dbmirror.filters.model import Decision, Rule, Selection, Verdict
from dbmirror.filters.requirements import Need, marker_environment, needed_by
from dbmirror.inventory.model import Distribution, Inventory, Layer
from dbmirror.snapshot import Snapshot

MODES = ("blacklist", "whitelist")
INSTALLERS = frozenset({"pip", "setuptools", "virtualenv", "wheel"})
"""What Python on a cluster is filled with: the platform installs cluster libraries by virtualenv and pip."""
Ruling = tuple[Verdict, Rule]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """Every rule of one run over one cluster. `rulings` applies them, nearest rule first."""

    mode: str
    whitelist: FilterList
    blacklist: FilterList
    protected: Mapping[str, Need | None]
    """The packages that no list can drop: the REPL's own (None) and what those require."""
    needs: Mapping[str, Need]
    """With a whitelist: what the kept packages require."""

    def rulings(self, distribution: Distribution) -> Iterator[Ruling]:
        """Every rule that speaks of an effective distribution, in order: the first one wins, the last always speaks."""
        name = distribution.name
        if distribution.layer is Layer.EDGE:
            yield Verdict.DROP, _EDGE
        if name in self.protected:
            yield Verdict.KEEP, _repl_rule(name, self.protected[name])
        if self.mode == "whitelist":
            yield from self._listed(self.whitelist, name, built_in=False)
            yield from self._blacklisted(name)
            yield from self._listed(self.whitelist, name, built_in=True)
            if name in self.needs:
                yield Verdict.KEEP, _required_rule(self.needs[name])
            yield Verdict.DROP, _NOT_LISTED
        else:
            for entry in self.blacklist.matching(name):
                yield entry.verdict, self.blacklist.rule(entry)
            yield Verdict.KEEP, _NOT_BLACKLISTED

    def _listed(self, filter_list: FilterList, name: str, *, built_in: bool) -> Iterator[Ruling]:
        for entry in filter_list.matching(name):
            if entry.is_built_in == built_in:
                yield entry.verdict, filter_list.rule(entry)

    def _blacklisted(self, name: str) -> Iterator[Ruling]:
        """With a whitelist the blacklist still drops; an entry of the user that keeps undoes those behind it."""
        for entry in self.blacklist.matching(name):
            if entry.verdict is Verdict.KEEP:
                return
            yield entry.verdict, self.blacklist.rule(entry)


def select(
    snapshot: Snapshot,
    *,
    mode: str,
    whitelist: FilterList,
    blacklist: FilterList,
    runtime_repl: frozenset[str],
    notebook_environment: str | None = None,
) -> Selection:
    """One decision for each distribution of `snapshot`, by the blacklist or (mode `whitelist`) by the whitelist.

    `runtime_repl` names (PEP 503 form) what the runtime's REPL needs at the runtime's versions; with pip and its
    like, and with all that these require on the cluster, it is kept whatever the lists say. `notebook_environment`
    is the folder of the notebook-scoped environment to mirror; without it one is taken only if it is the only one.
    Raises FilterError for an unknown mode or a notebook environment that the driver has not.
    """
    inventory = snapshot.inventory
    if mode not in MODES:
        raise FilterError(f"There is no filter mode {mode!r}.", remedy=f"The modes are {' and '.join(MODES)}.")
    environments = inventory.notebook_environments()
    if notebook_environment is not None and notebook_environment not in environments:
        raise FilterError(
            f"The driver has no notebook environment {notebook_environment}.",
            remedy="It has " + (", ".join(environments) or "none") + "; see 'notebook_environment' in dbmirror.toml.",
        )
    effective = inventory.effective(notebook_environment)
    rules = rulebook(inventory, effective, mode=mode, whitelist=whitelist, blacklist=blacklist, repl=runtime_repl)
    decisions = []
    kept = []
    for distribution in inventory.distributions:
        winner = effective.get(distribution.name)
        if winner is distribution:
            verdict, rule = next(rules.rulings(distribution))
        else:
            verdict, rule = Verdict.DROP, _hidden_rule(distribution, winner, environments)
        decisions.append(
            Decision(
                name=distribution.name,
                version=distribution.version,
                layer=distribution.layer,
                location=distribution.location,
                verdict=verdict,
                rule=rule,
            )
        )
        if verdict is Verdict.KEEP:
            kept.append(distribution)
    return Selection(
        snapshot=snapshot.digest,
        mode=mode,
        decisions=tuple(decisions),
        kept=tuple(sorted(kept, key=lambda distribution: distribution.name)),
        problems=inventory.problems,
    )


def rulebook(
    inventory: Inventory,
    effective: Mapping[str, Distribution],
    *,
    mode: str,
    whitelist: FilterList,
    blacklist: FilterList,
    repl: frozenset[str],
) -> Rulebook:
    """The rules of one run, with what the kept packages require worked out for the cluster's Python."""
    environment = marker_environment(inventory)
    own: dict[str, Need | None] = dict.fromkeys(sorted(repl | INSTALLERS))
    protected: dict[str, Need | None] = {**needed_by(own, effective, environment), **own}
    rules = Rulebook(mode=mode, whitelist=whitelist, blacklist=blacklist, protected=protected, needs={})
    if mode != "whitelist":
        return rules

    def may_come_along(name: str) -> bool:
        verdict, rule = next(rules.rulings(effective[name]))
        return verdict is Verdict.KEEP or rule is _NOT_LISTED

    kept = [name for name, found in effective.items() if next(rules.rulings(found))[0] is Verdict.KEEP]
    return replace(rules, needs=needed_by(kept, effective, environment, follow=may_come_along))


_EDGE = Rule(
    name="edge",
    pattern=Layer.EDGE.value,
    reason="The platform puts it into /databricks/.python_edge_libs itself when the cluster starts.",
)
_NOT_LISTED = Rule(name="default", pattern="*", reason="It is not on the whitelist, and nothing kept requires it.")
_NOT_BLACKLISTED = Rule(name="default", pattern="*", reason="It is not on the blacklist.")


def _repl_rule(name: str, need: Need | None) -> Rule:
    if need is not None:
        reason = f"The runtime's own {need.requirer} requires it ({need.requirement}): notebooks do not start without."
        return Rule(name="repl", pattern=need.requirer, reason=reason)
    if name in INSTALLERS:
        return Rule(name="repl", pattern=name, reason="The platform installs cluster libraries with it.")
    return Rule(name="repl", pattern=name, reason="Notebooks start only with the runtime's own version of it.")


def _required_rule(need: Need) -> Rule:
    return Rule(name="required-by", pattern=need.requirer, reason=f"{need.requirer} requires it ({need.requirement}).")


def _hidden_rule(distribution: Distribution, winner: Distribution | None, environments: tuple[str, ...]) -> Rule:
    """Why `distribution` is not what an import gets: a nearer one is, or it is another notebook's."""
    other_notebook = distribution.layer is Layer.NOTEBOOK and (
        winner is None or (winner.layer, winner.location) != (distribution.layer, distribution.location)
    )
    if winner is None or other_notebook:
        chosen = winner.location if winner is not None and winner.layer is Layer.NOTEBOOK else None
        reason = (
            f"It belongs to another notebook than the one that is mirrored ({chosen})."
            if chosen
            else f"The driver has {len(environments)} notebook environments; notebook_environment in dbmirror.toml "
            "chooses one."
        )
        return Rule(name="other-notebook", pattern=distribution.location, reason=reason)
    return Rule(
        name="shadowed",
        pattern=winner.layer.value,
        reason=f"Imports get {winner.name} {winner.version} of the {winner.layer.value} layer ({winner.location}).",
    )
