"""R packages from git repositories, at the commit that the cluster installed."""

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dbmirror.http_client.refused import Refused
from dbmirror.inventory.installed_files import CapturedFile
from dbmirror.lock.fates import FateKind
from dbmirror.lock.r.git_remotes import remote_type, remote_url
from dbmirror.lock.r.model import RGitSource, RLock
from dbmirror.sandbox.driver.repository import make_repository
from dbmirror.sandbox.r_repository import make_repository as make_cran
from dbmirror.sandbox.r_repository import serve, source_archive, source_package
from tests.r_sources import make_package

from .conftest import NOTEBOOK, cluster, fate, r_package

Locks = Callable[..., RLock]


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The URL of a git repository with the package sandboxRemote in it, beside a CRAN-like one, and its commit."""
    make_cran(tmp_path / "git")
    sources = {path: content.decode() for path, content in source_package("sandboxRemote").files.items()}
    repository = make_repository(sources, tag="v0.4.0")
    for path, content in repository.files.items():
        target = tmp_path / "git" / "remote.git" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    with serve(tmp_path / "git") as url:
        yield f"{url}/remote.git", repository.commit


def test_the_commit_is_archived_in_the_mirror(lock: Locks, remote: tuple[str, str], tmp_path: Path) -> None:
    url, commit = remote
    package = r_package(
        "sandboxRemote", "0.4.0", remote=(("RemoteSha", commit), ("RemoteType", "git"), ("RemoteUrl", url))
    )
    repositories = url.removesuffix("/remote.git")
    made = lock(cluster(package, *NOTEBOOK), repositories)
    source = next(each.source for each in made.packages if each.name == "sandboxRemote")
    assert isinstance(source, RGitSource)
    assert (source.url, source.commit) == (url, commit)
    content = (tmp_path / "mirror" / source.path).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert f"sandboxRemote-{commit}/DESCRIPTION" in archive.getnames()
    assert lock(cluster(package, *NOTEBOOK), repositories, previous=made) == made


def test_a_repository_on_this_machine_is_not_asked_for_a_cluster(lock: Locks, remote: tuple[str, str]) -> None:
    fields = (("RemoteSha", remote[1]), ("RemoteType", "git"), ("RemoteUrl", remote[0]))
    made = lock(cluster(r_package("sandboxRemote", "0.4.0", remote=fields), *NOTEBOOK))
    assert fate(made, "sandboxRemote").kind is FateKind.UNAVAILABLE
    assert fate(made, "sandboxRemote").reason.startswith("Its repository leads to 127.0.0.1, which is for this machine")


def test_what_had_to_be_packed_instead_says_why(lock: Locks) -> None:
    fields = (("RemoteSha", "a" * 40), ("RemoteType", "git"), ("RemoteUrl", "ssh://git@code.example/x"))
    package = r_package("sandboxRemote", "0.4.0", remote=fields)
    content = source_archive(make_package("sandboxRemote", "0.4.0", {"Built": "R 4.4.2; ; 2025-01-01; unix"}))
    packed = CapturedFile("sandboxRemote_0.4.0_R_x86_64-pc-linux-gnu.tar.gz", content)
    made = lock(cluster(package, *NOTEBOOK), capture=lambda _package: packed)
    found = fate(made, "sandboxRemote")
    assert found.kind is FateKind.MIRRORED
    assert found.reason.startswith("Packed from the files on the cluster")
    assert "this machine's keys" in found.reason


def test_a_commit_that_is_gone_leaves_the_reason(lock: Locks, remote: tuple[str, str]) -> None:
    fields = (("RemoteSha", "a" * 40), ("RemoteType", "git2r"), ("RemoteUrl", remote[0]))
    repositories = remote[0].removesuffix("/remote.git")
    made = lock(cluster(r_package("sandboxRemote", "0.4.0", remote=fields), *NOTEBOOK), repositories)
    assert fate(made, "sandboxRemote").kind is FateKind.UNAVAILABLE
    assert "no longer has the commit" in fate(made, "sandboxRemote").reason
    short = (("RemoteSha", "abc"), ("RemoteType", "git"), ("RemoteUrl", remote[0]))
    made = lock(cluster(r_package("sandboxRemote", "0.4.0", remote=short), *NOTEBOOK))
    assert "full commit" in fate(made, "sandboxRemote").reason


@pytest.mark.parametrize(
    ("host", "kind", "url"),
    [
        ("api.github.com", "github", "https://github.com/acme/tools"),
        ("github.acme.example/api/v3", "github", "https://github.acme.example/acme/tools"),
        ("gitlab.acme.example", "gitlab", "https://gitlab.acme.example/acme/tools"),
        ("api.bitbucket.org/2.0", "bitbucket", "https://bitbucket.org/acme/tools"),
        ("", "github", "https://github.com/acme/tools"),
    ],
)
def test_the_repository_of_a_forge_is_told_from_its_fields(host: str, kind: str, url: str) -> None:
    fields = {"RemoteType": kind, "RemoteHost": host, "RemoteUsername": "acme", "RemoteRepo": "tools"}
    assert remote_url(fields) == url


@pytest.mark.parametrize(
    "fields",
    [
        {"RemoteType": "git"},
        {"RemoteType": "github", "RemoteUsername": "acme"},
        {"RemoteType": "github", "RemoteUsername": "acme", "RemoteRepo": "a/b"},
        {"RemoteType": "github", "RemoteUsername": "--upload-pack=x;", "RemoteRepo": "tools"},
    ],
)
def test_fields_that_name_no_repository_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(Refused, match="does not record"):
        remote_url(fields)


@pytest.mark.parametrize(
    "fields",
    [
        (("RemoteType", "git"), ("RemoteUrl", "ext::sh -c id"), ("RemoteSha", "a" * 40)),
        (("RemoteType", "git"), ("RemoteUrl", "file:///etc"), ("RemoteSha", "a" * 40)),
        (
            ("RemoteType", "github"),
            ("RemoteUsername", "a"),
            ("RemoteRepo", "b"),
            ("RemoteHost", "-x"),
            ("RemoteSha", "a" * 40),
        ),
    ],
)
def test_hostile_remotes_never_reach_git(lock: Locks, fields: tuple[tuple[str, str], ...]) -> None:
    made = lock(cluster(r_package("acme", "1.0", remote=fields), *NOTEBOOK))
    assert "http, https or ssh" in fate(made, "acme").reason


@pytest.mark.parametrize(
    ("written", "kind"),
    [("GitHub", "git"), ("xgit", "git"), ("standard", "repository"), ("", "repository"), ("url", "url")],
)
def test_what_is_a_repositorys_is_told_from_what_is_not(written: str, kind: str) -> None:
    assert remote_type(r_package("a", "1", remote=(("RemoteType", written),))) == kind
