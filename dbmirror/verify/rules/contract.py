"""All rules in the contract's order, and the judgement of an image by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dbmirror.config import Waiver
from dbmirror.verify.evidence import Evidence
from dbmirror.verify.model import Finding, Outcome, Severity
from dbmirror.verify.rules import cluster, image_config, python, r, secrets, system
from dbmirror.verify.rules.rule import Rule

_ERROR, _WARNING, _INFORMATION = Severity.ERROR, Severity.WARNING, Severity.INFORMATION

RULES: Final[tuple[Rule, ...]] = tuple(
    Rule(number=number, title=title, severity=severity, check=check)
    for number, title, severity, check in (
        ("L01", "The platform is linux/amd64", _ERROR, image_config.platform),
        ("L02", "The system is the runtime's Ubuntu", _ERROR, system.operating_system),
        ("L03", "Java is the runtime's default", _ERROR, system.java),
        ("L04", "The platform's commands are there", _ERROR, system.commands),
        ("L05", "The user is root", _ERROR, image_config.user),
        ("L06", "Python is the runtime's", _ERROR, python.python_version),
        ("L07", "virtualenv works for cluster libraries", _ERROR, python.virtualenv),
        ("L08", "The user 'libraries' can be used", _ERROR, system.libraries_user),
        ("L09", "PYSPARK_PYTHON is the mirrored environment", _ERROR, image_config.pyspark_python),
        ("L10", "The notebook's REPL imports what it needs", _ERROR, python.repl_imports),
        ("L11", "Core packages have the runtime's versions", _ERROR, python.core_versions),
        ("L12", "Spark's Python half is left to the platform", _ERROR, python.platform_packages),
        ("L13", "The language server runs", _ERROR, python.language_server),
        ("L14", "No conda", _ERROR, system.conda),
        ("L15", "Nothing relies on CMD, ENTRYPOINT, HEALTHCHECK", _WARNING, image_config.ignored_instructions),
        ("L16", "SSH finds what it needs", _WARNING, system.ssh),
        ("L17", "R is the runtime's", _ERROR, r.r),
        ("L18", "Locale and OpenSSL variables are set", _WARNING, image_config.locale),
        ("L19", "The platform's own variables are left alone", _WARNING, image_config.platform_variables),
        ("L20", "No Spark or Scala of its own", _WARNING, system.jars),
        ("L21", "The size can be pulled in time", _WARNING, image_config.size),
        ("L22", "The base is pinned and for this runtime", _ERROR, cluster.base),
        ("L23", "Installed exactly, apt's packages by apt", _WARNING, python.exact_install),
        ("L24", "Made from sources that last", _WARNING, system.reproducible_sources),
        ("L25", "The cluster can use a custom container", _ERROR, cluster.cluster),
        ("L26", "fuse for /dbfs", _WARNING, system.fuse),
        ("L27", "Reserved ports are left alone", _WARNING, system.ports),
        ("L28", "No secrets in the image", _ERROR, secrets.no_secrets),
        ("L29", "Known vulnerabilities", _INFORMATION, python.advisories),
    )
)
"""docs/contract.md explains each. Every one of them is in every report."""


def judge(evidence: Evidence, waivers: Sequence[Waiver] = ()) -> tuple[Finding, ...]:
    """A finding for each rule, in their order.

    A rule that fails and is waived is WAIVED with the reason; a waiver of a rule that does not fail is said to be
    unnecessary in that rule's message.
    """
    reasons = {waiver.rule: waiver.reason for waiver in waivers}
    return tuple(_finding(rule, evidence, reasons.get(rule.number)) for rule in RULES)


def _finding(rule: Rule, evidence: Evidence, reason: str | None) -> Finding:
    result = rule.check(evidence)
    waived = result.outcome is Outcome.FAILED and reason is not None
    unnecessary = reason is not None and not waived
    return Finding(
        rule=rule.number,
        title=rule.title,
        severity=result.severity or rule.severity,
        outcome=Outcome.WAIVED if waived else result.outcome,
        message=result.message + (f" Its waiver is not needed ({reason})." if unnecessary else ""),
        waiver=reason if waived else None,
    )
