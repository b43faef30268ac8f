"""What R notebooks need of an image, and the dated CRAN snapshot that each runtime's R packages come from."""

from __future__ import annotations

from datetime import date
from types import MappingProxyType

R_NOTEBOOK_PACKAGES = MappingProxyType(
    {
        "Rserve": "R notebooks talk to Spark through it.",
        "hwriterPlus": "R notebooks write their output with it (databricks/containers#17).",
        "hwriter": "hwriterPlus writes its tables with it.",
        "htmltools": "R notebooks show HTML output with it (databricks/containers#39).",
        "TeachingDemos": "hwriterPlus records a session's text with it.",
    }
)
"""R package to the reason why no R notebook starts or shows its output without it (DC:17.3:ubuntu/R/Dockerfile)."""

R_NOTEBOOK_VERSIONS = MappingProxyType({"hwriterPlus": "1.0-3"})
"""The version to take of a package that CRAN has only in its archive (DC:17.3:ubuntu/R/Dockerfile)."""

R_ITSELF = frozenset(
    {
        "base",
        "compiler",
        "datasets",
        "grDevices",
        "graphics",
        "grid",
        "methods",
        "parallel",
        "splines",
        "stats",
        "stats4",
        "tcltk",
        "tools",
        "translations",
        "utils",
    }
)
"""The packages of priority `base`, and the catalogues of messages: they are R itself, at its version, in every R."""

_SNAPSHOTS = MappingProxyType(
    {
        "10.4": date(2022, 2, 24),
        "11.3": date(2022, 9, 8),
        "12.2": date(2022, 11, 11),
        "13.3": date(2023, 2, 10),
        "17.3": date(2025, 3, 20),
    }
)
"""Up to 13.3 the date in DC:ubuntu/R/Dockerfile; 17.3 of the runtime's published list; no source states the others."""


def cran_snapshot(version: str) -> date | None:
    """The day whose CRAN the runtime `version` (`17.3`) was filled from; None where no source states it."""
    return _SNAPSHOTS.get(version)
