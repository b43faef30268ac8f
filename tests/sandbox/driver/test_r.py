"""R of the sandbox's driver: what its build is given, what the workspace serves."""

from __future__ import annotations

import io
import tarfile

from dbmirror.inventory.model import RPackage
from dbmirror.inventory.parsers.description import parse_description
from dbmirror.sandbox.driver.image import published
from dbmirror.sandbox.driver.r import CLUSTER, RUNTIME, r_context, remote

FILES = dict(r_context("http://files.example"))


def described(path: str) -> RPackage:
    with tarfile.open(fileobj=io.BytesIO(FILES[path])) as archive:
        member = next(member for member in archive.getmembers() if member.name.endswith("/DESCRIPTION"))
        content = archive.extractfile(member)
        assert content is not None
        package = parse_description(content.read().decode(), library="/r")
    assert isinstance(package, RPackage)
    return package


def test_packages_are_installed_in_the_order_of_their_files_names() -> None:
    for library, wanted in (("runtime", RUNTIME), ("cluster", CLUSTER)):
        paths = sorted(path for path in FILES if path.startswith(f"r/{library}/"))
        assert [described(path).name for path in paths] == [name for name, _ in wanted]


def test_the_clusters_library_hides_an_older_version_of_the_runtimes() -> None:
    versions = {path.split("/")[1]: described(path).version for path in FILES if "sandboxGreeting" in path}
    assert versions == {"runtime": "1.0.0", "cluster": "1.2.0"}


def test_a_package_from_git_names_the_commit_that_the_workspace_serves() -> None:
    (path,) = [path for path in FILES if "sandboxRemote" in path]
    fields = dict(described(path).remote)
    assert fields["RemoteSha"] == remote().commit
    served = published(r=True)
    address = fields["RemoteUrl"].removeprefix("http://files.example")
    assert served[f"{address}/refs/heads/main"].decode().strip() == fields["RemoteSha"]


def test_the_platforms_own_library_is_there_without_a_line_of_code() -> None:
    assert {path for path in FILES if path.startswith("r/root/")} == {
        f"r/root/databricks/spark/R/lib/{name}/DESCRIPTION" for name in ("SparkR", "Rserve")
    }


def test_a_repository_with_an_archive_is_served_only_where_the_driver_has_r() -> None:
    served = published(r=True)
    assert "/cran/src/contrib/PACKAGES" in served
    assert any(path.startswith("/cran/src/contrib/Archive/hwriterPlus/") for path in served)
    assert not [path for path in published() if path.startswith("/cran/")]


def test_the_same_driver_is_asked_for_with_the_same_bytes() -> None:
    assert dict(r_context("http://files.example")) == FILES
