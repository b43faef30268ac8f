"""What R notebooks need of an image, whichever runtime it is for."""

from __future__ import annotations

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
