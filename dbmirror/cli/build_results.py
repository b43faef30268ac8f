"""What 'build' does and shows, for one mirror and for all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from dbmirror.cli import mirror_tables, verification_tables
from dbmirror.cli.json_documents import error_document, image_document, lock_document, report_document
from dbmirror.cli.output import Output
from dbmirror.cli.session import choices_of, opened, questions
from dbmirror.cli.single_stages import refuted
from dbmirror.config import load_config
from dbmirror.errors import DbmirrorError, ExitCode
from dbmirror.filters.flavour import Flavour
from dbmirror.pipeline.all_mirrors import AllMirrors
from dbmirror.pipeline.line import Failed, Finished, Prepared, Wanted, run_one
from dbmirror.pipeline.publish_stage import destinations
from dbmirror.verify.r_facts import as_built


class SomeMirrorsFailed(DbmirrorError):
    """Of several mirrors some did not come about; the exit code is the first one's."""

    def __init__(self, message: str, *, remedy: str, exit_code: ExitCode) -> None:
        super().__init__(message, remedy=remedy)
        self.exit_code = exit_code


def build_one(
    output: Output,
    name: str,
    config_file: Path | None,
    *,
    targets: Sequence[str],
    password: str | None,
    shown: str,
    wanted: dict[str, bool],
    dry_run: bool,
    **options: Any,
) -> None:
    """One mirror, pushed to `targets`; `wanted` are the fields of Wanted that options give. Raises ImageRefuted."""
    began = time.monotonic()
    with opened(output, name, config_file, dry_run=dry_run, **options) as mirror:
        to = destinations(mirror, targets, password=password)
        outcome = run_one(mirror, Wanted(destinations=to, **wanted))
    output.document({"mirror": name, **_document(outcome)})
    show_outcome(output, name, outcome, shown)
    if isinstance(outcome, Prepared):
        return
    tag, published = outcome.built.tags[0], outcome.published
    if published.deployment:
        output.say(mirror_tables.what_to_do(published.deployment))
    output.say(f"Done in {time.monotonic() - began:.1f} s. All files are in {mirror.folder}; commit them.")
    if not outcome.report.passed:
        then = "It was pushed all the same, as asked." if published.pushed else "A push refuses this image."
        raise refuted(outcome.report, tag, mirror=mirror.name, folder=mirror.folder, then=then)
    output.say(f"Next: docker run --rm -it {tag} {first_program(outcome.lock.flavour)}")


def first_program(flavour: Flavour) -> str:
    """What to start in an image to look around."""
    return "/databricks/python3/bin/python" if flavour.has_python else "R"


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
        outcomes = mirrors.run(Wanted(frozen=frozen))
    output.document({"mirrors": {name: _document(outcome) for name, outcome in outcomes.items()}})
    errors: dict[str, DbmirrorError] = {}
    for name, outcome in outcomes.items():
        output.show(Text(f"\n{name}", style="bold underline"))
        if isinstance(outcome, Failed):
            errors[name] = outcome.error
            output.show(Text(str(outcome.error), style="red"))
            continue
        show_outcome(output, name, outcome, shown)
        if isinstance(outcome, Finished) and not outcome.report.passed:
            errors[name] = refuted(
                outcome.report, outcome.built.tags[0], mirror=name, folder=mirrors.mirrors[name].own_folder
            )
    if errors:
        first = next(iter(errors.values()))
        raise SomeMirrorsFailed(
            f"{len(errors)} of {len(outcomes)} mirrors failed: {', '.join(errors)}.",
            remedy="What stands above under their names says why; the others are done.",
            exit_code=first.exit_code,
        )


def show_outcome(output: Output, name: str, outcome: Prepared | Finished, shown: str) -> None:
    """What became of the mirror `name`, for people."""
    if isinstance(outcome, Prepared):
        output.show(mirror_tables.fates(outcome.lock, shown, before=outcome.before))
        return
    result = outcome.result
    output.show(mirror_tables.fates(as_built(outcome.lock, outcome.report), shown, before=outcome.before))
    output.show(verification_tables.verification(outcome.report, mirror=name))
    built_in = f"  built in {result.seconds:.1f} s ({result.cached_steps} of {result.steps} steps cached)"
    output.show(Text.assemble((outcome.built.tags[0], "bold"), built_in))
    if outcome.published.pushed:
        output.show(mirror_tables.pushed(outcome.published.pushed))


def _document(outcome: Finished | Prepared | Failed) -> dict[str, Any]:
    """What became of one mirror, for programs."""
    if isinstance(outcome, Failed):
        return {"error": error_document(outcome.error)}
    if isinstance(outcome, Prepared):
        return lock_document(outcome.lock)
    result = outcome.result
    return {
        **lock_document(outcome.lock, outcome.report),
        "image": image_document(outcome.built),
        "build": {"seconds": round(result.seconds, 1), "steps": result.steps, "cached": result.cached_steps},
        "verification": report_document(outcome.report),
        "pushed": outcome.published.pushed,
        "deployment": outcome.published.deployment,
        "sbom": outcome.sbom,
    }
