"""One decision for each distribution: by the lists, unless something stronger speaks."""

from collections.abc import Callable

import pytest

from dbmirror.config import FilterConfig, FilterEntry
from dbmirror.filters.errors import FilterError
from dbmirror.filters.model import Decision, Selection, Verdict
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Distribution, Problem
from dbmirror.snapshot import Snapshot
from tests.builders import FOLDERS
from tests.builders import python_selection as choose

Installed = Callable[..., Distribution]
Snapshots = Callable[..., Snapshot]


def decided(selection: Selection[Distribution], name: str, layer: Layer = Layer.RUNTIME) -> Decision:
    return next(d for d in selection.decisions if d.name == name and d.layer is layer)


def test_every_distribution_gets_one_decision_in_the_inventorys_order(
    installed: Installed, snapshot: Snapshots
) -> None:
    found = [installed("six", layer=layer) for layer in FOLDERS] + [installed("pyspark"), installed("zipp")]
    problem = Problem(path="/x/broken-1.0.dist-info", reason="no METADATA")
    selection = choose(snapshot(*found, problems=(problem,)))
    assert [(d.name, d.layer) for d in selection.decisions] == [(d.name, d.layer) for d in found]
    assert [d.name for d in selection.kept] == ["six", "zipp"]
    assert selection.problems == (problem,)


def test_with_the_blacklist_what_no_entry_names_is_kept(installed: Installed, snapshot: Snapshots) -> None:
    decision = decided(choose(snapshot(installed("acme-private"))), "acme-private")
    assert (decision.verdict, decision.rule.name) == (Verdict.KEEP, "default")


def test_an_entry_drops_with_its_pattern_and_its_reason(installed: Installed, snapshot: Snapshots) -> None:
    rule = decided(choose(snapshot(installed("ubuntu-pro-image"))), "ubuntu-pro-image").rule
    assert (rule.name, rule.pattern) == ("blacklist", "ubuntu-*")
    assert "managing" in rule.reason


def test_a_users_entry_undoes_a_built_in_one(installed: Installed, snapshot: Snapshots) -> None:
    additions = FilterConfig(blacklist=(FilterEntry(name="delta*", reason="pinned by us", verdict=Verdict.KEEP),))
    decision = decided(choose(snapshot(installed("delta-spark")), additions=additions), "delta-spark")
    assert (decision.verdict, decision.rule.origin) == (Verdict.KEEP, "dbmirror.toml")


def test_a_shadowed_copy_is_dropped_and_the_nearer_one_named(installed: Installed, snapshot: Snapshots) -> None:
    near, far = installed("numpy", "2.0", Layer.CLUSTER), installed("numpy", "1.0")
    selection = choose(snapshot(near, far))
    assert selection.kept == (near,)
    rule = decided(selection, "numpy").rule
    assert rule.name == "shadowed"
    assert "numpy 2.0 of the cluster layer" in rule.reason


def test_two_copies_in_one_place_give_one_kept_and_one_shadowed(installed: Installed, snapshot: Snapshots) -> None:
    selection = choose(snapshot(installed("six", "1.0"), installed("six", "1.0")))
    assert [d.verdict for d in selection.decisions] == [Verdict.KEEP, Verdict.DROP]


def test_the_only_notebook_environment_is_mirrored(installed: Installed, snapshot: Snapshots) -> None:
    ours = installed("acme", layer=Layer.NOTEBOOK)
    assert choose(snapshot(ours)).kept == (ours,)


def test_of_several_notebook_environments_the_chosen_one_is_mirrored(installed: Installed, snapshot: Snapshots) -> None:
    ours = installed("acme", "1.0", Layer.NOTEBOOK, location="/envs/pythonEnv-a")
    theirs = installed("acme", "2.0", Layer.NOTEBOOK, location="/envs/pythonEnv-b")
    lonely = installed("other", "2.0", Layer.NOTEBOOK, location="/envs/pythonEnv-b")
    taken = snapshot(ours, theirs, lonely)
    selection = choose(taken, notebook="/envs/pythonEnv-a")
    assert selection.kept == (ours,)
    assert [d.rule.name for d in selection.decisions] == ["default", "other-notebook", "other-notebook"]
    assert not choose(taken).kept
    with pytest.raises(FilterError, match="pythonEnv-c"):
        choose(taken, notebook="/envs/pythonEnv-c")


def test_what_the_platform_puts_into_the_edge_libraries_is_dropped(installed: Installed, snapshot: Snapshots) -> None:
    decision = decided(choose(snapshot(installed("acme", layer=Layer.EDGE))), "acme", Layer.EDGE)
    assert (decision.verdict, decision.rule.name) == (Verdict.DROP, "edge")


@pytest.mark.parametrize("mode", ["blacklist", "whitelist"])
def test_no_list_can_drop_the_repl_pip_and_its_like_or_what_these_require(
    installed: Installed, snapshot: Snapshots, mode: str
) -> None:
    everything = FilterEntry(name="*", reason="drop it all", verdict=Verdict.DROP)
    additions = FilterConfig(blacklist=(everything,), whitelist=(everything,))
    taken = snapshot(
        installed("ipykernel", requires=("traitlets >=5", "appnope; sys_platform == 'darwin'")),
        installed("traitlets"),
        installed("appnope"),
        installed("pip"),
        installed("pandas"),
    )
    selection = choose(taken, mode, additions=additions, repl=frozenset({"ipykernel"}))
    assert [d.name for d in selection.kept] == ["ipykernel", "pip", "traitlets"]
    assert decided(selection, "traitlets").rule.name == "repl"
    assert "ipykernel" in decided(selection, "traitlets").rule.reason
    assert decided(selection, "pandas").rule.origin == "dbmirror.toml"


def test_with_the_whitelist_what_kept_packages_require_comes_along_and_nothing_else(
    installed: Installed, snapshot: Snapshots
) -> None:
    taken = snapshot(
        installed("pandas", requires=("python_dateutil>=2.8", "tzdata; python_version >= '3.12'", "fsspec[http]")),
        installed("python-dateutil", requires=("six (>=1.5)",)),
        installed("six"),
        installed("tzdata"),
        installed("fsspec", requires=("yarl; extra == 'http'", "dropbox; extra == 'dropbox'", "not a requirement !!")),
        installed("yarl"),
        installed("dropbox"),
        installed("launchpadlib"),
    )
    selection = choose(taken, "whitelist")
    assert [d.name for d in selection.kept] == ["fsspec", "pandas", "python-dateutil", "six", "yarl"]
    rule = decided(selection, "six").rule
    assert (rule.name, rule.pattern) == ("required-by", "python-dateutil")
    assert decided(selection, "launchpadlib").rule.name == "default"


def test_markers_are_those_of_the_cluster_not_of_this_machine(installed: Installed, snapshot: Snapshots) -> None:
    taken = snapshot(
        installed("pandas", requires=("zipp; python_full_version == '3.11.11'", "six; platform_machine != 'x86_64'")),
        installed("zipp"),
        installed("six"),
    )
    assert [d.name for d in choose(taken, "whitelist").kept] == ["pandas", "zipp"]


def test_with_the_whitelist_the_blacklist_still_drops(installed: Installed, snapshot: Snapshots) -> None:
    taken = snapshot(
        installed("databricks-connect"),
        installed("databricks-feature-engineering", requires=("pyspark",)),
        installed("pyspark", requires=("py4j", "six")),
        installed("six"),
    )
    selection = choose(taken, "whitelist")
    assert [d.name for d in selection.kept] == ["databricks-feature-engineering"]
    assert decided(selection, "databricks-connect").rule.name == "blacklist"


def test_with_the_whitelist_a_users_entry_keeps_even_what_is_blacklisted(
    installed: Installed, snapshot: Snapshots
) -> None:
    additions = FilterConfig(whitelist=(FilterEntry(name="py4j", reason="our gateway needs it"),))
    assert [d.name for d in choose(snapshot(installed("py4j")), "whitelist", additions=additions).kept] == ["py4j"]


def test_packages_that_require_each_other_end(installed: Installed, snapshot: Snapshots) -> None:
    taken = snapshot(
        installed("numpy", requires=("a",)), installed("a", requires=("b",)), installed("b", requires=("a",))
    )
    assert len(choose(taken, "whitelist").kept) == 3


def test_an_unknown_mode_is_refused(snapshot: Snapshots) -> None:
    with pytest.raises(FilterError, match="greylist"):
        choose(snapshot(), "greylist")
