"""What the image must have is compared with what it effectively has."""

from __future__ import annotations

from dataclasses import replace

from dbmirror.inventory.layers import Layer
from dbmirror.lock.fates import FateKind
from dbmirror.verify.model import Comparison, ImportAttempt, Report
from dbmirror.verify.system_facts import parse_answers, parse_secrets
from dbmirror.verify.verify import compare, expected_versions, extra, summary
from tests.verify.conftest import distribution, fate, inventory, lock, package


def test_the_image_must_have_what_is_mirrored_and_what_is_provided_and_nothing_else() -> None:
    made = lock(
        package("a", "1"),
        fates=(
            fate("a", "1"),
            fate("b", "2", FateKind.PROVIDED),
            fate("c", "3", FateKind.EXCLUDED),
            fate("d", "4", FateKind.UNAVAILABLE),
            fate("e", "5", FateKind.SUBSTITUTED),
        ),
    )
    assert expected_versions(made) == {"a": "1", "b": "2"}


def test_a_missing_or_different_distribution_is_unequal() -> None:
    found = compare({"a": "1.0", "b": "1.0", "c": "1.0"}, inventory(distribution("a", "1.0"), distribution("b", "1.1")))
    assert [(c.name, c.found, c.equal) for c in found] == [("a", "1.0", True), ("b", "1.1", False), ("c", None, False)]


def test_another_local_version_is_another_version_and_another_spelling_is_not() -> None:
    found = compare(
        {"torch": "2.3.1+cpu", "tz": "2022.01"}, inventory(distribution("torch", "2.3.1"), distribution("tz", "2022.1"))
    )
    assert [(c.name, c.equal) for c in found] == [("torch", False), ("tz", True)]


def test_the_nearest_layer_counts_as_it_does_for_an_import() -> None:
    image = inventory(distribution("a", "1.0", Layer.APT), distribution("a", "2.0", Layer.RUNTIME))
    assert compare({"a": "2.0"}, image)[0].equal
    assert not compare({"a": "1.0"}, image)[0].equal


def test_what_the_image_has_beyond_the_lock_is_extra_also_where_a_rule_excludes_it() -> None:
    image = inventory(distribution("a", "1.0"), distribution("excluded", "0.40"))
    assert extra(image, {"a": "1.0"}) == (("excluded", "0.40"),)


def test_one_different_package_or_one_unexpected_import_failure_fails_the_report() -> None:
    report = Report(image_id="sha256:1", snapshot="", lock="", comparisons=(), imports=(), findings=())
    assert report.passed
    assert not replace(report, comparisons=(Comparison(name="a", expected="1", found="2"),)).passed
    broken = ImportAttempt(distribution="a", module="a", error="ImportError: x")
    assert not replace(report, imports=(broken,)).passed
    assert replace(report, imports=(replace(broken, expected="no display"),)).passed
    assert "1 unexpected import failure" in summary(replace(report, imports=(broken,)))


def test_answers_of_the_system_probe_are_read_and_noise_is_not() -> None:
    answers = parse_answers("motd\x1ejava\x1f0\x1fline 1\nline 2\x1ebroken\x1ex\x1f1\x1f\x1ey\x1fnan\x1f")
    assert set(answers) == {"java", "x"}
    assert (answers["java"].first_line, answers["java"].last_line) == ("line 1", "line 2")
    assert not answers["x"].good


def test_finds_of_the_search_are_sorted_and_each_is_told_once() -> None:
    found = parse_secrets("private key\t/b\nAWS access key\t/a\nprivate key\t/b\nnoise\n")
    assert [(secret.kind, secret.path) for secret in found] == [("AWS access key", "/a"), ("private key", "/b")]
