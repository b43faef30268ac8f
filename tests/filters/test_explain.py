"""All about one package: every rule in order, the winner, hidden copies, who requires it."""

from collections.abc import Callable

import pytest

from dbmirror.filters.errors import FilterError
from dbmirror.filters.explain import Explanation, explain
from dbmirror.filters.languages.python import SPELLING, python_language
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Distribution, Problem
from dbmirror.snapshot import Snapshot
from tests.builders import lists, python_selection

Installed = Callable[..., Distribution]
Snapshots = Callable[..., Snapshot]


def explained(
    snapshot: Snapshot, name: str, *, mode: str = "blacklist", repl: frozenset[str] = frozenset()
) -> Explanation:
    language = python_language(snapshot.inventory, runtime_repl=repl)
    return explain(python_selection(snapshot, mode, repl=repl), name, language=language, lists=lists(SPELLING, mode))


def test_every_rule_that_matches_is_told_in_order_and_the_first_one_decides(
    installed: Installed, snapshot: Snapshots
) -> None:
    found = explained(snapshot(installed("ipykernel"), installed("py4j")), "py4j", repl=frozenset({"py4j"}))
    assert [opinion.rule.name for opinion in found.opinions] == ["repl", "blacklist", "default"]
    assert found.decision is not None
    assert found.decision.rule == found.opinions[0].rule


def test_a_package_may_be_named_in_any_spelling(installed: Installed, snapshot: Snapshots) -> None:
    assert explained(snapshot(installed("lazr-uri")), "Lazr.URI").name == "lazr-uri"


def test_hidden_copies_and_requirers_are_told(installed: Installed, snapshot: Snapshots) -> None:
    taken = snapshot(
        installed("pandas", requires=("numpy>=1.20",)),
        installed("numpy", "2.0", Layer.CLUSTER),
        installed("numpy", "1.0"),
    )
    found = explained(taken, "numpy", mode="whitelist")
    assert [decision.version for decision in found.hidden] == ["1.0"]
    assert [(need.requirer, need.requirement) for need in found.required_by] == [("pandas", "numpy>=1.20")]
    assert [opinion.rule.name for opinion in found.opinions] == ["whitelist", "required-by", "default"]


def test_an_entry_that_could_not_be_read_is_explained_too(snapshot: Snapshots) -> None:
    problem = Problem(path="/x/broken-1.0.dist-info", reason="no METADATA", name="broken")
    found = explained(snapshot(problems=(problem,)), "broken")
    assert (found.decision, found.problems) == (None, (problem,))


def test_a_package_that_the_cluster_has_not_is_an_error(snapshot: Snapshots) -> None:
    with pytest.raises(FilterError, match="nonesuch"):
        explained(snapshot(), "nonesuch")
