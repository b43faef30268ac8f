"""Packages built for one R and one distribution: how they are asked for, and whether one fits."""

from __future__ import annotations

import re

from dbmirror.lock.r.versions import minor

_BUILT = re.compile(r"R (?P<version>\d+\.\d+\.\d+); (?P<platform>[A-Za-z0-9_.-]*);.*; ?unix", re.ASCII)


def r_user_agent(r_version: str, architecture: str = "x86_64") -> str:
    """What R calls itself to a repository: one that has source and binary under one address gives R the binary."""
    return f"R/{r_version} R ({r_version} {architecture}-pc-linux-gnu {architecture} linux-gnu)"


def misfit(built: str, *, r_version: str, architecture: str) -> str | None:
    """Why a package with the field Built cannot be used in R `r_version` on `architecture`; None where it can.

    Raises ValueError where `r_version` is no version.
    """
    match = _BUILT.fullmatch(built)
    if match is None:
        return "it is not built for Linux"
    if minor(match["version"]) != minor(r_version):
        return f"it is built for R {match['version']}"
    if match["platform"] and not re.match(rf"{re.escape(architecture)}-.*linux", match["platform"]):
        return f"it is built for {match['platform']}"
    return None
