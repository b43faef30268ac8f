"""The sandbox's CRAN-like repository, made without R."""

import gzip
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from dbmirror.lock.r.packages_file import parse_packages
from dbmirror.sandbox.r_repository import ARCHIVED, CURRENT, make_repository, serve, source_archive, source_package
from tests.r_sources import from_archive

NOT_THERE = ("sandboxPrivate", "sandboxRemote")
"""One is private, one comes from a git repository."""


def test_the_same_packages_give_the_same_files(tmp_path: Path) -> None:
    make_repository(tmp_path / "one")
    make_repository(tmp_path / "two")
    files = [path.relative_to(tmp_path / "one") for path in sorted((tmp_path / "one").rglob("*")) if path.is_file()]
    assert [(tmp_path / "one" / path).read_bytes() for path in files] == [
        (tmp_path / "two" / path).read_bytes() for path in files
    ]


def test_the_list_has_the_current_packages_and_only_those(tmp_path: Path) -> None:
    make_repository(tmp_path)
    content = (tmp_path / "src" / "contrib" / "PACKAGES.gz").read_bytes()
    assert gzip.decompress(content) == (tmp_path / "src" / "contrib" / "PACKAGES").read_bytes()
    assert sorted(parse_packages(content).newest) == sorted(CURRENT)


def test_the_archive_has_older_versions_and_what_is_only_there(tmp_path: Path) -> None:
    make_repository(tmp_path)
    for name, version in ARCHIVED:
        with tarfile.open(tmp_path / "src" / "contrib" / "Archive" / name / f"{name}_{version}.tar.gz") as archive:
            stream = archive.extractfile(f"{name}/DESCRIPTION")
            assert stream is not None
            assert f"Version: {version}\n" in stream.read().decode()


@pytest.mark.parametrize("name", [*CURRENT, *NOT_THERE, *(name for name, _ in ARCHIVED)])
def test_every_package_names_itself_and_has_code(name: str) -> None:
    package = source_package(name)
    assert package.files["DESCRIPTION"].startswith(f"Package: {name}\nVersion: {package.version}\n".encode())
    assert any(path.startswith("R/") for path in package.files)
    assert source_archive(package).startswith(b"\x1f\x8b")


def test_an_unknown_package_is_no_package() -> None:
    with pytest.raises(KeyError):
        source_package("ggplot2")


def test_a_package_is_read_back_from_its_archive() -> None:
    package = source_package("sandboxSums")
    assert from_archive(source_archive(package)) == package
    with pytest.raises(ValueError, match="no R package"):
        from_archive(source_archive(replace(package, files={"README": b""})))


def test_it_is_served_over_http(tmp_path: Path) -> None:
    make_repository(tmp_path)
    with serve(tmp_path) as url:
        assert requests.get(f"{url}/src/contrib/PACKAGES.gz", timeout=5).status_code == 200
        assert requests.get(f"{url}/src/contrib/none", timeout=5).status_code == 404
