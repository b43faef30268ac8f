"""build --all: every mirror of dbmirror.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.text import Text

from dbmirror.cli import tables
from dbmirror.cli.documents import error_document, image_document, lock_document, report_document
from dbmirror.cli.output import Output
from dbmirror.cli.session import choices_of, questions
from dbmirror.cli.stages import ImageRefuted
from dbmirror.config import load_config
from dbmirror.errors import DbmirrorError, ExitCode
from dbmirror.pipeline.all_mirrors import AllMirrors, BuiltMirror, FailedMirror, PreparedMirror
from dbmirror.verify.r import as_built


class SomeMirrorsFailed(DbmirrorError):
    """Of several mirrors some did not come about; the exit code is the first one's."""

    def __init__(self, message: str, *, remedy: str, exit_code: ExitCode) -> None:
        super().__init__(message, remedy=remedy)
        self.exit_code = exit_code


def build_every(
    output: Output, config_file: Path | None, *, shown: str, frozen: bool, dry_run: bool, **options: Any
) -> None:
    """Every mirror of dbmirror.toml: their files side by side, their images in one bake, each verified."""
    with (
        output.observing() as observer,
        AllMirrors(
            load_config(config_file),
            choices=choices_of(**options),
            observer=observer,
            questions=questions(output),
            dry_run=dry_run,
        ) as mirrors,
    ):
        prepared = mirrors.prepare(frozen=frozen)
        outcomes = prepared if dry_run else mirrors.build(prepared)
    output.document({"mirrors": {name: _outcome_document(outcome) for name, outcome in outcomes.items()}})
    errors: dict[str, DbmirrorError] = {}
    for name, outcome in outcomes.items():
        output.show(Text(f"\n{name}", style="bold underline"))
        if isinstance(outcome, FailedMirror):
            errors[name] = outcome.error
            output.show(Text(str(outcome.error), style="red"))
            continue
        if isinstance(outcome, BuiltMirror):
            output.show(tables.fates(as_built(outcome.lock, outcome.report), shown))
            output.show(tables.verification(outcome.report))
            output.show(Text(outcome.built.tags[0], style="bold"))
            if not outcome.report.passed:
                errors[name] = ImageRefuted(f"{outcome.built.tags[0]} did not pass verification.")
        else:
            output.show(tables.fates(outcome.lock, shown))
    if errors:
        first = next(iter(errors.values()))
        raise SomeMirrorsFailed(
            f"{len(errors)} of {len(outcomes)} mirrors failed: {', '.join(errors)}.",
            remedy="What stands above under their names says why; the others are done.",
            exit_code=first.exit_code,
        )


def _outcome_document(outcome: BuiltMirror | PreparedMirror | FailedMirror) -> dict[str, Any]:
    if isinstance(outcome, FailedMirror):
        return {"error": error_document(outcome.error)}
    document = lock_document(outcome.lock, outcome.report if isinstance(outcome, BuiltMirror) else None)
    if isinstance(outcome, BuiltMirror):
        document |= {
            "image": image_document(outcome.built),
            "verification": report_document(outcome.report),
        }
    return document
