"""A report is the same bytes for the same findings, comes back as it was, and shows when it was changed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror import __version__
from dbmirror.verify.errors import ReportError
from dbmirror.verify.model import Comparison, Finding, ImportAttempt, Outcome, Report, Severity
from dbmirror.verify.report import encode_report, read_report, write_report
from dbmirror.verify.verifier import still_holds, verifier

REPORT = Report(
    image_id="sha256:" + "1" * 64,
    snapshot="sha256:2",
    lock="sha256:3",
    comparisons=(Comparison(name="six", expected="1.16.0", found=None),),
    imports=(ImportAttempt(distribution="six", module="six", error=None),),
    findings=(
        Finding(
            rule="L02",
            title="System",
            severity=Severity.ERROR,
            outcome=Outcome.WAIVED,
            message="It is Debian.",
            waiver="A stand-in.",
        ),
    ),
    extra=(("wheel", "0.38.4"),),
)


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "verification.json"
    assert write_report(REPORT, path)
    assert read_report(path) == REPORT
    assert not write_report(REPORT, path)


def test_a_report_holds_for_its_image_lock_and_snapshot_and_the_very_verification_that_made_it() -> None:
    of = {"image_id": REPORT.image_id, "lock": REPORT.lock, "snapshot": REPORT.snapshot}
    waivers = {"L02": "A stand-in."}
    report = replace(REPORT, verifier=verifier())
    assert still_holds(report, **of, waivers=waivers)
    for changed in of:
        assert not still_holds(report, **{**of, changed: "another"}, waivers=waivers)
    assert not still_holds(REPORT, **of, waivers=waivers)
    another = replace(REPORT, verifier=verifier().replace("rules ", "rules f"))
    assert not still_holds(another, **of, waivers=waivers)


def test_a_report_does_not_hold_once_a_rule_is_waived_no_longer_or_for_another_reason() -> None:
    of = {"image_id": REPORT.image_id, "lock": REPORT.lock, "snapshot": REPORT.snapshot}
    report = replace(REPORT, verifier=verifier())
    assert not still_holds(report, **of, waivers={})
    assert not still_holds(report, **of, waivers={"L02": "Another reason."})
    failed = replace(report, findings=(replace(report.findings[0], outcome=Outcome.FAILED, waiver=None),))
    assert still_holds(failed, **of, waivers={})
    assert not still_holds(failed, **of, waivers={"L02": "A stand-in."})


def test_the_verification_is_told_by_dbmirrors_version_and_by_its_rules() -> None:
    assert re.fullmatch(rf"dbmirror {re.escape(__version__)}, rules [0-9a-f]{{12}}", verifier())


def test_the_file_states_its_schema_and_its_verdict_and_no_clock() -> None:
    document = json.loads(encode_report(REPORT))
    assert document["schema"] == 1
    assert document["passed"] is False
    assert encode_report(REPORT) == encode_report(REPORT)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a valid"),
        (b"[]", "not a valid"),
        (b'{"schema": 99}', "schema version 99"),
        (b'{"schema": 1}', "not a valid"),
        (encode_report(REPORT).replace(b'"passed": false', b'"passed": true'), "changed by hand"),
        (encode_report(REPORT).replace(b'"six"', b'"$(x)"'), "not a valid"),
    ],
)
def test_a_damaged_or_changed_file_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "verification.json"
    path.write_bytes(content)
    with pytest.raises(ReportError, match=words) as caught:
        read_report(path)
    assert caught.value.remedy


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="no verification report") as caught:
        read_report(tmp_path / "verification.json")
    assert "dbmirror verify" in caught.value.remedy
