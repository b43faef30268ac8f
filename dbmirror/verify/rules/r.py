"""Rules about R: its version, what floats away from it, and what R notebooks need."""

from __future__ import annotations

from typing import Final

from dbmirror.runtimes.r_notebooks import R_NOTEBOOK_PACKAGES
from dbmirror.verify.evidence import Evidence
from dbmirror.verify.model import Severity
from dbmirror.verify.r_facts import RFacts
from dbmirror.verify.rules.rule import Result, failed, listed, not_applicable, passed

_R_ITSELF: Final = ("r-base", "r-base-core")


def r(evidence: Evidence) -> Result:
    """L17: R notebooks. A pin on r-base does not hold r-base-core, and output needs packages that R has not."""
    if evidence.r_lock is None:
        return _without_lock(evidence)
    expected = evidence.r_lock.r_version
    facts = evidence.r
    if facts is None or facts.version != expected:
        found = f"R is {facts.version}" if facts is not None and facts.version else "R does not run"
        return failed(f"{found}, the cluster's is {expected}: name an apt repository that has it.")
    if floating := _floating(evidence, expected):
        return failed(f"R {expected} is not all of one version: {listed(floating)}; pin r-base and r-base-core both.")
    if broken := _broken(facts):
        return failed(f"R notebooks need packages that do not load: {listed(broken)}.")
    own = evidence.runtime.r
    if own is not None and own != expected:
        return failed(
            f"R is {expected}, as on the cluster; runtime {evidence.runtime.version} itself has {own}.",
            severity=Severity.WARNING,
        )
    return passed(f"R is {expected}, as on the cluster, and {listed(list(R_NOTEBOOK_PACKAGES))} load.")


def _without_lock(evidence: Evidence) -> Result:
    if evidence.system.has("R"):
        return failed("The image has R, which this mirror's lock does not cover: R notebooks may not work.")
    cluster = evidence.snapshot.inventory.r_version
    more = f"; the cluster has R {cluster}" if cluster else ""
    return not_applicable(f"The image is for Python and has no R{more}.")


def _floating(evidence: Evidence, expected: str) -> list[str]:
    """R's own Debian packages that are of another R."""
    versions = {package.name: package.version for package in evidence.inventory.debian_packages}
    return [f"{name} {versions[name]}" for name in _R_ITSELF if name in versions and not _is(versions[name], expected)]


def _broken(facts: RFacts) -> list[str]:
    """What R notebooks need and the image cannot load, with the reason."""
    loaded = {name: facts.packages.get(name) for name in R_NOTEBOOK_PACKAGES}
    return [
        f"{name} ({found.error})" for name, found in loaded.items() if found is not None and found.error is not None
    ]


def _is(version: str, expected: str) -> bool:
    """Whether the Debian package's `version` is of R `expected`: `4.4.2-1.2404.0`, `4.2.2.20221110-2`."""
    rest = version.removeprefix(expected)
    return rest != version and (not rest or rest[0] in "-.+~")
