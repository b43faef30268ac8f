"""Which R packages of a snapshot are mirrored, and for each one the rule that said so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from dbmirror.filters.errors import FilterError
from dbmirror.filters.lists import FilterList
from dbmirror.filters.model import Rule, Verdict
from dbmirror.filters.r_model import RDecision, RSelection
from dbmirror.filters.selection import MODES, Ruling
from dbmirror.inventory.model import RPackage
from dbmirror.inventory.r_libraries import effective_r
from dbmirror.runtimes.r_notebooks import PLATFORM_R_LIBRARY, R_ITSELF, R_NOTEBOOK_PACKAGES
from dbmirror.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class RRulebook:
    """Every rule of one run over the R packages of one cluster. `rulings` applies them, nearest rule first."""

    mode: str
    whitelist: FilterList
    blacklist: FilterList
    protected: Mapping[str, str | None]
    """The packages that no list can drop: what R notebooks need (None), and what requires each of the others."""
    needs: Mapping[str, str]
    """With a whitelist: what the kept packages require, and which one does."""

    def rulings(self, package: RPackage) -> Iterator[Ruling]:
        """Every rule that speaks of an effective package, in order: the first one wins, the last always speaks."""
        name = package.name
        if package.priority == "base" or name in R_ITSELF:
            yield Verdict.KEEP, _R_ITSELF
        if name in self.protected:
            yield Verdict.KEEP, _notebook_rule(name, self.protected[name])
        if package.library == PLATFORM_R_LIBRARY:
            yield Verdict.DROP, _PLATFORM
        if self.mode == "whitelist":
            yield from self._listed(name, built_in=False)
            yield from self._blacklisted(name)
            yield from self._listed(name, built_in=True)
            if name in self.needs:
                requirer = self.needs[name]
                yield Verdict.KEEP, Rule(name="required-by", pattern=requirer, reason=f"{requirer} requires it.")
            yield Verdict.DROP, _NOT_LISTED
        else:
            for entry in self.blacklist.matching(name):
                yield entry.verdict, self.blacklist.rule(entry)
            yield Verdict.KEEP, _NOT_BLACKLISTED

    def _listed(self, name: str, *, built_in: bool) -> Iterator[Ruling]:
        for entry in self.whitelist.matching(name):
            if entry.is_built_in == built_in:
                yield entry.verdict, self.whitelist.rule(entry)

    def _blacklisted(self, name: str) -> Iterator[Ruling]:
        """With a whitelist the blacklist still drops; an entry of the user that keeps undoes those behind it."""
        for entry in self.blacklist.matching(name):
            if entry.verdict is Verdict.KEEP:
                return
            yield entry.verdict, self.blacklist.rule(entry)


def select_r(snapshot: Snapshot, *, mode: str, whitelist: FilterList, blacklist: FilterList) -> RSelection:
    """One decision for each R package of `snapshot`, by the blacklist or (mode `whitelist`) by the whitelist.

    R's own packages, those that R notebooks need, and all that these require on the cluster are kept whatever the
    lists say. Of a name in several libraries the nearest one counts; the library that the platform brings into every
    container stands back, for the image cannot change what lies there. Raises FilterError for an unknown mode.
    """
    if mode not in MODES:
        raise FilterError(f"There is no filter mode {mode!r}.", remedy=f"The modes are {' and '.join(MODES)}.")
    packages = snapshot.inventory.r_packages
    effective = mirrored_copies(packages)
    rules = r_rulebook(effective, mode=mode, whitelist=whitelist, blacklist=blacklist)
    decisions = []
    kept = []
    for package in packages:
        winner = effective[package.name]
        if winner is package:
            verdict, rule = next(rules.rulings(package))
        else:
            verdict, rule = Verdict.DROP, _hidden_rule(package, winner)
        decisions.append(
            RDecision(name=package.name, version=package.version, library=package.library, verdict=verdict, rule=rule)
        )
        if verdict is Verdict.KEEP:
            kept.append(package)
    return RSelection(
        snapshot=snapshot.digest,
        mode=mode,
        decisions=tuple(decisions),
        kept=tuple(sorted(kept, key=lambda package: package.name)),
    )


def mirrored_copies(packages: Iterable[RPackage]) -> dict[str, RPackage]:
    """Of each name the copy that an image can have: the nearest one, the platform's only where there is no other."""
    found = list(packages)
    own = effective_r(package for package in found if package.library != PLATFORM_R_LIBRARY)
    return {**effective_r(found), **own}


def r_rulebook(
    effective: Mapping[str, RPackage], *, mode: str, whitelist: FilterList, blacklist: FilterList
) -> RRulebook:
    """The rules of one run, with what the kept packages require worked out."""
    own: dict[str, str | None] = dict.fromkeys(sorted(R_NOTEBOOK_PACKAGES))
    protected: dict[str, str | None] = {**needed_by(own, effective), **own}
    rules = RRulebook(mode=mode, whitelist=whitelist, blacklist=blacklist, protected=protected, needs={})
    if mode != "whitelist":
        return rules

    def may_come_along(name: str) -> bool:
        verdict, rule = next(rules.rulings(effective[name]))
        return verdict is Verdict.KEEP or rule is _NOT_LISTED

    kept = [name for name, found in effective.items() if next(rules.rulings(found))[0] is Verdict.KEEP]
    return replace(rules, needs=needed_by(kept, effective, follow=may_come_along))


def needed_by(
    roots: Iterable[str], effective: Mapping[str, RPackage], *, follow: Callable[[str], bool] = lambda _name: True
) -> dict[str, str]:
    """What `roots` require, directly or not, of what is installed (`effective`): name to the first that requires it.

    A package for which `follow` is false does not come along. In the order of names, level by level, so that the
    same cluster gives the same needs.
    """
    found: dict[str, str] = {}
    level = sorted(set(roots))
    seen = set(level)
    while level:
        deeper: set[str] = set()
        for name in level:
            for required in effective[name].depends if name in effective else ():
                if required in effective and follow(required):
                    found.setdefault(required, name)
                    deeper.add(required)
        level = sorted(deeper - seen)
        seen.update(level)
    return found


_R_ITSELF = Rule(name="r-itself", pattern="base", reason="It is a part of R itself.")
_PLATFORM = Rule(
    name="platform",
    pattern=PLATFORM_R_LIBRARY,
    reason="The platform puts this library into the container with its Spark when the cluster starts.",
)
_NOT_LISTED = Rule(name="default", pattern="*", reason="It is not on the whitelist, and nothing kept requires it.")
_NOT_BLACKLISTED = Rule(name="default", pattern="*", reason="It is not on the blacklist.")


def _notebook_rule(name: str, requirer: str | None) -> Rule:
    if requirer is None:
        return Rule(name="notebook", pattern=name, reason=R_NOTEBOOK_PACKAGES[name])
    return Rule(
        name="notebook", pattern=requirer, reason=f"{requirer} requires it, and R notebooks do not work without that."
    )


def _hidden_rule(package: RPackage, winner: RPackage) -> Rule:
    """Why `package` is not the copy that the image gets."""
    if package.library == PLATFORM_R_LIBRARY:
        return _PLATFORM
    reason = f"library({winner.name}) gets version {winner.version} of {winner.library}."
    return Rule(name="shadowed", pattern=winner.library, reason=reason)
