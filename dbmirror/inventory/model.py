"""What one collection found on a host, as frozen values whose grammar is checked when they are decoded.

Everything here comes from a cluster and is untrusted: the `Annotated` types below are the only spellings that
reach the rest of the program. `msgspec.convert` and `msgspec.json.decode` enforce them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from msgspec import Meta

from dbmirror.foreign_text.characters import OBEYED
from dbmirror.inventory.layers import Layer, effective, layer_of_r_library, notebook_environments

SCHEMA_VERSION = 2
"""Raised when the meaning of a field changes; an older snapshot is then refused with the remedy."""

Name = Annotated[str, Meta(pattern=r"\A[a-z0-9]+(-[a-z0-9]+)*\Z", max_length=200)]
"""A distribution's name in PEP 503 form."""
Version = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._+!~-]*\Z", max_length=200)]
"""A version as its metadata spells it; mostly PEP 440, but Debian's and old distributions' need not be."""
Path = Annotated[str, Meta(pattern=rf"\A/[^\t\n{OBEYED}]*\Z", max_length=4096)]
"""An absolute path on the host."""
Text = Annotated[str, Meta(pattern=rf"\A[^\n{OBEYED}]*\Z", max_length=8192)]
"""One line of free text: no control characters, no separator of lines, nothing that turns the direction of text."""
DebianName = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9+.-]*\Z", max_length=200)]
DebianVersion = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9.+:~-]*\Z", max_length=200)]
RVersion = Annotated[str, Meta(pattern=r"\A[0-9]+([.-][0-9]+)*\Z", max_length=100)]
Architecture = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_]+\Z", max_length=50)]
"""A machine as the kernel calls it: `x86_64`, `aarch64`."""
Glibc = Annotated[str, Meta(pattern=r"\A[0-9]{1,2}\.[0-9]{1,3}\Z")]
"""`2.35`. Wheels are looked for downwards from it, one minor version after the other: it is no number of any size."""
PythonVersion = Annotated[str, Meta(pattern=r"\A[0-9]{1,2}\.[0-9]{1,3}\.[0-9]{1,3}[A-Za-z0-9+.]{0,50}\Z")]
"""As `platform.python_version()` says: `3.11.11`, `3.11.0rc1`."""
RName = Annotated[str, Meta(pattern=r"\A[A-Za-z][A-Za-z0-9.]*\Z", max_length=200)]
EnvironmentVariable = Annotated[str, Meta(pattern=r"\A[A-Za-z_][A-Za-z0-9_]*\Z", max_length=400)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectUrl:
    """Where a distribution came from if not from an index (PEP 610), with any credentials taken out of the URL."""

    url: Text
    vcs: Text | None = None
    """`git`, `hg`, …; None for archives and folders."""
    commit: Annotated[str, Meta(pattern=r"\A[0-9a-fA-F]{7,64}\Z")] | None = None
    requested_revision: Text | None = None
    sha256: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")] | None = None
    subdirectory: Text | None = None
    editable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One installed Python distribution: one `.dist-info` or `.egg-info` on the host."""

    name: Name
    spelling: Text
    """The name as its metadata spells it."""
    version: Version
    layer: Layer
    location: Path
    """The folder that holds its metadata (a site-packages or dist-packages)."""
    installer: Text | None = None
    """The content of INSTALLER: `pip`, `uv`, `debian`, `conda`, …"""
    direct_url: DirectUrl | None = None
    requires: tuple[Text, ...] = ()
    """Requires-Dist lines, in the order of the metadata."""
    requires_python: Text | None = None
    wheel_tags: tuple[Text, ...] = ()
    """Tag lines of its WHEEL file; empty where it was not installed from a wheel."""
    capturable: bool = False
    """Its RECORD lists its files with hashes, so that it can be packed into a wheel again."""
    apt_package: DebianName | None = None
    """The Debian package that owns its metadata, where dpkg says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python of the host."""

    path: Path
    version: PythonVersion
    """As `platform.python_version()` says: `3.11.11`, `3.11.0rc1`."""
    implementation: Text = "CPython"


UNKNOWN: Final = "unknown"
"""What a text says that its source cannot know."""
UNKNOWN_PYTHON: Final = Interpreter(path="/unknown", version="0.0.0")
"""The interpreter of an inventory whose source does not say which Python there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RPackage:
    """One installed R package, from its DESCRIPTION."""

    name: RName
    version: RVersion
    library: Path
    priority: Text | None = None
    """`base`, `recommended`, or None."""
    repository: Text | None = None
    """The field Repository: `CRAN`, `RSPM`, …"""
    remote: tuple[tuple[Text, Text], ...] = ()
    """The `Remote*` fields, sorted by name."""
    depends: tuple[RName, ...] = ()
    """Packages of Depends, Imports and LinkingTo, sorted, without R itself."""
    system_requirements: Text | None = None
    needs_compilation: bool = False
    built_under: RVersion | None = None
    """The R version of the field Built."""
    apt_package: DebianName | None = None

    @property
    def layer(self) -> Layer:
        """The layer of its library. It follows from the path, so that snapshots need not state it."""
        return layer_of_r_library(self.library)

    @property
    def location(self) -> str:
        """Its library, as Python's distributions call the folder that they live in."""
        return self.library


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianPackage:
    """One installed package of dpkg's status file."""

    name: DebianName
    version: DebianVersion
    architecture: Text = "amd64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Jar:
    """One jar on the driver; coordinates where its file name carries them (`…--mvn--…`)."""

    path: Path
    group: Text | None = None
    artifact: Text | None = None
    version: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is there and could not be read or has a hostile form; it still gets a fate."""

    path: Text
    """Where; any unprintable character is written as an escape."""
    reason: Text
    name: Name | None = None
    """The distribution's name as far as its folder tells it."""
    layer: Layer | None = None
    stated: Text | None = None
    """What a list states of it in place of a version: `>=2,<3`, the address of a git repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Everything that one collection found. The same host state gives an equal value: all tuples are sorted."""

    os_id: Text
    """ID of /etc/os-release: `ubuntu`, `debian`."""
    os_version: Text
    """VERSION_ID of /etc/os-release: `22.04`."""
    architecture: Architecture
    """`platform.machine()`: `x86_64`."""
    glibc: Glibc | None
    """`2.35`; None where the C library is another one."""
    python: Interpreter
    """The interpreter of the runtime environment, else the first found."""
    interpreters: tuple[Interpreter, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    r_version: RVersion | None = None
    r_packages: tuple[RPackage, ...] = ()
    debian_packages: tuple[DebianPackage, ...] = ()
    jars: tuple[Jar, ...] = ()
    java_version: Text | None = None
    runtime_version: Text | None = None
    """Content of /databricks/DBR_VERSION."""
    spark_version: Text | None = None
    """Content of /databricks/spark/VERSION."""
    scala_version: Text | None = None
    environment_variables: tuple[EnvironmentVariable, ...] = ()
    """Names only."""
    environment_values: tuple[tuple[EnvironmentVariable, Text], ...] = ()
    """Values of the few harmless variables that the collector names (LANG, SPARK_SCALA_VERSION, …)."""
    problems: tuple[Problem, ...] = ()
    unknown: tuple[Text, ...] = ()
    """The fields above that this inventory's source cannot know, sorted; empty for what was collected on a host.

    A field that must have a value has then UNKNOWN, UNKNOWN_PYTHON.
    """

    def notebook_environments(self) -> tuple[str, ...]:
        """The folders of the notebook-scoped environments of both languages, sorted."""
        return tuple(sorted((*notebook_environments(self.distributions), *notebook_environments(self.r_packages))))

    def effective(self, notebook_environment: str | None = None) -> dict[str, Distribution]:
        """The distribution that an import on the driver gets, by name; see `dbmirror.inventory.layers.effective`."""
        return effective(self.distributions, notebook_environment)

    def effective_r(self, notebook_environment: str | None = None) -> dict[str, RPackage]:
        """The copy of each R package that counts, by name: the nearest library's (see `dbmirror.inventory.layers`).

        The library that the platform brings into every container stands back: an image cannot change what lies there.
        """
        own = (package for package in self.r_packages if package.layer is not Layer.PLATFORM)
        return {**effective(self.r_packages, notebook_environment), **effective(own, notebook_environment)}
