"""Rules about the image's configuration: platform, user, command, environment, size."""

from __future__ import annotations

from typing import Final

from dbmirror.verify.evidence import Evidence
from dbmirror.verify.model import Severity
from dbmirror.verify.rules.rule import Result, failed, listed, not_applicable, passed

COMPRESSED_SHARE: Final = 0.4
"""Compressed to unpacked size: layers of Python wheels came to 0.29, of Debian packages to about 0.4."""
WARNING_BYTES: Final = 4_000_000_000
ERROR_BYTES: Final = 7_000_000_000
_ROOTS: Final = frozenset({"", "0", "root", "0:0", "root:root", "root:0", "0:root"})
_SHELLS: Final = frozenset({"bash", "sh", "/bin/bash", "/bin/sh", "/usr/bin/bash", "/usr/bin/sh", "R", "python3"})
_PLATFORM_OWNED: Final = frozenset({"PYTHONPATH", "DATABRICKS_RUNTIME_VERSION", "SPARK_HOME"})


def platform(evidence: Evidence) -> Result:
    """L01: Graviton and other arm64 machines are not supported for custom containers."""
    found = f"{evidence.image.os}/{evidence.image.architecture}"
    if found == "linux/amd64":
        return passed("The image is for linux/amd64.")
    return failed(f"The image is for {found}; build it with --platform linux/amd64.")


def user(evidence: Evidence) -> Result:
    """L05: the platform starts the container as root; another USER ends in CONTAINER_LAUNCH_FAILURE."""
    if evidence.image.user in _ROOTS:
        return passed(f"USER is {evidence.image.user or 'not set, which means root'}.")
    return failed(f"USER is {evidence.image.user!r}; the platform needs root. End the Dockerfile with USER root.")


def pyspark_python(evidence: Evidence) -> Result:
    """L09: the driver starts the Python that PYSPARK_PYTHON names."""
    expected = "/databricks/python3/bin/python3"
    value = evidence.image.environment.get("PYSPARK_PYTHON")
    if value != expected:
        return failed(f"PYSPARK_PYTHON is {value or 'not set'}; it must be {expected}.")
    if not evidence.system.answer("pyspark-python").good:
        return failed(f"PYSPARK_PYTHON names {value}, which is not there or cannot be run.")
    return passed(f"PYSPARK_PYTHON is {value}, which is there.")


def ignored_instructions(evidence: Evidence) -> Result:
    """L15: the platform ignores CMD, ENTRYPOINT and HEALTHCHECK. A shell as CMD, which bases set, does no harm."""
    image = evidence.image
    found = [
        name
        for name, value in (
            ("CMD", image.command if image.command[:1] and image.command[0] not in _SHELLS else ()),
            ("ENTRYPOINT", image.entrypoint),
            ("HEALTHCHECK", image.healthcheck if image.healthcheck != ("NONE",) else ()),
        )
        if value
    ]
    if found:
        return failed(
            f"{' and '.join(found)} of the image {'is' if len(found) == 1 else 'are'} ignored on Databricks; "
            "start services in an init script."
        )
    return passed("No CMD, ENTRYPOINT or HEALTHCHECK that would be ignored.")


def locale(evidence: Evidence) -> Result:
    """L18: Unity Catalog needs a UTF-8 locale, OpenSSL of Ubuntu 24.04 the FIPS override, fuse a USER variable."""
    environment, runtime = evidence.image.environment, evidence.runtime
    needed: dict[str, str] = {}
    if runtime.needs_locale:
        needed |= {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    if runtime.needs_fips_override:
        needed["OPENSSL_FORCE_FIPS_MODE"] = "0"
    if evidence.system.has("fusermount"):
        needed["USER"] = "root"
    if not needed:
        return not_applicable(f"Runtime {runtime.version} needs none of these variables.")
    wrong = [f"{name}={value}" for name, value in needed.items() if environment.get(name) != value]
    if wrong:
        return failed(f"The image must set {listed(wrong)}.")
    return passed(f"The image sets {listed([f'{name}={value}' for name, value in needed.items()])}.")


def platform_variables(evidence: Evidence) -> Result:
    """L19: the platform sets these itself; a value of the image's is overwritten or misleads."""
    found = [name for name in evidence.image.environment if name in _PLATFORM_OWNED or name.startswith("DB_")]
    if found:
        return failed(f"The image sets {listed(sorted(found))}, which the platform overwrites; remove it.")
    return passed("None of the platform's own variables is set.")


def size(evidence: Evidence) -> Result:
    """L21: no official limit; images of 7 to 8 GB were seen to time out at the cluster's start."""
    unpacked = evidence.image.size
    compressed = unpacked * COMPRESSED_SHARE
    said = (
        f"about {compressed / 1e9:.1f} GB compressed (estimated as {COMPRESSED_SHARE:.0%} of the engine's "
        f"{unpacked / 1e9:.2f} GB unpacked)"
    )
    advice = "Clusters may time out while they pull it: see preloaded_docker_images of instance pools."
    if compressed > ERROR_BYTES:
        return failed(f"The image is {said}. {advice}", severity=Severity.ERROR)
    if compressed > WARNING_BYTES:
        return failed(f"The image is {said}. {advice}")
    return passed(f"The image is {said}.")
