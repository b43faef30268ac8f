"""Rules about the image's Python: version, environments, what a notebook's REPL needs, what the platform brings."""

from __future__ import annotations

import re
from typing import Final

from packaging.version import InvalidVersion, Version

from dbmirror.inventory.layers import Layer
from dbmirror.lock.accounting import same_version
from dbmirror.lock.fates import FateKind
from dbmirror.lock.model import AptPackage
from dbmirror.runtimes.model import REPL_BASE, Runtime, number
from dbmirror.verify.evidence import Evidence
from dbmirror.verify.missing_modules import distributions_of
from dbmirror.verify.model import Severity
from dbmirror.verify.rules.rule import Result, failed, listed, not_applicable, passed

_CORE: Final = frozenset(
    {"grpcio", "ipykernel", "ipython", "numpy", "pandas", "protobuf", "pyarrow", "six", "traitlets"}
)
_PACKAGING: Final = frozenset({"pip", "setuptools"})
_BROUGHT_BY_PLATFORM: Final = ("databricks-connect", "delta-spark", "py4j")
_VULNERABLE: Final = (("pyarrow", "14.0.1", "CVE-2023-47248"), ("pillow", "10.2", "CVE-2023-50447"))
_NO_PYTHON: Final = "The image is for R notebooks alone; the flavour python-r is for both."
_PRERELEASE: Final = re.compile(r"\d(rc|a|b)\d")


def smoke_modules(runtime: Runtime) -> tuple[str, ...]:
    """The modules that rule L10 imports for `runtime`."""
    return (*runtime.imports, *(("setuptools", "distutils") if number(runtime.python or "3.0") >= (3, 12) else ()))


def python_version(evidence: Evidence) -> Result:
    """L06: PySpark refuses a driver and workers of different minor versions."""
    answer = evidence.system.answer("python")
    match = re.fullmatch(r"Python (\S+)", answer.first_line) if answer.good else None
    if match is None:
        return failed(f"/databricks/python3/bin/python does not run: {answer.last_line or 'no answer'}.")
    cluster = evidence.snapshot.inventory.python.version
    found, expected = match[1], evidence.runtime.python or ".".join(cluster.split(".")[:2])
    if found.split(".")[:2] != expected.split("."):
        text = f"Python is {found}; runtime {evidence.runtime.version} has {expected}."
        if evidence.flavour.has_python:
            return failed(text)
        return failed(f"{text} Neither Python cells nor 'databricks ssh' work here.", severity=Severity.WARNING)
    if _PRERELEASE.search(found):
        return failed(f"Python is {found}, a pre-release.")
    if found != cluster:
        return failed(f"Python is {found}, the cluster's is {cluster}.", severity=Severity.WARNING)
    return passed(f"Python is {found}, as on the cluster.")


def virtualenv(evidence: Evidence) -> Result:
    """L07: the platform makes the environment of cluster libraries with it, as root and as `libraries`."""
    runtime, system = evidence.runtime, evidence.system
    if not runtime.needs_virtualenv:
        return not_applicable(f"Runtime {runtime.version} does not call virtualenv.")
    otherwise = "; else the cluster needs the Spark conf 'spark.databricks.driverNfs.enabled false'"
    as_root = system.answer("virtualenv:root")
    if not as_root.good:
        return failed(f"virtualenv does not run: {as_root.last_line or 'it is not on the PATH'}{otherwise}.")
    if runtime.needs_libraries_user and not (answer := system.answer("virtualenv:libraries")).good:
        return failed(f"virtualenv does not run as the user 'libraries': {answer.last_line}{otherwise}.")
    match = re.search(r"virtualenv (\d\S*)", as_root.output)
    found = match[1] if match else "of an unknown version"
    expected = runtime.tools.virtualenv if runtime.tools else None
    if expected and found != expected:
        return failed(f"virtualenv is {found}; the runtime's own image has {expected}.")
    if system.answer("virtualenv:periodic-update").first_line != "False":
        return failed("virtualenv's periodic update is on: a cluster would ask the index.", severity=Severity.WARNING)
    return passed(f"virtualenv {found} runs as root and as 'libraries', without periodic updates.")


def repl_imports(evidence: Evidence) -> Result:
    """L10: a module that is missing here ends every Python cell; one that the cluster lacks too is a warning."""
    if not evidence.flavour.has_python:
        return not_applicable(_NO_PYTHON)
    defects: list[str] = []
    lacking: list[str] = []
    for module in smoke_modules(evidence.runtime):
        error = evidence.smoke.get(module, "it was not tried")
        if error is None:
            continue
        names = distributions_of(module)
        if not any(evidence.on_cluster(name) for name in names):
            lacking.append(module)
            continue
        excluded = [fate for name in names for fate in evidence.fates(name) if fate.kind is FateKind.EXCLUDED]
        defects.append(f"{module} ({excluded[0].reason if excluded else error})")
    if defects:
        return failed(f"The notebook's REPL cannot import {listed(defects)}.")
    if lacking:
        return failed(f"The cluster itself has no {listed(lacking)}, nor has the image.", severity=Severity.WARNING)
    return passed(f"All {len(smoke_modules(evidence.runtime))} modules of the notebook's REPL import.")


def core_versions(evidence: Evidence) -> Result:
    """L11: the REPL is tested with the runtime's own versions; the snapshot's runtime layer says which those are."""
    if not evidence.flavour.has_python:
        return not_applicable(_NO_PYTHON)
    defects: list[str] = []
    warnings: list[str] = []
    compared = 0
    for name in sorted(_CORE | REPL_BASE | evidence.runtime.repl.keys()):
        ours = evidence.on_cluster(name, layer=Layer.RUNTIME)
        expected = ours.version if ours else None
        found = evidence.installed(name)
        if expected is None:
            continue
        compared += 1
        if found is not None and same_version(found, expected):
            continue
        effective = evidence.on_cluster(name)
        if effective and found and same_version(found, effective.version):
            warnings.append(f"{name} {found} instead of {expected} (a library of the cluster; the cluster runs so)")
        elif name in REPL_BASE - _PACKAGING:
            defects.append(f"{name} {found or 'missing'} instead of {expected}")
        else:
            warnings.append(f"{name} {found or 'missing'} instead of {expected}")
    if defects:
        return failed(f"The REPL needs the runtime's versions: {listed(defects + warnings)}.")
    if warnings:
        return failed(f"Other than the runtime's own: {listed(warnings)}.", severity=Severity.WARNING)
    if not compared:
        return not_applicable("The cluster's runtime layer has none of the core packages.")
    return passed(f"{compared} core packages have the runtime's versions.")


def platform_packages(evidence: Evidence) -> Result:
    """L12: the platform injects Spark's Python half; a second copy is taken instead of it."""
    names = {distribution.name: distribution.version for distribution in evidence.inventory.distributions}
    if "pyspark" in names:
        return failed(f"The image has pyspark {names['pyspark']}, which the platform injects; blacklist it.")
    found = [f"{name} {names[name]}" for name in _BROUGHT_BY_PLATFORM if name in names]
    if found:
        return failed(f"The image has {listed(found)}, which may clash with the platform's.", severity=Severity.WARNING)
    return passed("No pyspark, py4j, delta-spark or databricks-connect.")


def language_server(evidence: Evidence) -> Result:
    """L13: without it every cell of a notebook ends in a Py4JException."""
    if not evidence.flavour.has_python:
        return not_applicable(_NO_PYTHON)
    if not evidence.runtime.needs_lsp:
        return not_applicable(f"Runtime {evidence.runtime.version} has no language server.")
    answer = evidence.system.answer("python-lsp")
    if answer.good:
        return passed(f"/databricks/python-lsp runs pylsp {answer.last_line}.")
    return failed(f"/databricks/python-lsp does not import pylsp: {answer.last_line or 'it is not there'}.")


def exact_install(evidence: Evidence) -> Result:
    """L23: what apt owns on the cluster should come from apt; what 'pip check' says is reported, not judged."""
    owned = {
        name
        for name, distribution in evidence.snapshot.inventory.effective().items()
        if distribution.layer is Layer.APT or distribution.apt_package
    }
    by_pip = [p.name for p in evidence.lock.packages if p.name in owned and not isinstance(p.source, AptPackage)]
    check = evidence.system.answer("pip-check")
    complaints = (
        0 if check.good else len([line for line in check.output.splitlines() if "requires" in line or "has" in line])
    )
    report = "'pip check' has nothing to say" if check.good else f"'pip check' names {complaints} unmet requirements"
    if by_pip:
        return failed(
            f"Packages of Debian on the cluster come from the index here: {listed(sorted(by_pip))}; {report}."
        )
    return passed(f"Installed exactly as locked, without resolving; {report}, as a cluster's set may.")


def advisories(evidence: Evidence) -> Result:
    """L29: known vulnerabilities of versions that the cluster has; an upgrade would break L11."""
    found = []
    for name, fixed, advisory in _VULNERABLE:
        version = evidence.installed(name)
        try:
            if version is not None and Version(version) < Version(fixed):
                found.append(f"{name} {version} ({advisory}, fixed in {fixed})")
        except InvalidVersion:
            continue
    if found:
        return failed(f"As on the cluster, with known vulnerabilities: {listed(found)}.")
    return passed("None of the known vulnerable versions that dbmirror looks for.")
