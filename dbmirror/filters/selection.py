"""Which packages of a snapshot are mirrored, and for each one the rule that said so."""

from __future__ import annotations

from dbmirror.filters.language import Language
from dbmirror.filters.model import Decision, Rule, Ruling, Selection, Verdict
from dbmirror.filters.rulebook import Lists, rulebook
from dbmirror.inventory.layers import Layer, P, notebook_environments


def select(language: Language[P], lists: Lists, *, snapshot: str) -> Selection[P]:
    """One decision for each package of `language` in the snapshot of that digest. Raises FilterError.

    What the language's own rules keep stays whatever the lists say; see `filters/languages/`.
    """
    rules = rulebook(language, lists)
    decisions = []
    kept = []
    for package in language.installed:
        winner = language.effective.get(package.name)
        verdict, rule = next(rules.rulings(package)) if winner is package else _hidden(language, package, winner)
        decisions.append(
            Decision(
                name=package.name,
                version=package.version,
                layer=package.layer,
                location=package.location,
                verdict=verdict,
                rule=rule,
            )
        )
        if verdict is Verdict.KEEP:
            kept.append(package)
    return Selection(
        snapshot=snapshot,
        mode=lists.mode,
        decisions=tuple(decisions),
        kept=tuple(sorted(kept, key=lambda package: package.name)),
        problems=language.problems,
    )


def _hidden(language: Language[P], package: P, winner: P | None) -> Ruling:
    """Why `package` is not what an import or `library()` loads: a nearer one is, or it is another notebook's."""
    is_anothers = package.layer is Layer.NOTEBOOK and (winner is None or winner.location != package.location)
    if winner is not None and not is_anothers:
        return Verdict.DROP, language.why_hidden(package, winner)
    chosen = winner.location if winner is not None and winner.layer is Layer.NOTEBOOK else None
    reason = (
        f"It belongs to another notebook than the one that is mirrored ({chosen})."
        if chosen
        else f"The driver has {len(notebook_environments(language.installed))} notebook environments; "
        "notebook_environment in dbmirror.toml chooses one."
    )
    return Verdict.DROP, Rule(name="other-notebook", pattern=package.location, reason=reason)
