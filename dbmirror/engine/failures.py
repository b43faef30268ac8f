"""What a failed build means and what to do about it: known causes as a table, matched against the real logs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from dbmirror.engine.errors import MAKE_ROOM, EngineError
from dbmirror.engine.rawjson import BuildProgress

SHOWN_LINES: Final = 15
"""How many of the last lines of a failed step an error carries."""


class BuildFailed(EngineError):
    """A build stopped. `step` and `package` say where, `cause` what kind of failure it is, `log` the last lines."""

    def __init__(
        self, message: str, *, step: str, log: tuple[str, ...], package: str = "", cause: str = "", remedy: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.step = step
        """The step in plain words; empty where the build failed before its first."""
        self.package = package
        """`NAME VERSION` (or only NAME) of the package that failed; empty where the failure is no package's."""
        self.cause = cause
        """The key of the entry of CAUSES; empty where none matched."""
        self.log = log


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One known kind of failure. Named groups of the pattern stand in the two sentences in braces."""

    key: str
    pattern: str
    """Searched in the failed step's log, its error, and buildx's own words: linear, for the log is a stranger's."""
    meaning: str
    remedy: str


_NATIVE = (
    "It is built from source and needs {needed}: give the build stage that Debian package (dbmirror's tables of native "
    "requirements, python_system_libraries.toml and r_system_libraries.toml, lack it for this package), or blacklist "
    "the package."
)
_BASE = "Name a base that this machine has or reaches with '--base IMAGE'; 'dbmirror doctor' says what it reaches."
_CREDENTIALS = "Give the index's credentials in ~/.netrc or the environment; they reach the build as a secret only."

CAUSES: Final[tuple[Cause, ...]] = (
    Cause(
        key="disk-full",
        pattern=r"(?i)no space left on device|\[Errno 28\]|os error 28",
        meaning="the disk is full where Docker builds",
        remedy=MAKE_ROOM,
    ),
    Cause(
        key="base-unknown",
        pattern=r"(?<!\S)(?P<image>\S+): (pull access denied|failed to resolve source metadata for \S+: "
        r"(?=.{0,500}(not found|denied|unauthorized|insufficient_scope)))",
        meaning="there is no base image {image}, or it needs a login",
        remedy=_BASE + " A private one needs 'docker login' first.",
    ),
    Cause(
        key="base-unreachable",
        pattern=r"failed to resolve source metadata for (?P<image>\S+):",
        meaning="the registry of the base image {image} cannot be reached",
        remedy=_BASE,
    ),
    Cause(
        key="certificate",
        pattern=r"(?i)CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer|unable to get local issuer|"
        r"problem confirming the ssl certificate|server certificate verification failed|certificate verify failed|"
        r"self[- ]signed certificate",
        meaning="a certificate is not trusted inside the build, most likely that of a proxy",
        remedy="Name the file of your certificate authorities with '--ca-bundle FILE' (or SSL_CERT_FILE): the build "
        "gets it as a secret, the image does not.",
    ),
    Cause(
        key="credentials",
        pattern=r"(?i)\b40[13] (Unauthorized|Forbidden|Client Error)|HTTP error 40[13]|status code:? 40[13]",
        meaning="the index, or a proxy before it, refuses access",
        remedy=_CREDENTIALS,
    ),
    Cause(
        key="hash",
        pattern=r"(?i)hash mismatch|DO NOT MATCH THE HASHES|hash sum mismatch",
        meaning="what was downloaded has not the hash that the lock states",
        remedy="Make the lock anew with 'dbmirror lock MIRROR'. If it happens again, the index serves another file "
        "than before: find out why before you trust it.",
    ),
    Cause(
        key="network",
        pattern=r"(?i)temporary failure in name resolution|could not resolve|name or service not known|dns error|"
        r"network is unreachable|no route to host|connection (refused|reset|timed out)|connect timeout|"
        r"operation timed out|read timed out|unable to connect to",
        meaning="a server cannot be reached from inside the build",
        remedy="No step of a mirror's build has a network: leave out with a blacklist entry what downloads something "
        "then. For the sandbox and a plain 'docker build' check the network of Docker's builds: a proxy on localhost "
        "cannot be reached from there.",
    ),
    Cause(
        key="apt-version",
        pattern=r"E: Version '[^']*' for '(?P<package>[^']+)' was not found|"
        r"E: Failed to fetch \S+/(?P<file>[^/\s]+\.deb)\s+404",
        meaning="the archive of the base's distribution no longer has {package} at the locked version",
        remedy="Make the lock anew with 'dbmirror lock MIRROR --refresh': it takes the versions that are there now.",
    ),
    Cause(
        key="apt-package",
        pattern=r"E: (Unable to locate package (?P<package>\S+)|"
        r"Package '(?P<obsolete>[^']+)' has no installation candidate)",
        meaning="the lock has no file of the Debian package {package}",
        remedy="Choose the Debian packages anew with 'dbmirror lock MIRROR --refresh'.",
    ),
    Cause(
        key="apt-repository",
        pattern=r"(?i)does not have a Release file|is not signed|NO_PUBKEY|GPG error|"
        r"E: Failed to fetch (?P<url>\S+)\s+404",
        meaning="a package repository of the base image is gone, outdated or not signed",
        remedy="Build again, which reads the lists anew; if it fails again, name a newer base with '--base IMAGE'.",
    ),
    Cause(
        key="native-header",
        pattern=r"fatal error: (?P<header>[\w./+-]+\.(h|hpp|hh)): No such file",
        meaning="the header {header} is missing",
        remedy=_NATIVE,
    ),
    Cause(
        key="native-library",
        pattern=r"Package '?(?P<library>[\w.+-]+)'?,? (was not found in the pkg-config|required by '[^']*', not found)|"
        r"No package '(?P<second>[^']+)' found|Dependency (?P<third>[\w.+-]+) found: NO",
        meaning="pkg-config does not find the library {library}",
        remedy=_NATIVE,
    ),
    Cause(
        key="native-program",
        pattern=r"(?P<program>pg_config|mysql_config|pkg-config|cmake|ninja|meson|swig|rustc|cargo) (executable )?"
        r"(not found|is required)|No such file or directory: '(?P<second>gcc|g\+\+|cc|c\+\+|gfortran|cmake|make|"
        r"pkg-config|cargo|pg_config|mysql_config)'|command '(?P<third>gcc|g\+\+|cc|x86_64-linux-gnu-gcc)' failed: No "
        r"such file|unable to execute '(?P<fourth>[\w+-]+)'",
        meaning="the program {program} is missing",
        remedy=_NATIVE,
    ),
    Cause(
        key="native-linker",
        pattern=r"/ld: cannot find -l(?P<library>[\w.+-]+)",
        meaning="the linker does not find the library {library}",
        remedy=_NATIVE,
    ),
    Cause(
        key="version-missing",
        pattern=r"Because there is no version of (?P<requirement>[^\s,]+)|"
        r"(No matching distribution found|Could not find a version that satisfies the requirement) (for )?"
        r"(?P<second>[^\s,]+)|Because (?P<third>\S+) was not found in the package registry",
        meaning="the index that the build asks has no {requirement}",
        remedy="Make the lock anew with 'dbmirror lock MIRROR'; the build and the lock must see the same index.",
    ),
    Cause(
        key="context-file",
        pattern=r"failed to calculate checksum of ref .{0,500}?(\"/?(?P<file>[^\"]+)\": not found|"
        r"/buildkit-mount\d+/(?P<second>\S+): no such file)",
        meaning="the build context lacks {file}",
        remedy="Make the lock and the build files anew with 'dbmirror lock MIRROR' and 'dbmirror render MIRROR'.",
    ),
    Cause(
        key="memory",
        pattern=r"(?im)exit code: 137\b|signal: killed|^Killed$|cannot allocate memory|fatal error: Killed",
        meaning="it was killed, most likely because the memory ran out",
        remedy="Give Docker more memory, or close other programs and build again: finished steps are in the cache.",
    ),
)
"""Tried in this order: what stands first is the more certain reading where several match."""

NATIVE_PACKAGES: Final[dict[str, str]] = {
    "Python.h": "python3-dev",
    "cairo": "libcairo2-dev",
    "curl_config.h": "libcurl4-openssl-dev",
    "dbus-1": "libdbus-1-dev",
    "ffi.h": "libffi-dev",
    "g++": "build-essential",
    "gcc": "build-essential",
    "gfortran": "gfortran",
    "girepository-2.0": "libgirepository-2.0-dev",
    "glib-2.0": "libglib2.0-dev",
    "gobject-introspection-1.0": "libgirepository1.0-dev",
    "jpeglib.h": "libjpeg-dev",
    "krb5.h": "libkrb5-dev",
    "lber.h": "libldap-dev",
    "libpq-fe.h": "libpq-dev",
    "libxml/xmlversion.h": "libxml2-dev",
    "libxml-2.0": "libxml2-dev",
    "make": "build-essential",
    "mysql.h": "default-libmysqlclient-dev",
    "mysql_config": "default-libmysqlclient-dev",
    "openssl/ssl.h": "libssl-dev",
    "pg_config": "libpq-dev",
    "pkg-config": "pkg-config",
    "sasl/sasl.h": "libsasl2-dev",
    "snappy-c.h": "libsnappy-dev",
    "sql.h": "unixodbc-dev",
    "sqlite3.h": "libsqlite3-dev",
    "zlib.h": "zlib1g-dev",
}
"""Header, pkg-config name or program to the Debian package that has it (packages.debian.org, contents search)."""

_MARKER = re.compile(r"^dbmirror: failed (?P<name>[A-Za-z0-9._-]+) (?P<version>[\w.+!~-]+) \((?P<step>[^)]*)\)")
_OTHERS: Final = re.compile(r"^dbmirror: (building|built|failed|log of|not tried) ")
"""Between two of these lines stand one package's words, where several packages are built at a time."""
_PACKAGES: Final[tuple[re.Pattern[str], ...]] = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:Failed to (?:download|build|fetch wheel|prepare)|Hash mismatch for)(?: distribution)? "
        r"`(?P<name>[A-Za-z0-9._-]+)(?:==(?P<version>[^`\s]+))?`",
        r"Failed building wheel for (?P<name>[A-Za-z0-9._-]+)",
        r"^    (?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+) from \S+#sha256=",
        r"(?:no version of|No matching distribution found for) (?P<name>[A-Za-z0-9._-]+)==(?P<version>[\w.+!]+)",
    )
)


def diagnose(progress: BuildProgress, *, code: int) -> BuildFailed:
    """The error that says at which step the build stopped, with which package, why, and what to do.

    `code` is the exit code of buildx.
    """
    failed = progress.failed
    log = list(failed.log) if failed else []
    step = failed.words if failed else ""
    package = find_package(log)
    log = own_lines(log)
    said = "\n".join([*log, failed.error if failed else "", *progress.remarks])
    where = f"The build stopped at '{step}'" if step else f"The build did not start (buildx ended with {code})"
    subject = f"{package} could not be installed" if package else ""
    cause, words, remedy = find_cause(said)
    if cause is None:
        last = next((line.strip() for line in reversed(log or list(progress.remarks)) if line.strip()), "")
        words = f"its last words are: {last}" if last else "it said nothing"
        remedy = "The lines before that say more."
    if any((match := _MARKER.match(line)) is not None and match["step"] == "R" for line in log):
        remedy += " To build the mirror of all the other R packages, add '--keep-going'."
    message = ": ".join(part for part in (where, subject, words) if part)
    shown = tuple(log[-SHOWN_LINES:] or list(progress.remarks)[-SHOWN_LINES:])
    return BuildFailed(
        f"{message.rstrip('.')}.",
        step=step,
        package=package,
        cause=cause.key if cause else "",
        log=shown,
        remedy=remedy,
    )


def own_lines(log: list[str]) -> list[str]:
    """The lines of the package that `log` names as failed last, its marker included; all where it names none.

    Several packages are built at a time, and what another one said is not why this one failed.
    """
    end = max((number for number, line in enumerate(log) if _MARKER.match(line)), default=None)
    if end is None:
        return log
    # Where one program failed with several packages, their marks stand in a row below its words.
    last = end
    while last and _MARKER.match(log[last - 1]):
        last -= 1
    start = max((number for number in range(last) if _OTHERS.match(log[number])), default=-1)
    return [*log[start + 1 : last], log[end]]


def find_package(log: list[str]) -> str:
    """`NAME VERSION` of the package that `log` says failed; only the name, or nothing, where it says no more."""
    for line in reversed(log):
        if (match := _MARKER.match(line)) is not None:
            return f"{match['name']} {match['version']}"
    for pattern in _PACKAGES:
        for line in log:
            if (match := pattern.search(line)) is not None:
                return " ".join(part for part in (match["name"], match.groupdict().get("version")) if part)
    return ""


def find_cause(said: str) -> tuple[Cause | None, str, str]:
    """The first of CAUSES that `said` shows, with its meaning and remedy filled in; None where none does."""
    for cause in CAUSES:
        match = re.search(cause.pattern, said)
        if match is None:
            continue
        groups = [value for value in match.groupdict().values() if value]
        name = groups[0] if groups else ""
        known = NATIVE_PACKAGES.get(name)
        needed = f"{known}" if known else f"the package that has {name}"
        words = dict.fromkeys(re.findall(r"{(\w+)}", cause.meaning), name)
        return cause, cause.meaning.format(**words), cause.remedy.format(needed=needed)
    return None, "", ""
