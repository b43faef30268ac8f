"""What to do with a pushed image: files for the Clusters API, Terraform and asset bundles, in the mirror's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dbmirror.mirror_folder.files import write_below
from dbmirror.mirror_folder.names import DEPLOY
from dbmirror.publish.destinations import Pushed
from dbmirror.render.deployment import PullSecret, render_deployment
from dbmirror.snapshot import Cluster
from dbmirror.verify.model import Outcome, Report


def write_deployment(
    folder: Path, cluster: Cluster, pushed: Sequence[Pushed], *, mirror: str, report: Report | None
) -> tuple[Path, ...]:
    """Write `deploy/` into the mirror's `folder`; its files. With several registries they name the first.

    `report` is the image's verification. Raises DeploymentRefused where the platform takes no image on such a cluster
    (rule L25).
    """
    first = pushed[0]
    has_virtualenv = report is None or any(f.rule == "L07" and f.outcome is Outcome.PASSED for f in report.findings)
    files = render_deployment(
        cluster,
        mirror=mirror,
        reference=first.reference,
        digest=first.digest,
        pull_secret=PullSecret.for_registry(first.registry) if first.needs_login else None,
        driver_nfs=has_virtualenv,
    )
    # Only these files: the folder may hold Terraform's state, too.
    write_below(folder, {f"{DEPLOY}/{name}": content for name, content in files.items()})
    return tuple(folder / DEPLOY / name for name in files)
