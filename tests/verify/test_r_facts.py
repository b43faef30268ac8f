"""What R in an image answers, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dbmirror.filters.flavour import Flavour
from dbmirror.inventory.model import DebianPackage
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.r.model import CapturedRPackage, LockedRPackage, RLock
from dbmirror.runtimes.lookup import lookup
from dbmirror.runtimes.r_notebooks import R_NOTEBOOK_PACKAGES
from dbmirror.verify.evidence import Evidence
from dbmirror.verify.model import Finding, Outcome, Report, RFailure, RPackageCheck, Severity
from dbmirror.verify.r_facts import Loaded, RFacts, checks, expected_r, parse_failed, parse_load, with_failures
from dbmirror.verify.system_facts import Answer
from tests.builders import an_r_fate
from tests.verify.conftest import answering

SOURCE = CapturedRPackage(path="r-sources/a.tar.gz", sha256="0" * 64)
Judge = Callable[[str, Evidence], Finding]


def fate(name: str, version: str, kind: FateKind = FateKind.MIRRORED) -> Fate:
    return an_r_fate(name, version, kind, "/usr/lib/R/library")


def r_lock(**versions: str) -> RLock:
    return RLock(
        snapshot="sha256:0",
        r_version="4.2.2",
        repositories=(),
        packages=tuple(LockedRPackage(name=n, version=v, source=SOURCE) for n, v in sorted(versions.items())),
        fates=(fate("base", "4.2.2", FateKind.PROVIDED), *(fate(n, v) for n, v in sorted(versions.items()))),
    )


def facts(version: str = "4.2.2", **errors: str) -> RFacts:
    loaded = dict.fromkeys([*R_NOTEBOOK_PACKAGES, "base"], Loaded(version="4.2.2", error=None))
    return RFacts(version=version, packages=loaded | {n: Loaded(version="1.0", error=e) for n, e in errors.items()})


@pytest.mark.parametrize(
    ("answer", "loaded"),
    [
        (Answer(0, "Loading...\nnonce version 1.0-3\n"), Loaded(version="1.0-3", error=None)),
        (Answer(0, "nonce version NA\nnonce error no such package"), Loaded(version=None, error="no such package")),
        (Answer(0, "nonce version 1.0\nnonce error a\x1b[31m b"), Loaded(version="1.0", error="a\\x1b[31m b")),
        (Answer(124, "nonce version 1.0"), Loaded(version="1.0", error="it did not end within 60 s")),
        (
            Answer(139, "nonce version 1.0\n*** caught segfault ***\n"),
            Loaded(version="1.0", error="it ended R with code 139: *** caught segfault ***"),
        ),
        (Answer(0, "other version 1.0"), Loaded(version=None, error="R said nothing of it")),
        (Answer(127), Loaded(version=None, error="it ended R with code 127")),
    ],
    ids=["loads", "missing", "does not load", "hangs", "crashes", "an answer that is not its own", "no R"],
)
def test_the_last_words_of_a_process_say_how_the_package_loads(answer: Answer, loaded: Loaded) -> None:
    assert parse_load(answer, "nonce") == loaded


def test_what_the_build_left_out_is_read_line_by_line_and_hostile_lines_are_passed_over() -> None:
    text = "arrow\t19.0.1\tarrow.cpp:2: error: no\n$(id)\t1\tx\nshort\t1\nV8\t6.0\ta\x1bb\tc\n"
    assert parse_failed(text) == (
        RFailure(name="arrow", version="19.0.1", reason="arrow.cpp:2: error: no"),
        RFailure(name="V8", version="6.0", reason="a\\x1bb\\tc"),
    )


def test_what_is_mirrored_and_what_is_provided_is_expected() -> None:
    assert expected_r(r_lock(dplyr="1.1.4")) == {"base": "4.2.2", "dplyr": "1.1.4"}


def test_a_package_counts_if_it_is_there_at_its_version_and_loads() -> None:
    found = RFacts(
        version="4.2.2",
        packages={
            "base": Loaded(version="4.2.2", error=None),
            "dplyr": Loaded(version="1.1.3", error=None),
            "arrow": Loaded(version="19.0.1", error="libarrow.so: cannot open shared object file"),
        },
    )
    found_checks = checks(r_lock(dplyr="1.1.4", arrow="19.0.1", gone="1.0"), found)
    assert [(check.name, check.good) for check in found_checks] == [
        ("arrow", False),
        ("base", True),
        ("dplyr", False),
        ("gone", False),
    ]


def test_a_package_that_the_build_left_out_is_no_difference_but_has_another_fate() -> None:
    lock = r_lock(dplyr="1.1.4", arrow="19.0.1")
    failure = RFailure(name="arrow", version="19.0.1", reason="no compiler")
    assert [check.name for check in checks(lock, replace(facts(), failed=(failure,)))] == ["base", "dplyr"]
    turned = with_failures(lock, [failure])
    assert turned.counts() | {} == lock.counts() | {FateKind.MIRRORED: 1, FateKind.UNAVAILABLE: 1}
    (arrow,) = [each for each in turned.fates if each.name == "arrow"]
    assert arrow.reason.endswith("(--keep-going): no compiler")
    assert [package.name for package in turned.packages] == ["dplyr"]


def test_an_addition_that_the_build_left_out_is_lacking() -> None:
    lock = r_lock(dplyr="1.1.4", hwriterPlus="1.0-3")
    added = replace(lock.packages[1], addition="Notebooks write with it.")
    lock = replace(
        lock,
        packages=(lock.packages[0], added),
        fates=tuple(fate for fate in lock.fates if fate.name != "hwriterPlus"),
    )
    turned = with_failures(lock, [RFailure(name="hwriterPlus", version="1.0-3", reason="no compiler")])
    assert turned.counts() == lock.counts()
    (lacking,) = turned.lacking
    assert lacking.name == "hwriterPlus"
    assert lacking.reason.startswith("Notebooks write with it. ")
    assert lacking.reason.endswith("(--keep-going): no compiler")


def test_a_report_is_red_for_one_r_package_that_does_not_load() -> None:
    check = RPackageCheck(name="dplyr", expected="1.1.4", found="1.1.4")
    green = Report(
        image_id="sha256:1", snapshot="", lock="", comparisons=(), imports=(), findings=(), r_packages=(check,)
    )
    assert green.passed
    assert not replace(green, r_packages=(replace(check, error="no"),)).passed


def with_r(good: Evidence, found: RFacts | None, **debian: str) -> Evidence:
    packages = tuple(DebianPackage(name=n.replace("_", "-"), version=v) for n, v in debian.items())
    return replace(
        answering(good, command__R=Answer(0, "/usr/bin/R")),
        inventory=replace(good.inventory, debian_packages=packages),
        r_lock=r_lock(),
        r=found,
        flavour=Flavour.PYTHON_R,
    )


def test_l17_holds_for_the_clusters_r_with_all_that_notebooks_need(good: Evidence, judged: Judge) -> None:
    found = judged("L17", with_r(good, facts(), r_base="4.2.2.20221110-2", r_base_core="4.2.2-1.2204.0"))
    assert found.outcome is Outcome.PASSED
    assert "hwriterPlus" in found.message


@pytest.mark.parametrize(
    ("found", "debian", "words"),
    [
        (facts(version="4.5.3"), {}, "R is 4.5.3, the cluster's is 4.2.2"),
        (facts(), {"r_base": "4.2.2-1", "r_base_core": "4.5.3-1"}, "r-base-core 4.5.3-1"),
        (facts(), {"r_base_core": "4.2.20-1"}, "r-base-core 4.2.20-1"),
        (facts(hwriterPlus="there is no package"), {}, "hwriterPlus (there is no package)"),
        (RFacts(version=None, packages={}), {}, "R does not run"),
        (None, {}, "R does not run"),
    ],
    ids=["another R", "r-base-core floats", "a version that begins alike", "notebooks", "no R", "not asked"],
)
def test_l17_names_what_does_not_hold(
    good: Evidence, judged: Judge, found: RFacts | None, debian: dict[str, str], words: str
) -> None:
    finding = judged("L17", with_r(good, found, **debian))
    assert (finding.outcome, finding.severity) == (Outcome.FAILED, Severity.ERROR)
    assert words in finding.message


def test_l17_warns_where_the_cluster_itself_has_another_r_than_its_runtime(good: Evidence, judged: Judge) -> None:
    finding = judged("L17", replace(with_r(good, facts()), runtime=lookup("14.3")))
    assert (finding.outcome, finding.severity) == (Outcome.FAILED, Severity.WARNING)


def test_an_image_with_r_and_a_lock_without_is_an_error(good: Evidence, judged: Judge) -> None:
    assert judged("L17", good).outcome is Outcome.NOT_APPLICABLE
    assert judged("L17", answering(good, command__R=Answer(0, "/usr/bin/R"))).outcome is Outcome.FAILED


def test_an_image_for_r_alone_is_not_judged_by_python_notebooks(good: Evidence, judged: Judge) -> None:
    only_r = replace(good, flavour=Flavour.R, r_lock=r_lock(), r=facts())
    for number in ("L10", "L11", "L13"):
        assert judged(number, only_r).outcome is Outcome.NOT_APPLICABLE
    other = judged("L06", answering(only_r, python=Answer(0, "Python 3.10.12")))
    assert (other.outcome, other.severity) == (Outcome.FAILED, Severity.WARNING)
    assert judged("L06", answering(good, python=Answer(0, "Python 3.10.12"))).severity is Severity.ERROR
