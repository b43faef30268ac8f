"""All rules about a package in their order: those of its language, then the lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Generic

from dbmirror.filters.errors import FilterError
from dbmirror.filters.language import Language
from dbmirror.filters.lists import FilterList
from dbmirror.filters.model import Rule, Ruling, Verdict
from dbmirror.filters.needs import Need, needed_by
from dbmirror.inventory.layers import P

MODES = ("blacklist", "whitelist")

_NOT_LISTED = Rule(name="default", pattern="*", reason="It is not on the whitelist, and nothing kept requires it.")
_NOT_BLACKLISTED = Rule(name="default", pattern="*", reason="It is not on the blacklist.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """One language's lists, and which of them a package must stand on to be kept."""

    mode: str
    """`blacklist`: all is kept but what stands on it; `whitelist`: only that is kept, with what it requires."""
    whitelist: FilterList
    blacklist: FilterList


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook(Generic[P]):
    """Every rule of one run over one language of one cluster. `rulings` applies them, nearest rule first."""

    language: Language[P]
    lists: Lists
    needs: Mapping[str, Need]
    """With a whitelist: what the kept packages require."""

    def rulings(self, package: P) -> Iterator[Ruling]:
        """Every rule that speaks of an effective package, in order: the first one wins, the last always speaks."""
        whitelist, blacklist = self.lists.whitelist, self.lists.blacklist
        yield from self.language.first_rulings(package)
        if self.lists.mode == "whitelist":
            yield from _listed(whitelist, package.name, built_in=False)
            yield from _blacklisted(blacklist, package.name)
            yield from _listed(whitelist, package.name, built_in=True)
            if package.name in self.needs:
                yield Verdict.KEEP, _required_rule(self.needs[package.name])
            yield Verdict.DROP, _NOT_LISTED
        else:
            for entry in blacklist.matching(package.name):
                yield entry.verdict, blacklist.rule(entry)
            yield Verdict.KEEP, _NOT_BLACKLISTED

    def ruling(self, name: str) -> Ruling:
        """The rule that wins for the effective package `name`."""
        return next(self.rulings(self.language.effective[name]))


def rulebook(language: Language[P], lists: Lists) -> Rulebook[P]:
    """The rules of one run, with what the kept packages require worked out. Raises FilterError for an unknown mode."""
    if lists.mode not in MODES:
        raise FilterError(f"There is no filter mode {lists.mode!r}.", remedy=f"The modes are {' and '.join(MODES)}.")
    rules = Rulebook(language=language, lists=lists, needs={})
    if lists.mode != "whitelist":
        return rules

    def may_come_along(name: str) -> bool:
        verdict, rule = rules.ruling(name)
        return verdict is Verdict.KEEP or rule is _NOT_LISTED

    kept = [name for name in language.effective if rules.ruling(name)[0] is Verdict.KEEP]
    return replace(rules, needs=needed_by(kept, language.requires, follow=may_come_along))


def _listed(filter_list: FilterList, name: str, *, built_in: bool) -> Iterator[Ruling]:
    for entry in filter_list.matching(name):
        if entry.is_built_in == built_in:
            yield entry.verdict, filter_list.rule(entry)


def _blacklisted(blacklist: FilterList, name: str) -> Iterator[Ruling]:
    """With a whitelist the blacklist still drops; an entry of the user that keeps undoes those behind it."""
    for entry in blacklist.matching(name):
        if entry.verdict is Verdict.KEEP:
            return
        yield entry.verdict, blacklist.rule(entry)


def _required_rule(need: Need) -> Rule:
    words = f" ({need.requirement})" if need.requirement else ""
    return Rule(name="required-by", pattern=need.requirer, reason=f"{need.requirer} requires it{words}.")
