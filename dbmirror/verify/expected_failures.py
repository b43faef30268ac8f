"""Failed imports that are no defect of the image: they fail on the cluster, too, or need the platform."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dbmirror.lock.fates import Fate, FateKind
from dbmirror.verify.missing_modules import distributions_of, missing_module


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A failure that is expected in every image, by the words of the error."""

    pattern: str
    reason: str


KNOWN: Final[tuple[Known, ...]] = (
    Known(
        pattern=r"No module named '?(pyspark|py4j)\b",
        reason="it needs Spark, which the platform puts into the container when the cluster starts",
    ),
    Known(
        pattern=r"No module named '?(dbruntime|databricks\.sql\.connect|PythonShell|dbutils)\b",
        reason="it needs the runtime's own modules, which the platform puts into the container",
    ),
    Known(
        pattern=r"(?i)DATABRICKS_RUNTIME_VERSION|no active spark session|SPARK_HOME",
        reason="it needs a running Spark of the cluster",
    ),
    Known(
        pattern=r"(?i)cannot connect to X server|no display name|could not open display|\$DISPLAY|No module named "
        r"'?_?tkinter\b|Namespace (Gtk|Gdk|GdkPixbuf)\b",
        reason="it needs a display, which a cluster has not either",
    ),
    Known(
        pattern=r"lib(cuda|cudart|cudnn|nvidia-ml|nvrtc|cublas)[\w.-]*\.so|(?i:no CUDA|CUDA driver|NVML)",
        reason="it needs a GPU and its driver, which come from the cluster's machine",
    ),
    Known(
        pattern=r"No module named '?(imp|asyncore|asynchat|smtpd|distutils\.command\.bdist_msi)\b",
        reason="it needs a module that Python no longer has, the cluster's Python of the same version included",
    ),
    Known(
        pattern=r"No module named '?(win32\w*|_?winreg|pythoncom|winrt)\b",
        reason="it is made for Windows",
    ),
)
"""Matched against the last line of the traceback; the first match gives the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A failed import with what is known of it."""

    error: str
    """The last line of the traceback, with the fate of what is missing where that explains it."""
    expected: str | None
    """Why it is no defect; None where it is one."""


def judge_failure(error: str, *, fates: Mapping[str, Sequence[Fate]]) -> Judged:
    """What `error`, the last line of a failed import's traceback, means. `fates` has the lock's, by name.

    A dependency that the cluster has not either is expected to be missing; one that a filter keeps out, or that has
    no source, is a defect that names the reason; one that should be in the image is a defect.
    """
    for known in KNOWN:
        if re.search(known.pattern, error):
            return Judged(error=error, expected=known.reason)
    module = missing_module(error)
    if module is None:
        return Judged(error=error, expected=None)
    candidates = distributions_of(module)
    found = [fate for name in candidates for fate in fates.get(name, ())]
    top = module.partition(".")[0]
    if not found and (top.startswith("_") or top in sys.stdlib_module_names):
        # A compiled part of a distribution, or of Python itself: the cluster has it, whatever its name.
        return Judged(error=error, expected=None)
    if not found:
        return Judged(
            error=error, expected=f"the cluster has no distribution {' or '.join(candidates)} for the module {module}"
        )
    if any(fate.kind in {FateKind.MIRRORED, FateKind.PROVIDED} for fate in found):
        return Judged(error=error, expected=None)
    fate = found[0]
    reason = fate.reason if fate.kind is not FateKind.SUBSTITUTED else f"{fate.reason} ({fate.substitute})"
    return Judged(error=f"{error}; {fate.name} {fate.version} is {fate.kind}: {reason}", expected=None)
