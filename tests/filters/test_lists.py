"""The two lists: entries with reasons, globs, PEP 503 names, the user's entries first."""

import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

import dbmirror.runtimes
from dbmirror.config import FilterConfig, FilterEntry
from dbmirror.filters.errors import FilterError
from dbmirror.filters.languages.python import SPELLING, normalise_pattern
from dbmirror.filters.lists import load
from dbmirror.filters.model import Verdict

RUNTIME_LISTS = Path(dbmirror.runtimes.__file__).parent / "packages"


def pins(runtime: str) -> list[str]:
    path = RUNTIME_LISTS / f"{runtime}.txt"
    return [canonicalize_name(line.partition("==")[0]) for line in path.read_text().split()]


@pytest.mark.parametrize("name", ["whitelist", "blacklist"])
def test_every_built_in_entry_has_a_group_and_a_reason_that_is_a_sentence(name: str) -> None:
    for entry in load(name, SPELLING).entries:
        assert entry.group
        assert len(entry.reason) > 5, entry
        assert entry.reason[0].isupper() or entry.reason.startswith(("scikit", "matplotlib")), entry
        assert entry.reason.endswith("."), entry


@pytest.mark.parametrize("name", ["whitelist", "blacklist"])
def test_no_built_in_pattern_stands_there_twice(name: str) -> None:
    patterns = [entry.pattern for entry in load(name, SPELLING).entries]
    assert sorted(set(patterns)) == sorted(patterns)


@pytest.mark.parametrize(
    ("written", "pattern"),
    [("Scikit_Learn", "scikit-learn"), ("azure.storage.*", "azure-storage-*"), ("zope--x", "zope-x"), ("?ray", "?ray")],
)
def test_patterns_are_compared_in_pep_503_form(written: str, pattern: str) -> None:
    assert normalise_pattern(written) == pattern


@pytest.mark.parametrize("written", ["", "a b", "[a-z]", "-x", "a/b", "x\n", "$(id)", "x-"])
def test_what_cannot_match_a_name_is_refused_with_the_file_that_holds_it(written: str) -> None:
    entry = FilterEntry(name=written, reason="why not") if written else FilterEntry(name=" ", reason="why not")
    with pytest.raises(FilterError, match=r"team\.toml"):
        load("blacklist", SPELLING, FilterConfig(blacklist=(entry,)), origin="team.toml")


def test_an_unknown_list_is_named() -> None:
    with pytest.raises(FilterError, match="greylist"):
        load("greylist", SPELLING)


def test_the_users_entries_come_first_and_say_where_they_are_from() -> None:
    additions = FilterConfig(
        blacklist=(FilterEntry(name="PySpark", reason="we bring our own", verdict=Verdict.KEEP),),
        whitelist=(FilterEntry(name="acme.*", reason="ours"),),
    )
    first, second = list(load("blacklist", SPELLING, additions).matching("pyspark"))[:2]
    assert (first.verdict, first.origin, second.verdict, second.origin) == ("keep", "dbmirror.toml", "drop", "dbmirror")
    assert next(load("whitelist", SPELLING, additions).matching("acme-models")).verdict is Verdict.KEEP


@pytest.mark.parametrize("runtime", ["13.3", "15.4", "17.3", "15.4-ml-cpu"])
def test_of_the_real_runtimes_the_blacklist_drops_nothing_that_an_index_has(runtime: str) -> None:
    blacklist = load("blacklist", SPELLING)
    dropped = {name for name in pins(runtime) if next(blacklist.matching(name), None)}
    assert dropped <= {"unattended-upgrades"}


@pytest.mark.parametrize(("runtime", "at_least"), [("15.4", 30), ("17.3", 40), ("15.4-ml-cpu", 120)])
def test_the_whitelist_knows_the_data_science_of_the_real_runtimes(runtime: str, at_least: int) -> None:
    whitelist = load("whitelist", SPELLING)
    names = pins(runtime)
    known = {name for name in names if next(whitelist.matching(name), None)}
    assert len(known) >= at_least
    assert {"numpy", "pandas", "scipy", "scikit-learn", "matplotlib", "pyarrow", "mlflow-skinny"} <= known
    assert not known & {"unattended-upgrades", "dbus-python", "ssh-import-id", "launchpadlib"}


@pytest.mark.parametrize(
    "path", sorted(Path(str(files("dbmirror"))).glob("filters/*.toml")), ids=lambda path: path.name
)
def test_a_list_of_dbmirrors_own_holds_groups_of_names_with_reasons_and_nothing_else(path: Path) -> None:
    document = tomllib.loads(path.read_text())
    assert document.keys() == {"group"}
    for group in document["group"]:
        assert group.keys() == {"title", "entries"}
        assert all(names and reason.endswith(".") for names, reason in group["entries"])
