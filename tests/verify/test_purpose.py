"""Whether an image matches its cluster, and whether it could boot; the verdict follows what was asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from dbmirror.cli.json_documents import report_document
from dbmirror.cli.single_stages import refuted
from dbmirror.cli.verification_tables import two_answers
from dbmirror.config import load_config
from dbmirror.verify.model import Comparison, Finding, Outcome, Report, Severity
from dbmirror.verify.report import encode_report, read_report
from dbmirror.verify.verifier import still_holds, verifier
from dbmirror.verify.verify import summary


def broken(rule: str, message: str = "ML runtimes take no custom image.") -> Finding:
    return Finding(rule=rule, title=rule, severity=Severity.ERROR, outcome=Outcome.FAILED, message=message)


EQUAL = Comparison(name="six", expected="1.16.0", found="1.16.0")
OTHER = Comparison(name="six", expected="1.16.0", found="1.15.0")
ML = Report(image_id="sha256:1", snapshot="s", lock="l", comparisons=(EQUAL,), imports=(), findings=(broken("L25"),))
LAB = replace(ML, purpose="lab")


def answers(report: Report) -> tuple[str, ...]:
    return tuple(line.plain for line in two_answers(report))


def test_a_machine_learning_cluster_is_matched_by_an_image_that_cannot_boot() -> None:
    assert (ML.matches, ML.passed) == (True, False)
    assert answers(ML) == (
        "matches the cluster: yes",
        "can boot under Container Services: no, because L25: ML runtimes take no custom image",
    )


def test_for_the_lab_alone_that_is_all_that_was_asked() -> None:
    assert LAB.passed
    assert "FAILED" not in summary(LAB)
    assert answers(LAB)[1].endswith("The mirror is for the lab, which does without.")
    document = report_document(LAB)
    assert (document["passed"], document["matches_cluster"], document["can_boot"]) == (True, True, False)
    assert document["boot_obstacles"] == [{"rule": "L25", "reason": "ML runtimes take no custom image."}]


@pytest.mark.parametrize(
    "changes",
    [
        {"comparisons": (OTHER,)},
        {"findings": (broken("L06", "Python is another."),)},
        {"findings": (broken("L17", "R is another."),)},
    ],
)
def test_what_is_not_what_the_cluster_has_is_of_no_use_to_the_lab_either(changes: dict[str, object]) -> None:
    report = replace(LAB, **changes)  # type: ignore[arg-type]
    assert (report.matches, report.passed) == (False, False)
    assert answers(report)[0] == "matches the cluster: no"


def test_a_secret_is_let_through_for_nothing() -> None:
    report = replace(LAB, findings=(broken("L28", "There is a token."),))
    assert (report.matches, report.passed) == (True, False)


def test_an_image_that_fails_for_the_cluster_alone_says_the_setting(tmp_path: Path) -> None:
    error = refuted(ML, "dbmirror/demo:1", mirror="demo", folder=tmp_path)
    assert error.message == (
        "dbmirror/demo:1 matches the cluster, but cannot boot under Container Services: L25 above."
    )
    assert 'for = "lab" in [mirrors.demo]' in error.remedy
    assert (
        "is not what the cluster has"
        in refuted(replace(ML, comparisons=(OTHER,)), "x", mirror="m", folder=tmp_path).message
    )


def test_the_setting_is_written_as_for(tmp_path: Path) -> None:
    file = tmp_path / "dbmirror.toml"
    file.write_text('[mirrors.demo]\nfor = "lab"\n')
    assert load_config(file).mirror("demo").purpose == "lab"
    assert load_config(file).mirror("other").purpose == "cluster"


def test_a_report_for_another_purpose_does_not_hold(tmp_path: Path) -> None:
    report = replace(LAB, verifier=verifier())
    of = {"image_id": "sha256:1", "lock": "l", "snapshot": "s", "waivers": {}}
    assert still_holds(report, **of, purpose="lab")  # type: ignore[arg-type]
    assert not still_holds(report, **of, purpose="cluster")  # type: ignore[arg-type]
    path = tmp_path / "verification.json"
    path.write_bytes(encode_report(report))
    assert read_report(path) == report


def test_no_red_word_is_shown_where_the_lab_is_all_that_was_asked() -> None:
    console = Console(force_terminal=True, width=200)
    with console.capture() as captured:
        for line in two_answers(LAB):
            console.print(line)
    assert "\x1b[31m" not in captured.get()
