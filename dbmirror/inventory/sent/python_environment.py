"""Which Python environment the host has, and the folders on its path, nearest first."""

# ruff: noqa: PTH118, PTH120
# The import of pathlib alone would take a tenth of the time that is allowed on the host.

from __future__ import annotations

import os
import sys

from dbmirror.inventory.sent.files import SMALL_LIMIT, children, exists, is_folder, read, real, shown, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

DATABRICKS_PYTHON = ("/databricks/python3", "/databricks/python")
NOTEBOOKS = (("/local_disk0/.ephemeral_nfs/envs", "pythonEnv-"), ("/local_disk0/pythonVirtualEnvDirs", ""))
CLUSTER_LIBRARIES = "/local_disk0/.ephemeral_nfs/cluster_libraries"
EDGE_LIBRARIES = "/databricks/.python_edge_libs"
OTHER_ENVIRONMENTS = ("/databricks/python3", "/databricks/python-lsp")


def read_pyvenv(prefix: str) -> dict[str, str] | None:
    """The settings of a virtual environment's pyvenv.cfg; None if `prefix` is no virtual environment."""
    try:
        lines = text(read(os.path.join(prefix, "pyvenv.cfg"), SMALL_LIMIT)).splitlines()
    except OSError:
        return None
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def describe_environment(*, own: bool) -> dict[str, Any]:
    """Databricks' environment unless there is none or `own` is asked for, else the running interpreter's.

    Its Python, and what decides where it finds packages.
    """
    own_prefix = os.path.dirname(os.path.dirname(sys.executable))
    own_settings = read_pyvenv(own_prefix)
    python = {
        "path": shown(sys.executable),
        "version": sys.version.split()[0],
        "implementation": sys.implementation.name,
    }
    chosen = "" if own else next((place for place in DATABRICKS_PYTHON if is_folder(place)), "")
    is_own = not chosen or real(chosen) == real(own_prefix)
    if is_own:
        prefix = own_prefix if own_settings is not None else sys.base_prefix
        settings = own_settings
    else:
        prefix = chosen
        settings = read_pyvenv(prefix) or {}
        version = environment_version(settings)
        if version:
            python = {"path": prefix + "/bin/python3", "version": version, "implementation": "cpython"}
    series = ".".join(python["version"].split(".")[:2])
    return {
        "python": python,
        "prefix": prefix,
        "series": series,
        "virtual": settings is not None,
        "sees_system": settings is None or settings.get("include-system-site-packages", "").lower() == "true",
        "is_own": is_own,
        "is_databricks": real(prefix) in [real(place) for place in DATABRICKS_PYTHON],
    }


def environment_version(settings: dict[str, str]) -> str:
    """The Python version that a pyvenv.cfg states: `version = 3.11.7`, or virtualenv's `3.11.7.final.0`."""
    stated = settings.get("version") or settings.get("version_info") or ""
    return ".".join(stated.split(".")[:3])


def interpreters(python: dict[str, str]) -> list[dict[str, str]]:
    """The described interpreter, and those of Databricks' own environments, as their pyvenv.cfg state them."""
    found = [python]
    for prefix in OTHER_ENVIRONMENTS:
        path = prefix + "/bin/python3"
        version = environment_version(read_pyvenv(prefix) or {})
        if version and path != python["path"] and exists(path):
            found.append({"path": path, "version": version, "implementation": "cpython"})
    return found


def site_folders(environment: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Layer and folder of everything on the environment's path, nearest first."""
    prefix = environment["prefix"]
    if environment["is_databricks"]:
        for parent, start in NOTEBOOKS:
            for notebook in children(parent, start):
                for folder in packages_of(notebook):
                    yield "notebook", folder
        for folder in packages_of(CLUSTER_LIBRARIES + "/python"):
            yield "cluster", folder
    if environment["virtual"] or not environment["is_own"]:
        for folder in packages_of(prefix):
            yield "runtime", folder
    if environment["sees_system"]:
        for folder in system_packages(environment):
            yield system_layer(folder, virtual=environment["virtual"]), folder
    if environment["is_databricks"]:
        yield "edge", EDGE_LIBRARIES


def packages_of(prefix: str) -> Iterator[str]:
    """The package folders of an environment: `lib/python3.X/site-packages` and its like."""
    for library in ("lib", "lib64"):
        for version in children(os.path.join(prefix, library), "python3"):
            for name in ("site-packages", "dist-packages"):
                yield os.path.join(version, name)


def system_packages(environment: dict[str, Any]) -> list[str]:
    """The package folders of the base interpreter, as its own `site` module (which Debian patches) names them."""
    if not environment["is_own"]:
        local = "/usr/local/lib/python{}/".format(environment["series"])
        return [local + "dist-packages", local + "site-packages", "/usr/lib/python3/dist-packages"]
    import site  # noqa: PLC0415  under -S the import does nothing else

    return site.getsitepackages([sys.base_prefix])


def system_layer(folder: str, *, virtual: bool) -> str:
    """The layer of a base interpreter's package folder."""
    if folder.startswith("/usr/lib/") and folder.endswith("/dist-packages"):
        return "apt"
    if virtual or (folder.startswith("/usr/local/") and folder.endswith("/dist-packages")):
        return "local"
    return "runtime"
