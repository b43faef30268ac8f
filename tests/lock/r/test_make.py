"""Every kept R package gets its one source, every one that was found its one fate."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import requests

from dbmirror.files import sha256_hex
from dbmirror.hosts.interface import HostError
from dbmirror.inventory.installed_files import CapturedFile
from dbmirror.inventory.model import RPackage
from dbmirror.lock.fates import FateKind
from dbmirror.lock.r.errors import CircularDependencies, NoR, RepositoryUnreachable
from dbmirror.lock.r.model import CapturedRPackage, CranFile, RAptPackage, RLock
from dbmirror.sandbox.r_repository import make_repository, serve, source_archive, source_package
from tests.r_sources import make_package

from .conftest import NOTEBOOK, cluster, fate, r_package

Locks = Callable[..., RLock]
RUNTIME_LISTS = Path(__file__).parents[2] / "runtime_lists"


def source_of(lock: RLock, name: str) -> object:
    return next(package.source for package in lock.packages if package.name == name)


def built(package: RPackage, text: str = "R 4.4.2; ; 2025-01-01 00:00:00 UTC; unix") -> CapturedFile:
    """What a capture of `package` gives."""
    content = source_archive(make_package(package.name, package.version, {"Built": text}))
    return CapturedFile(f"{package.name}_{package.version}_R_x86_64-pc-linux-gnu.tar.gz", content)


def test_the_current_version_comes_from_the_repository_and_is_hashed(lock: Locks, served: str) -> None:
    made = lock(cluster(r_package("sandboxGreeting", "1.2.0"), *NOTEBOOK), served)
    source = source_of(made, "sandboxGreeting")
    assert isinstance(source, CranFile)
    assert source.url == f"{served}/src/contrib/sandboxGreeting_1.2.0.tar.gz"
    assert source.repository == served
    with requests.get(source.url, timeout=10) as answer:
        assert (source.sha256, source.size) == (sha256_hex(answer.content), len(answer.content))
    assert (source.archived, source.path) == (False, None)
    assert fate(made, "sandboxGreeting").kind is FateKind.MIRRORED


def test_an_older_version_comes_from_the_archive_and_is_hashed(lock: Locks, served: str) -> None:
    made = lock(cluster(r_package("sandboxGreeting", "1.0.0"), r_package("sandboxOld", "0.9-2"), *NOTEBOOK), served)
    for name, version in (("sandboxGreeting", "1.0.0"), ("sandboxOld", "0.9-2")):
        source = source_of(made, name)
        assert isinstance(source, CranFile)
        assert source.url == f"{served}/src/contrib/Archive/{name}/{name}_{version}.tar.gz"
        assert source.archived
        assert source.sha256
        assert "archive" in fate(made, name).reason


def test_what_no_repository_has_is_unavailable_and_the_others_are_locked(lock: Locks, served: str) -> None:
    made = lock(cluster(r_package("acme", "3.1"), r_package("sandboxGreeting", "9.9"), *NOTEBOOK), served)
    assert fate(made, "acme").kind is FateKind.UNAVAILABLE
    assert "127.0.0.1 does not have it" in fate(made, "acme").reason
    assert "does not have that version" in fate(made, "sandboxGreeting").reason
    assert made.counts() == {
        FateKind.MIRRORED: 5,
        FateKind.UNAVAILABLE: 2,
        FateKind.PROVIDED: 0,
        FateKind.SUBSTITUTED: 0,
        FateKind.EXCLUDED: 0,
    }


def test_without_a_repository_the_fate_says_what_to_set(lock: Locks) -> None:
    made = lock(cluster(r_package("acme", "3.1"), *NOTEBOOK))
    assert "'repositories' in the [r] section of dbmirror.toml" in fate(made, "acme").reason


def test_a_second_repository_is_asked_for_what_the_first_one_lacks(lock: Locks, served: str, tmp_path: Path) -> None:
    make_repository(tmp_path / "own", current=[source_package("sandboxPrivate")], archived=[])
    with serve(tmp_path / "own") as own:
        made = lock(cluster(r_package("sandboxPrivate", "2.0.1"), *NOTEBOOK), served, own)
    source = source_of(made, "sandboxPrivate")
    assert isinstance(source, CranFile)
    assert source.repository == own
    assert made.repositories == (served, own)


def test_a_file_of_a_folder_is_copied_into_the_mirror(lock: Locks, tmp_path: Path) -> None:
    make_repository(tmp_path / "cran")
    made = lock(cluster(r_package("sandboxGreeting", "1.2.0"), *NOTEBOOK), (tmp_path / "cran").as_uri())
    source = source_of(made, "sandboxGreeting")
    assert isinstance(source, CranFile)
    assert source.path == "r-sources/sandboxGreeting_1.2.0.tar.gz"
    assert source.sha256
    assert (tmp_path / "mirror" / source.path).read_bytes() == source_archive(source_package("sandboxGreeting"))


def test_r_itself_is_provided_and_a_recommended_package_is_locked_at_the_clusters_version(lock: Locks) -> None:
    taken = cluster(
        r_package("base", "4.4.2", priority="base"),
        r_package("stats", "4.4.2"),
        r_package("MASS", "7.3-60", priority="recommended"),
        *NOTEBOOK,
    )
    made = lock(taken, base_inventory=cluster(r_package("MASS", "7.3-60")).inventory)
    assert {name: fate(made, name).kind for name in ("base", "stats", "MASS")} == dict.fromkeys(
        ("base", "stats", "MASS"), FateKind.PROVIDED
    )
    other = lock(taken, base_inventory=cluster(r_package("MASS", "7.3-61")).inventory)
    assert (fate(other, "MASS").kind, fate(other, "MASS").substitute) == (FateKind.SUBSTITUTED, "MASS 7.3-61")
    none = lock(taken, base_inventory=cluster(r_package("MASS", "7.3-60"), r_version="4.3.1").inventory)
    assert fate(none, "MASS").kind is FateKind.UNAVAILABLE


def apt_with(**versions: str) -> Callable[[Sequence[str]], dict[str, str]]:
    found = {name.replace("_", "-"): version for name, version in versions.items()}
    return lambda names: {name: found[name] for name in names if name in found}


def test_what_apt_owns_comes_from_apt_at_the_same_version(lock: Locks) -> None:
    mass = r_package("MASS", "7.3-60.0.1", apt_package="r-cran-mass")
    digest = r_package("digest", "0.6.37", apt_package="r-cran-digest")
    apt = apt_with(r_base_core="4.4.2-1ubuntu2", r_cran_mass="7.3-60.0.1-1build1", r_cran_digest="0.6.35-1")
    made = lock(cluster(mass, digest, *NOTEBOOK), apt_candidates=apt)
    assert source_of(made, "MASS") == RAptPackage(package="r-cran-mass", version="7.3-60.0.1-1build1")
    assert fate(made, "digest").kind is FateKind.UNAVAILABLE


def test_debians_package_is_not_taken_where_it_is_for_another_r(lock: Locks) -> None:
    mass = r_package("MASS", "7.3-60.0.1", apt_package="r-cran-mass")
    apt = apt_with(r_base_core="4.2.2.20221110-2", r_cran_mass="7.3-60.0.1-1")
    assert fate(lock(cluster(mass, *NOTEBOOK), apt_candidates=apt), "MASS").kind is FateKind.UNAVAILABLE


def test_what_exists_nowhere_is_captured(lock: Locks, served: str, tmp_path: Path) -> None:
    made = lock(cluster(r_package("acme", "3.1"), *NOTEBOOK), served, capture=built)
    source = source_of(made, "acme")
    assert isinstance(source, CapturedRPackage)
    assert source.path == "r-sources/acme_3.1_R_x86_64-pc-linux-gnu.tar.gz"
    assert (tmp_path / "mirror" / source.path).is_file()
    assert fate(made, "acme").kind is FateKind.MIRRORED


@pytest.mark.parametrize(
    ("package", "words"),
    [
        (r_package("acme", "3.1", built_under="4.3.3"), "built under R 4.3.3"),
        (r_package("acme", "3.1", built_under=None), "under an unknown R"),
    ],
)
def test_what_was_built_for_another_r_is_not_captured(lock: Locks, served: str, package: RPackage, words: str) -> None:
    made = lock(cluster(package, *NOTEBOOK), served, capture=built)
    assert words in fate(made, "acme").reason


def test_compiled_code_is_not_captured_for_another_distribution(lock: Locks, served: str) -> None:
    compiled = r_package("acme", "3.1", needs_compilation=True)
    made = lock(cluster(compiled, *NOTEBOOK, os_version="22.04"), served, capture=built)
    assert "compiled code is for ubuntu 22.04" in fate(made, "acme").reason


def test_a_capture_that_fails_or_gives_something_else_is_the_reason(lock: Locks, served: str) -> None:
    def failing(_: RPackage) -> CapturedFile:
        raise HostError("The driver went away.")

    def another(package: RPackage) -> CapturedFile:
        return built(r_package("other", package.version))

    def arm(package: RPackage) -> CapturedFile:
        return built(package, "R 4.4.2; aarch64-unknown-linux-gnu; 2025-01-01; unix")

    taken = cluster(r_package("acme", "3.1"), *NOTEBOOK)
    assert "The driver went away" in fate(lock(taken, served, capture=failing), "acme").reason
    assert "do not make a package" in fate(lock(taken, served, capture=another), "acme").reason
    assert "built for aarch64" in fate(lock(taken, served, capture=arm), "acme").reason


def test_what_was_installed_from_a_file_is_never_taken_from_a_repository_that_has_its_name(
    lock: Locks, served: str
) -> None:
    local = r_package("sandboxGreeting", "1.2.0", remote=(("RemoteType", "local"),))
    made = lock(cluster(local, *NOTEBOOK), served)
    assert fate(made, "sandboxGreeting").kind is FateKind.UNAVAILABLE
    assert "'local'" in fate(made, "sandboxGreeting").reason
    standard = r_package("sandboxGreeting", "1.2.0", remote=(("RemoteType", "standard"), ("RemoteSha", "1.2.0")))
    assert fate(lock(cluster(standard, *NOTEBOOK), served), "sandboxGreeting").kind is FateKind.MIRRORED


def test_what_cannot_be_built_for_want_of_another_package_says_so(lock: Locks, served: str) -> None:
    sums = r_package("sandboxSums", "0.3-1", depends=("acme", "stats"))
    greeting = r_package("sandboxGreeting", "1.2.0", depends=("sandboxSums",))
    made = lock(cluster(sums, greeting, r_package("acme", "3.1"), *NOTEBOOK), served)
    assert "cannot be built without acme" in fate(made, "sandboxSums").reason
    assert "cannot be built without sandboxSums" in fate(made, "sandboxGreeting").reason
    assert [package.name for package in made.packages] == [package.name for package in NOTEBOOK]


def test_a_locked_package_names_what_is_to_be_installed_before_it(lock: Locks, served: str) -> None:
    sums = r_package("sandboxSums", "0.3-1", depends=("sandboxGreeting", "stats"), needs_compilation=True)
    made = lock(cluster(sums, r_package("sandboxGreeting", "1.2.0"), *NOTEBOOK), served)
    locked = next(package for package in made.packages if package.name == "sandboxSums")
    assert locked.depends == ("sandboxGreeting",)
    assert locked.needs_compilation


def test_packages_that_require_each_other_end_with_their_names(lock: Locks, served: str) -> None:
    circle = (
        r_package("sandboxGreeting", "1.2.0", depends=("sandboxSums",)),
        r_package("sandboxSums", "0.3-1", depends=("sandboxGreeting",)),
    )
    with pytest.raises(CircularDependencies, match=r"sandbox\w+ → sandbox\w+ → sandbox\w+\."):
        lock(cluster(*circle, *NOTEBOOK), served)


def test_what_r_notebooks_need_and_the_cluster_has_not_is_added(lock: Locks, served: str) -> None:
    made = lock(cluster(), served)
    assert {package.name: package.version for package in made.packages} == {
        "Rserve": "1.8-15",
        "TeachingDemos": "2.13",
        "htmltools": "0.5.8.1",
        "hwriter": "1.3.2.1",
        "hwriterPlus": "1.0-3",
    }
    assert all(package.addition for package in made.packages)
    plus = next(package for package in made.packages if package.name == "hwriterPlus")
    assert plus.depends == ("TeachingDemos", "hwriter")
    assert made.fates == ()


def test_what_r_notebooks_will_lack_is_said(lock: Locks, tmp_path: Path) -> None:
    make_repository(tmp_path / "small", current=[source_package("htmltools")], archived=[])
    with serve(tmp_path / "small") as url:
        made = lock(cluster(r_package("hwriter", "1.0"), *(NOTEBOOK[:2])), url)
    assert [package.name for package in made.packages] == ["htmltools"]
    assert [lacking.name for lacking in made.lacking] == ["hwriterPlus"]


def test_an_addition_that_needs_an_unavailable_package_of_the_cluster_is_lacking(lock: Locks, served: str) -> None:
    made = lock(cluster(r_package("hwriter", "99")), served)
    assert [lacking.name for lacking in made.lacking] == ["hwriterPlus"]
    assert "without hwriter" in made.lacking[0].reason


def test_what_the_base_image_has_is_not_added(lock: Locks, served: str) -> None:
    made = lock(cluster(), served, base_inventory=cluster(*NOTEBOOK).inventory)
    assert made.packages == ()


def test_cluster_libraries_are_marked(lock: Locks, served: str) -> None:
    library = "/local_disk0/.ephemeral_nfs/cluster_libraries/r"
    made = lock(cluster(r_package("sandboxGreeting", "1.2.0", library=library), *NOTEBOOK), served)
    assert [package.name for package in made.packages if package.from_cluster_library] == ["sandboxGreeting"]


def test_an_unchanged_cluster_is_locked_again_without_asking_anyone(lock: Locks, tmp_path: Path) -> None:
    make_repository(tmp_path / "cran")
    taken = cluster(r_package("sandboxOld", "0.9-2"), r_package("acme", "3.1"))
    with serve(tmp_path / "cran") as url:
        first = lock(taken, url)
    assert lock(taken, url, previous=first) == first


def test_a_changed_package_is_asked_for_again_and_the_others_are_not(lock: Locks, served: str) -> None:
    first = lock(cluster(r_package("sandboxGreeting", "1.0.0"), *NOTEBOOK), served)
    second = lock(cluster(r_package("sandboxGreeting", "1.2.0"), *NOTEBOOK), served, previous=first)
    assert next(package.version for package in second.packages if package.name == "sandboxGreeting") == "1.2.0"


def test_a_captured_package_is_captured_again_when_its_file_is_gone(lock: Locks, served: str, tmp_path: Path) -> None:
    taken = cluster(r_package("acme", "3.1"), *NOTEBOOK)
    first = lock(taken, served, capture=built)
    assert fate(lock(taken, served, previous=first), "acme").kind is FateKind.MIRRORED
    (tmp_path / "mirror" / "r-sources" / "acme_3.1_R_x86_64-pc-linux-gnu.tar.gz").unlink()
    assert fate(lock(taken, served, previous=first), "acme").kind is FateKind.UNAVAILABLE


def test_a_new_repository_is_asked_for_what_was_captured_before(lock: Locks, served: str, tmp_path: Path) -> None:
    taken = cluster(r_package("acme", "3.1"), r_package("other", "1.0"), *NOTEBOOK)
    first = lock(taken, served, capture=built)
    make_repository(tmp_path / "own", current=[make_package("acme", "3.1")], archived=[])
    with serve(tmp_path / "own") as own:
        second = lock(taken, served, own, previous=first)
    assert isinstance(source_of(second, "acme"), CranFile)
    assert isinstance(source_of(second, "other"), CapturedRPackage)


def test_a_repository_that_is_down_is_one_clear_error(lock: Locks) -> None:
    with pytest.raises(RepositoryUnreachable, match="connection refused"):
        lock(cluster(r_package("acme", "3.1")), "http://127.0.0.1:9")


def test_a_snapshot_that_does_not_say_which_r_it_has_is_refused(lock: Locks) -> None:
    with pytest.raises(NoR):
        lock(cluster(r_package("acme", "3.1"), r_version=None))
    assert lock(cluster(r_package("base", "4.4.2", priority="base"), r_version=None)).r_version == "4.4.2"


def test_every_package_of_a_real_runtime_gets_one_fate(lock: Locks, tmp_path: Path) -> None:
    path = RUNTIME_LISTS / "17.3.r.txt"
    pins = [line.split() for line in path.read_text().splitlines()]
    current = [make_package(name, version) for name, version in pins[::3]]
    archived = [make_package(name, version) for name, version in pins[1::3]]
    make_repository(tmp_path / "cran", current=current, archived=archived)
    taken = cluster(*(r_package(name, version) for name, version in pins), r_package("SparkR", "4.0.0"))
    with serve(tmp_path / "cran") as url:
        made = lock(taken, url)
    counts = made.counts()
    assert sum(counts.values()) == len(pins) + 1 == 229
    assert counts[FateKind.PROVIDED] == 14
    assert counts[FateKind.EXCLUDED] == 1
    assert counts[FateKind.MIRRORED] > 100
    assert counts[FateKind.UNAVAILABLE] > 50
    assert [each.name for each in made.lacking] == ["TeachingDemos", "hwriter", "hwriterPlus"]
