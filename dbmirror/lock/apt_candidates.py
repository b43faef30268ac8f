"""Debian packages of the image's own distribution, for the packages that apt owns on the cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

AptCandidates = Callable[[Sequence[str]], Mapping[str, str]]
"""Debian package to the version that the base image's apt would install: `BaseApt.candidates`."""


def upstream(version: str) -> str:
    """The upstream part of a Debian version: no epoch, no revision, no mark of a repacked archive (`+dfsg`, `+ds`)."""
    without_epoch = re.sub(r"\A\d+:", "", version)
    without_revision = without_epoch.rpartition("-")[0] or without_epoch
    return re.sub(r"[+~.]?(dfsg|ds)[\d.]*\Z", "", without_revision)
