"""Makes an Inventory of the collector's answer: every name and version checked against its pattern, all sorted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import msgspec

from dbmirror.foreign_text.decoding import convert
from dbmirror.inventory.collector_answer import Jars, Python, RLibrary, Wire
from dbmirror.inventory.errors import PayloadDamaged
from dbmirror.inventory.field_checks import fits, printable
from dbmirror.inventory.layers import nearness
from dbmirror.inventory.model import (
    Architecture,
    DebianPackage,
    Distribution,
    EnvironmentVariable,
    Glibc,
    Interpreter,
    Inventory,
    Jar,
    Problem,
    RPackage,
    Text,
)
from dbmirror.inventory.parsers.description import parse_description
from dbmirror.inventory.parsers.dpkg_status import parse_dpkg_status
from dbmirror.inventory.parsers.jar_name import parse_jar_name
from dbmirror.inventory.parsers.java_release import parse_java_release
from dbmirror.inventory.parsers.malformed import Malformed
from dbmirror.inventory.parsers.os_release import parse_os_release
from dbmirror.inventory.python_packages import distributions

_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy"}
_SCALA_SUFFIX = re.compile(r"_(2\.1[0-9]|3)(?=[-_.]|$)")
_DPKG_STATUS = "/var/lib/dpkg/status"


def assemble(wire: Wire, *, host: str) -> Inventory:
    """The inventory that `wire` amounts to; what is broken or hostile becomes a Problem.

    Raises PayloadDamaged where not even the interpreter or the operating system has a usable form.
    """
    problems = [
        Problem(
            path=printable(error.path), reason=printable(f"it could not be read: {error.reason}"), layer=error.layer
        )
        for error in wire.errors
    ]
    found: list[Distribution] = []
    for distribution in distributions(wire.folders):
        (found if isinstance(distribution, Distribution) else problems).append(distribution)  # type: ignore[arg-type]
    r_packages = list(_r_packages(wire.r_libraries, problems))
    jars = list(_jars(wire.jars, problems))
    facts = wire.facts
    system = parse_os_release(facts.os_release)
    libc, _, libc_version = facts.libc.partition(" ")
    try:
        return Inventory(
            os_id=system.get("ID", "unknown"),
            os_version=system.get("VERSION_ID", "unknown"),
            architecture=convert(facts.architecture, Architecture),
            glibc=libc_version if libc == "glibc" and fits(libc_version, Glibc) else None,
            python=_interpreter(wire.python),
            interpreters=tuple(sorted({_interpreter(each) for each in wire.interpreters}, key=lambda each: each.path)),
            distributions=tuple(sorted(found, key=_distribution_order)),
            r_version=_r_version(r_packages),
            r_packages=tuple(sorted(r_packages, key=lambda package: (package.name, package.library))),
            debian_packages=tuple(_debian_packages(wire.dpkg_status, problems)),
            jars=tuple(jars),
            java_version=parse_java_release(facts.java_release),
            runtime_version=_one_line(facts.runtime_version),
            spark_version=_one_line(facts.spark_version),
            scala_version=_scala_version(jars, facts.scala),
            environment_variables=tuple(sorted(n for n in wire.variables.names if fits(n, EnvironmentVariable))),
            environment_values=tuple(
                sorted(
                    (name, value)
                    for name, value in wire.variables.values.items()
                    if fits(name, EnvironmentVariable) and fits(value, Text)
                )
            ),
            problems=tuple(sorted(set(problems), key=lambda problem: (problem.path, problem.reason))),
        )
    except msgspec.ValidationError as error:
        raise PayloadDamaged(f"What {host} says of itself is not valid: {error}.") from error


def _interpreter(python: Python) -> Interpreter:
    return convert(
        {
            "path": python.path,
            "version": python.version,
            "implementation": _IMPLEMENTATIONS.get(python.implementation, python.implementation),
        },
        Interpreter,
    )


def _distribution_order(distribution: Distribution) -> tuple[str, int, str]:
    return distribution.name, nearness(distribution), distribution.location


def _r_packages(libraries: tuple[RLibrary, ...], problems: list[Problem]) -> Iterator[RPackage]:
    for library in libraries:
        for package in library.packages:
            if package.description is None:
                found: RPackage | Malformed = Malformed(f"its DESCRIPTION could not be read: {package.problem}")
            else:
                found = parse_description(package.description, library=library.path, apt_package=package.owner)
            if isinstance(found, RPackage):
                yield found
            else:
                problems.append(
                    Problem(path=printable(f"{library.path}/{package.name}"), reason=printable(found.reason))
                )


def _r_version(packages: list[RPackage]) -> str | None:
    """The version of R is that of its package `base`; `packages` are nearest first."""
    return next((package.version for package in packages if package.name == "base"), None)


def _debian_packages(status: str, problems: list[Problem]) -> list[DebianPackage]:
    found: set[DebianPackage] = set()
    for package in parse_dpkg_status(status):
        if isinstance(package, DebianPackage):
            found.add(package)
        else:
            problems.append(Problem(path=_DPKG_STATUS, reason=printable(package.reason)))
    return sorted(found, key=lambda package: (package.name, package.architecture, package.version))


def _jars(jars: Jars, problems: list[Problem]) -> Iterator[Jar]:
    for name in sorted(jars.names):
        group, artifact, version = parse_jar_name(name) or (None, None, None)
        values = {"path": f"{jars.folder}/{name}", "group": group, "artifact": artifact, "version": version}
        try:
            yield convert(values, Jar)
        except msgspec.ValidationError:
            problems.append(Problem(path=printable(f"{jars.folder}/{name}"), reason="its name is not a valid one"))


def _scala_version(jars: list[Jar], stated: str) -> str | None:
    """`2.12`: as scala-library's jar says, else as deploy.conf states, else as most names of jars end."""
    for jar in jars:
        if jar.artifact == "scala-library" and jar.version:
            return ".".join(jar.version.split(".")[:2])
    if re.fullmatch(r"\d+\.\d+", stated):
        return stated
    suffixes = Counter(suffix for jar in jars for suffix in _SCALA_SUFFIX.findall(jar.path))
    return min(suffixes, key=lambda suffix: (-suffixes[suffix], suffix)) if suffixes else None


def _one_line(content: str) -> str | None:
    line = content.strip()
    return line if line and fits(line, Text) else None
