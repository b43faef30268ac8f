"""What is installed beside Python: Debian packages and what they own, R packages, jars, Java, facts, variables."""

# ruff: noqa: PTH118, PTH119, PTH120, PTH208
# The import of pathlib alone would take a tenth of the time that is allowed on the host.

from __future__ import annotations

import contextlib
import os

from dbmirror.inventory.sent.files import (
    FOLDER_LIMIT,
    LISTS_LIMIT,
    MEBIBYTE,
    SMALL_LIMIT,
    at,
    children,
    exists,
    list_once,
    note,
    only_fields,
    read,
    read_headers,
    real,
    reason,
    shown,
    text,
)
from dbmirror.inventory.sent.python_environment import CLUSTER_LIBRARIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

R_LIBRARIES = (
    "/databricks/spark/R/lib",
    CLUSTER_LIBRARIES + "/r",
    "/usr/local/lib/R/site-library",
    "/usr/lib/R/site-library",
    "/usr/lib/R/library",
    "/usr/local/lib/R/library",
)
JARS = "/databricks/jars"
DPKG = "/var/lib/dpkg"
DEPLOY_CONFIGURATION = "/databricks/common/conf/deploy.conf"
FACT_FILES = {
    "os_release": ("/etc/os-release", "/usr/lib/os-release"),
    "runtime_version": ("/databricks/DBR_VERSION",),
    "spark_version": ("/databricks/spark/VERSION",),
}
DESCRIPTION_FIELDS = frozenset(
    (
        b"package",
        b"version",
        b"priority",
        b"repository",
        b"depends",
        b"imports",
        b"linkingto",
        b"systemrequirements",
        b"needscompilation",
        b"built",
    )
)

HARMLESS_VARIABLES = (
    "DATABRICKS_RUNTIME_VERSION",
    "DB_HOME",
    "JAVA_HOME",
    "LANG",
    "LC_ALL",
    "OPENSSL_FORCE_FIPS_MODE",
    "PYSPARK_PYTHON",
    "SPARK_HOME",
    "SPARK_SCALA_VERSION",
    "TZ",
)
"""The only variables whose values leave the host."""
SESSION_VARIABLES = frozenset(("_", "OLDPWD", "PWD", "SHLVL", "TERM", "MAIL", "LC_CTYPE", "DBMIRROR_EXEC"))
SESSION_PREFIXES = ("SSH_", "XDG_")
"""Variables of the connection, or of Python itself (LC_CTYPE): the same host must look the same over any."""


def dpkg_owners(errors: list[dict[str, Any]]) -> dict[bytes, str]:
    """The Debian package of each Python metadata folder or file, and of each R DESCRIPTION, that dpkg put there."""
    owners: dict[bytes, str] = {}
    for path in children(DPKG + "/info"):
        if not path.endswith(".list"):
            continue
        try:
            content = read(path, LISTS_LIMIT)
        except OSError as error:
            note(errors, path, reason(error))
            continue
        if b"-info" not in content and b"/DESCRIPTION" not in content:
            continue
        package = shown(os.path.basename(path)[: -len(".list")].partition(":")[0])
        for line in content.split(b"\n"):
            if line.endswith((b".dist-info", b".egg-info", b"/DESCRIPTION")):
                owners.setdefault(line, package)
    return owners


def dpkg_status(errors: list[dict[str, Any]]) -> str:
    """The lines of dpkg's status file (or files, in a distroless image) that name packages and their state."""
    paths = [DPKG + "/status"]
    paths += [path for path in children(DPKG + "/status.d") if not path.endswith(".md5sums")]
    kept: list[bytes] = []
    for path in paths:
        try:
            content = read(path, LISTS_LIMIT)
        except FileNotFoundError:
            continue
        except OSError as error:
            note(errors, path, reason(error))
            continue
        kept.extend(
            line
            for line in content.split(b"\n")
            if not line or line.startswith((b"Package:", b"Status:", b"Version:", b"Architecture:"))
        )
        kept.append(b"")
    return text(b"\n".join(kept))


def r_libraries(owners: dict[bytes, str], errors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The R libraries, nearest first, with the needed lines of each package's DESCRIPTION."""
    folders = children("/local_disk0/.ephemeral_nfs/envs", "rEnv-") + list(R_LIBRARIES)
    folders += [path + "/lib/R/library" for path in reversed(children("/opt/R"))]
    seen: set[tuple[int, int]] = set()
    found = []
    for folder in folders:
        names = list_once(folder, None, seen, errors)
        packages = []
        for name in sorted(names or ()):
            path = os.path.join(folder, name, "DESCRIPTION")
            package: dict[str, Any] = {"name": shown(name), "description": None, "problem": None}
            try:
                package["description"] = only_fields(read_headers(path), DESCRIPTION_FIELDS, b"remote")
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                package["problem"] = reason(error)
            package["owner"] = owners.get(os.fsencode(path))
            packages.append(package)
        if names is not None:
            found.append({"path": shown(folder), "packages": packages})
    return found


def jars(errors: list[dict[str, Any]]) -> dict[str, Any]:
    """The names of the runtime's jars."""
    try:
        names = sorted(name for name in os.listdir(at(JARS)) if name.endswith(".jar"))
    except (FileNotFoundError, NotADirectoryError):
        names = []
    except OSError as error:
        note(errors, JARS, reason(error))
        names = []
    if len(names) > FOLDER_LIMIT:
        note(errors, JARS, f"has more than {FOLDER_LIMIT} jars; the rest was not read")
    return {"folder": JARS, "names": [shown(name) for name in names[:FOLDER_LIMIT]]}


def facts(errors: list[dict[str, Any]]) -> dict[str, Any]:
    """Operating system, C library, architecture, versions of the runtime, of Spark, Java and Scala."""
    found: dict[str, Any] = {"architecture": os.uname().machine, "libc": "", "scala": scala_hint()}
    with contextlib.suppress(ValueError, OSError):
        found["libc"] = os.confstr("CS_GNU_LIBC_VERSION") or ""
    for fact, paths in FACT_FILES.items():
        found[fact] = first_of(paths, errors)
    found["java_release"] = java_release(errors)
    return found


def first_of(paths: Iterable[str], errors: list[dict[str, Any]]) -> str:
    """The content of the first of `paths` that is there."""
    for path in paths:
        try:
            return text(read(path, SMALL_LIMIT))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            note(errors, path, reason(error))
    return ""


def java_release(errors: list[dict[str, Any]]) -> str:
    """The `release` file of the Java that is on the path."""
    for folder in [*os.environ.get("PATH", "").split(":"), "/usr/local/bin", "/usr/bin"]:
        java = os.path.join(folder, "java")
        if folder and exists(java):
            home = os.path.dirname(os.path.dirname(real(java)))
            return first_of((home + "/release", os.path.dirname(home) + "/release"), errors)
    return ""


def scala_hint() -> str:
    """The `2.12` of a `…-scala2.12` in deploy.conf. Nothing else of that file leaves the host: it may hold secrets."""
    try:
        content = text(read(DEPLOY_CONFIGURATION, MEBIBYTE))
    except OSError:
        return ""
    _, found, rest = content.partition("-scala")
    version = ""
    for character in rest[:8]:
        if character not in "0123456789.":
            break
        version += character
    return version.rstrip(".") if found else ""


def variables() -> dict[str, Any]:
    """The names of the environment's variables, and the values of the harmless ones."""
    names = sorted(
        name for name in os.environ if name not in SESSION_VARIABLES and not name.startswith(SESSION_PREFIXES)
    )
    values = {name: shown(os.environ[name])[:400] for name in HARMLESS_VARIABLES if name in os.environ}
    return {"names": [shown(name) for name in names], "values": values}
