"""Which of the found packages can be installed: a package that is built needs all that it requires."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dbmirror.lock.model import Missing
from dbmirror.lock.r.model import CranFile, RGitSource
from dbmirror.lock.r.sources import RFound


def installable(
    outcomes: Mapping[str, RFound | Missing], depends: Mapping[str, Collection[str]], *, there: Collection[str]
) -> dict[str, RFound | Missing]:
    """`outcomes` by name, where a package that has to be built and misses something that it requires is missing, too.

    `depends` says what each requires; `there` names what the image has without any of them.
    """
    settled = dict(sorted(outcomes.items()))
    changed = True
    while changed:
        changed = False
        present = {*there, *(name for name, outcome in settled.items() if isinstance(outcome, RFound))}
        for name, outcome in settled.items():
            absent = [required for required in depends[name] if required not in present]
            if absent and isinstance(outcome, RFound) and _is_built(outcome):
                text = f"it cannot be built without {', '.join(absent)}, which the image does not get"
                settled[name] = Missing(reason=text)
                changed = True
    return settled


def _is_built(found: RFound) -> bool:
    source = found.source
    return isinstance(source, RGitSource) or (isinstance(source, CranFile) and not source.binary)
