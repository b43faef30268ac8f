"""The tables of a mirror: which fates a command shows again, and what a push came to."""

from __future__ import annotations

from dataclasses import replace

from dbmirror.cli.mirror_tables import fates, pushed
from dbmirror.cli.verification_tables import imports, verdict
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.publish.destinations import Pushed
from dbmirror.publish.moving_tags import AlsoTagged
from dbmirror.verify.imports import NOT_TRIED
from dbmirror.verify.model import ImportAttempt, Report
from tests.builders import a_fate, a_lock
from tests.cli.test_layout import DIGEST, printed

SHADOWED = a_fate("certifi", "2023.7.22", FateKind.EXCLUDED)
GONE = a_fate("private", "1.0", FateKind.UNAVAILABLE)
THERE = a_fate("private", "1.0", FateKind.MIRRORED)
EXPLAINED = Report(
    image_id=DIGEST,
    snapshot=DIGEST,
    lock=DIGEST,
    comparisons=(),
    imports=(ImportAttempt(distribution="black", module="blackd", error="it fails", expected="as on the cluster"),),
    findings=(),
)


def a_mirror_lock(*found: Fate) -> MirrorLock:
    return MirrorLock(python=a_lock(fates=found))


def test_the_first_table_has_every_exception() -> None:
    lines = printed(fates(a_mirror_lock(SHADOWED, GONE), "changed"))
    assert {"certifi", "private"} <= {line.split()[0] for line in lines}


def test_a_build_that_did_nothing_shows_the_counts_and_how_to_see_the_table() -> None:
    lock = a_mirror_lock(SHADOWED, GONE)
    text = "\n".join(printed(fates(lock, "changed", before=lock)))
    assert "certifi" not in text
    assert "2 packages found" in text
    assert "--fates exceptions" in text


def test_what_changed_since_the_last_lock_is_shown_alone_also_what_is_resolved() -> None:
    before = a_mirror_lock(SHADOWED, GONE)
    lines = printed(fates(a_mirror_lock(SHADOWED, THERE), "changed", before=before))
    assert [line for line in lines if line.startswith("private")]
    assert not [line for line in lines if line.startswith("certifi")]


def test_asked_for_the_exceptions_are_shown_whatever_was_before() -> None:
    lock = a_mirror_lock(SHADOWED, THERE)
    text = "\n".join(printed(fates(lock, "exceptions", before=lock)))
    assert "certifi" in text
    assert "private" not in text
    assert "private" in "\n".join(printed(fates(lock, "all", before=lock)))


def test_reference_and_digest_of_a_push_stand_on_a_line_each() -> None:
    reference = "registry.example.com/team/platform/mirrors/production:15.4-978a71db81fe-5801cf"
    result = Pushed(
        registry="acr",
        kind="acr",
        reference=reference,
        repository=reference.rpartition(":")[0],
        digest=DIGEST,
        image_id=DIGEST,
        already_there=False,
        verified=True,
        needs_login=True,
    )
    assert printed(pushed([result])) == ["acr: sent, verified", f"  {reference}", f"  {DIGEST}"]
    moving = AlsoTagged(reference="registry.example.com/team:15.4", digest=DIGEST, before=None)
    assert printed(pushed([replace(result, also=(moving,))]))[-1] == "  also registry.example.com/team:15.4"


def test_the_imports_that_are_no_defect_can_be_read_with_their_reason() -> None:
    explained = [
        ImportAttempt(distribution="black", module="blackd", error="No module named 'aiohttp'", expected="no aiohttp"),
        ImportAttempt(distribution="pyyaml", module="_yaml", error=NOT_TRIED, expected="private module"),
        ImportAttempt(distribution="protobuf", module="google._upb", error=NOT_TRIED, expected="private module"),
    ]
    lines = printed(imports(explained))
    assert "    these 2: private module" in lines
    assert "    no aiohttp" in lines


def test_the_verdict_says_how_to_read_them() -> None:
    assert "'dbmirror explain prod --imports'" in verdict(EXPLAINED, mirror="prod")
