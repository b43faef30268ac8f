"""What a Databricks Runtime is, and what a name of one (a `spark_version`) says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Literal

from dbmirror.errors import UsageError

REPL_BASE = frozenset({"ipykernel", "ipython", "numpy", "pandas", "pip", "pyarrow", "setuptools", "six", "traitlets"})
"""What every Python notebook needs (databricks/containers, ubuntu/gpu/README.md), with what `%pip` itself is."""


class RuntimeUnknown(UsageError):
    """A runtime that dbmirror has no facts about, or a spark_version that has none of the known forms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkVersion:
    """A `spark_version` of the Clusters API, taken apart."""

    release: str
    """`15.4`; a bare major (`18`) where the name gives no minor version."""
    scala: str | None = None
    """`2.12`; None where the name does not say."""
    ml: bool = False
    gpu: bool = False
    photon: bool = False
    snapshot: bool = False
    aarch64: bool = False
    extended_support: bool = False
    """`esr`."""
    custom: bool = False
    """`custom:…`: an image that Databricks made for one workspace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Versions of the Python packaging tools that the official image installs beside its environment."""

    pip: str
    setuptools: str
    wheel: str
    virtualenv: str


Need = Literal["virtualenv", "lsp", "acl", "libraries-user", "locale", "fips-override"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One Databricks Runtime. None, or an empty collection, stands for what no source states."""

    version: str
    """`15.4`."""
    ubuntu: str | None = None
    """VERSION_ID of the Ubuntu that it runs on: `22.04`."""
    python: str | None = None
    """`3.11`."""
    python_full: str | None = None
    """`3.11.11`."""
    java: tuple[int, ...] = ()
    """Major versions, the default first."""
    scala: tuple[str, ...] = ()
    spark: str | None = None
    delta: str | None = None
    r: str | None = None
    lts_end: date | None = None
    lsp: bool = False
    """It has a language server in `/databricks/python-lsp`."""
    cran: date | None = None
    """The day whose CRAN its R packages are of."""
    needs: frozenset[Need] = frozenset()
    """What the platform needs of an image."""
    imports: tuple[str, ...] = ()
    """The modules that a Python notebook's REPL imports."""
    has_image: bool = True
    """Databricks has official images of it: of runtimes with long-term support alone."""
    image_version: str | None = None
    """The runtime whose official images it takes, where it has none of its own."""
    tools: Tools | None = None
    repl: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """PEP 503 name to version: the core pins that its REPL is tested with."""
    tool_requirements: tuple[str, ...] = ()
    """The tools and what they require, as lines `name==version --hash=sha256:…`."""
    lsp_requirements: tuple[str, ...] = ()
    """All of `/databricks/python-lsp`, as such lines."""

    @property
    def release(self) -> tuple[int, int]:
        """The version as numbers, to compare."""
        return number(self.version)

    @property
    def official_image(self) -> str:
        """The reference of Databricks' own Python image; one exists for the runtimes with long-term support only."""
        return f"databricksruntime/python:{self.image_version or self.version}-LTS"

    @property
    def official_r_image(self) -> str:
        """The reference of Databricks' own R image."""
        return f"databricksruntime/rbase:{self.image_version or self.version}-LTS"

    @property
    def needs_virtualenv(self) -> bool:
        """The platform runs `virtualenv` for the cluster's libraries."""
        return "virtualenv" in self.needs

    @property
    def needs_lsp(self) -> bool:
        """Notebook cells fail without `/databricks/python-lsp`."""
        return "lsp" in self.needs

    @property
    def needs_acl(self) -> bool:
        """The platform calls `setfacl`."""
        return "acl" in self.needs

    @property
    def needs_libraries_user(self) -> bool:
        """The platform installs cluster libraries as the user `libraries`."""
        return "libraries-user" in self.needs

    @property
    def needs_locale(self) -> bool:
        """Unity Catalog needs LANG and LC_ALL."""
        return "locale" in self.needs

    @property
    def needs_fips_override(self) -> bool:
        """OpenSSL needs OPENSSL_FORCE_FIPS_MODE=0."""
        return "fips-override" in self.needs


def number(version: str) -> tuple[int, int]:
    """`15.4` as numbers, to compare; a bare major is its `.0`."""
    major, _, minor = version.partition(".")
    return int(major), int(minor or 0)


def repl_names(runtime: Runtime) -> frozenset[str]:
    """The PEP 503 names of the packages that the notebook's REPL needs: no filter may take them away."""
    return REPL_BASE | runtime.repl.keys()
