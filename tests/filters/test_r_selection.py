"""One decision for each R package: by R's own lists, unless something stronger speaks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror.config import FilterConfig, FilterEntry
from dbmirror.filters.errors import FilterError
from dbmirror.filters.explain import Explanation, explain
from dbmirror.filters.languages.r import SPELLING, r_language
from dbmirror.filters.lists import load
from dbmirror.filters.model import Decision, Selection, Verdict
from dbmirror.inventory.model import RPackage
from dbmirror.snapshot import Snapshot
from tests.builders import an_r_package as package
from tests.builders import lists
from tests.builders import r_selection as choose

PLATFORM = "/databricks/spark/R/lib"
CLUSTER = "/local_disk0/.ephemeral_nfs/cluster_libraries/r"
LOCAL = "/usr/local/lib/R/site-library"
SITE = "/usr/lib/R/site-library"
RUNTIME_LISTS = Path(__file__).parents[1] / "runtime_lists"


@pytest.fixture
def cluster(snapshot: Callable[..., Snapshot]) -> Callable[..., Snapshot]:
    """Makes the snapshot of a cluster that has these R packages."""

    def make(*packages: RPackage) -> Snapshot:
        taken = snapshot()
        return replace(taken, inventory=replace(taken.inventory, r_version="4.4.2", r_packages=packages))

    return make


Clusters = Callable[..., Snapshot]


def decided(selection: Selection[RPackage], name: str, library: str = SITE) -> Decision:
    return next(each for each in selection.decisions if (each.name, each.location) == (name, library))


def names(selection: Selection[RPackage]) -> list[str]:
    return [kept.name for kept in selection.kept]


def test_every_package_gets_one_decision_in_the_inventorys_order(cluster: Clusters) -> None:
    found = (package("zoo"), package("DBI"), package("DBI", library=LOCAL), package("SparkR", library=PLATFORM))
    selection = choose(cluster(*found))
    assert [(each.name, each.location) for each in selection.decisions] == [(each.name, each.library) for each in found]
    assert names(selection) == ["DBI", "zoo"]


def test_of_several_copies_the_nearest_librarys_is_kept(cluster: Clusters) -> None:
    found = [package("DBI", str(number), library) for number, library in enumerate((SITE, LOCAL, CLUSTER), start=1)]
    selection = choose(cluster(*found))
    assert selection.kept == (found[2],)
    rule = decided(selection, "DBI").rule
    assert (rule.name, rule.pattern) == ("shadowed", CLUSTER)
    assert "version 3" in rule.reason


def test_a_notebooks_own_library_is_nearer_than_the_clusters(cluster: Clusters) -> None:
    ours = package("DBI", "2.0", "/local_disk0/.ephemeral_nfs/envs/rEnv-1234")
    assert choose(cluster(package("DBI", "1.0", CLUSTER), ours)).kept == (ours,)


def test_of_several_notebooks_the_chosen_one_is_mirrored_and_none_without_a_choice(cluster: Clusters) -> None:
    notebooks = [f"/local_disk0/.ephemeral_nfs/envs/rEnv-{number}" for number in "12"]
    ours, theirs = (package("DBI", "2.0", notebook) for notebook in notebooks)
    taken = cluster(ours, theirs)
    assert choose(taken).kept == ()
    assert "chooses one" in decided(choose(taken), "DBI", notebooks[0]).rule.reason
    selection = choose(taken, notebook=notebooks[0])
    assert selection.kept == (ours,)
    assert decided(selection, "DBI", notebooks[1]).rule.name == "other-notebook"


def test_the_platforms_library_is_left_out_and_hides_nothing(cluster: Clusters) -> None:
    taken = cluster(package("SparkR", "3.5.0", PLATFORM), package("DBI", "2.0", PLATFORM), package("DBI", "1.0"))
    selection = choose(taken)
    assert [(kept.name, kept.version) for kept in selection.kept] == [("DBI", "1.0")]
    assert decided(selection, "SparkR", PLATFORM).rule.name == "platform"
    assert decided(selection, "DBI", PLATFORM).rule.name == "platform"


def test_a_sparkr_elsewhere_is_dropped_by_the_list(cluster: Clusters) -> None:
    rule = decided(choose(cluster(package("SparkR"))), "SparkR").rule
    assert (rule.name, rule.pattern) == ("blacklist", "SparkR")


@pytest.mark.parametrize("mode", ["blacklist", "whitelist"])
def test_no_list_can_drop_r_itself_or_what_r_notebooks_need(cluster: Clusters, mode: str) -> None:
    everything = FilterEntry(name="*", reason="drop it all", verdict=Verdict.DROP)
    additions = FilterConfig(r_blacklist=(everything,), r_whitelist=(everything,))
    taken = cluster(
        package("Rserve", library=PLATFORM),
        package("base", priority="base"),
        package("digest"),
        package("ggplot2"),
        package("htmltools", depends=("digest", "rlang", "utils")),
        package("rlang"),
    )
    selection = choose(taken, mode, additions=additions)
    assert names(selection) == ["Rserve", "base", "digest", "htmltools", "rlang"]
    assert decided(selection, "digest").rule.pattern == "htmltools"
    assert decided(selection, "Rserve", PLATFORM).rule.name == "notebook"


def test_with_the_whitelist_what_kept_packages_require_comes_along_at_the_clusters_version(cluster: Clusters) -> None:
    taken = cluster(
        package("dplyr", depends=("R6", "missing", "tibble")),
        package("tibble", depends=("pillar",)),
        package("pillar"),
        package("R6"),
        package("plogr"),
        package("sparklyr", depends=("SparkR",)),
        package("SparkR"),
    )
    selection = choose(taken, "whitelist")
    assert names(selection) == ["R6", "dplyr", "pillar", "sparklyr", "tibble"]
    assert decided(selection, "pillar").rule.name == "required-by"
    assert decided(selection, "plogr").rule.name == "default"


def test_a_users_entry_comes_first_and_names_are_compared_letter_by_letter(cluster: Clusters) -> None:
    additions = FilterConfig(
        r_blacklist=(
            FilterEntry(name="SparkR", reason="our own build", verdict=Verdict.KEEP),
            FilterEntry(name="acme*", reason="not for images"),
        )
    )
    selection = choose(cluster(package("SparkR"), package("Acme"), package("acmeTools")), additions=additions)
    assert names(selection) == ["Acme", "SparkR"]
    assert decided(selection, "acmeTools").rule.origin == "dbmirror.toml"


def test_pythons_entries_do_not_speak_of_r(cluster: Clusters) -> None:
    additions = FilterConfig(blacklist=(FilterEntry(name="config", reason="Python's"),))
    assert names(choose(cluster(package("config")), additions=additions)) == ["config"]


@pytest.mark.parametrize("written", ["a b", "a_b", "-x", "$(id)", "1st"])
def test_what_cannot_match_an_r_package_is_refused_with_the_file(written: str) -> None:
    entry = FilterEntry(name=written, reason="why not")
    with pytest.raises(FilterError, match=r"team\.toml"):
        load("blacklist", SPELLING, FilterConfig(r_blacklist=(entry,)), origin="team.toml")


def test_an_unknown_mode_or_list_is_refused(cluster: Clusters) -> None:
    with pytest.raises(FilterError, match="greylist"):
        choose(cluster(), "greylist")
    with pytest.raises(FilterError, match="greylist"):
        load("greylist", SPELLING)


@pytest.mark.parametrize("name", ["whitelist", "blacklist"])
def test_every_built_in_entry_has_a_reason_that_is_a_sentence_and_stands_there_once(name: str) -> None:
    entries = load(name, SPELLING).entries
    assert len({entry.pattern for entry in entries}) == len(entries)
    assert all(entry.group and entry.reason.endswith(".") for entry in entries)


def test_of_a_real_runtime_only_the_platforms_own_is_dropped(cluster: Clusters) -> None:
    path = RUNTIME_LISTS / "17.3.r.txt"
    found = [package(*line.split()) for line in path.read_text().splitlines()]
    taken = cluster(*found, package("SparkR", "4.0.0", PLATFORM))
    assert [d.name for d in choose(taken).decisions if d.verdict is Verdict.DROP] == ["SparkR"]
    assert 90 < len(choose(taken, "whitelist").kept) < len(found)


def explained(taken: Snapshot, name: str, mode: str = "blacklist") -> Explanation:
    return explain(choose(taken, mode), name, language=r_language(taken.inventory), lists=lists(SPELLING, mode))


def test_an_explanation_tells_every_rule_the_hidden_copies_and_who_requires_it(cluster: Clusters) -> None:
    taken = cluster(
        package("dplyr", depends=("rlang",)), package("rlang", "2.0", CLUSTER), package("rlang"), package("SparkR")
    )
    found = explained(taken, "Rlang", "whitelist")
    assert found.name == "rlang"
    assert found.decision is not None
    assert found.decision.version == "2.0"
    assert [each.version for each in found.hidden] == ["1.0"]
    assert [need.requirer for need in found.required_by] == ["dplyr"]
    assert [opinion.rule.name for opinion in found.opinions] == ["required-by", "default"]
    assert [opinion.rule.name for opinion in explained(taken, "SparkR").opinions] == ["blacklist", "default"]


def test_a_package_that_the_cluster_has_not_is_refused(cluster: Clusters) -> None:
    with pytest.raises(FilterError, match="no R package acme"):
        explained(cluster(package("DBI")), "acme")
