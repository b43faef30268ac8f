"""R on the sandbox's driver: what is installed where, and what the workspace serves for a mirror of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dbmirror.processes.temporary import temporary_folder
from dbmirror.sandbox.driver.repository import Repository
from dbmirror.sandbox.driver.repository import make_repository as make_git_repository
from dbmirror.sandbox.r_repository import SourcePackage, make_repository, source_archive, source_package

REPOSITORY_PATH: Final = "/cran"
"""Where the workspace serves the CRAN-like repository."""
REMOTE_PATH: Final = "/git/sandboxRemote.git"
RUNTIME: Final = (
    ("htmltools", None),
    ("sandboxGreeting", "1.0.0"),
    ("sandboxSums", None),
    ("sandboxSodium", None),
    ("sandboxOld", None),
    ("sandboxPrivate", None),
)

"""What the runtime's library has, in the order of installing: an older version than the cluster's, private ones, …"""
CLUSTER: Final = (("sandboxGreeting", None), ("sandboxRemote", None))
"""What the cluster's R libraries have; the first hides the runtime's."""
_PLATFORM: Final = (("SparkR", "3.5.0"), ("Rserve", "1.8-15"))
"""What the platform brings with its Spark: their DESCRIPTION alone, for nothing on the driver loads them."""


def r_context(files_url: str) -> Iterator[tuple[str, bytes]]:
    """The files of the driver's build that R needs, as path and content; `files_url` is the workspace's address."""
    for library, wanted in (("runtime", RUNTIME), ("cluster", CLUSTER)):
        for number, (name, version) in enumerate(wanted):
            package = source_package(name, version)
            if name == "sandboxRemote":
                package = _installed_from_git(package, files_url)
            # The file's name carries the order: what is needed comes first.
            yield f"r/{library}/{number}-{package.filename}", source_archive(package)
    for name, version in _PLATFORM:
        description = f"Package: {name}\nVersion: {version}\nLicense: Apache License 2.0\nBuilt: R 4.2.2; ; ; unix\n"
        yield f"r/root/databricks/spark/R/lib/{name}/DESCRIPTION", description.encode()


def remote() -> Repository:
    """The git repository that one of the cluster's R libraries comes from."""
    package = source_package("sandboxRemote")
    sources = {path: content.decode() for path, content in package.files.items()}
    return make_git_repository(sources, tag=f"v{package.version}")


def r_published() -> dict[str, bytes]:
    """What the workspace serves for R, path to content: a CRAN-like repository with its archive, a git repository."""
    with temporary_folder("cran") as folder:
        make_repository(folder)
        files = {
            f"{REPOSITORY_PATH}/{path.relative_to(folder).as_posix()}": path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
    return files | {f"{REMOTE_PATH}/{path}": content for path, content in remote().files.items()}


def _installed_from_git(package: SourcePackage, files_url: str) -> SourcePackage:
    """`package` as the installers of git repositories mark it."""
    fields = f"RemoteType: git\nRemoteUrl: {files_url}{REMOTE_PATH}\nRemoteRef: main\nRemoteSha: {remote().commit}\n"
    description = package.files["DESCRIPTION"].rstrip(b"\n") + b"\n" + fields.encode()
    return SourcePackage(
        name=package.name, version=package.version, files={**package.files, "DESCRIPTION": description}
    )
