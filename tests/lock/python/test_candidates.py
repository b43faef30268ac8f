"""Which file of an index is taken for a pin."""

import pytest
from pypi_simple import DistributionPackage

from dbmirror.lock.model import Target
from dbmirror.lock.python.candidates import NoFile, choose

TARGET = Target(python="3.11.11", architecture="x86_64", glibc="2.35")


def file(name: str, *, requires_python: str | None = None, yanked: bool = False) -> DistributionPackage:
    return DistributionPackage(
        filename=name,
        url=f"https://files.example/{name}",
        project=None,
        version=None,
        package_type=None,
        digests={},
        requires_python=requires_python,
        has_sig=None,
        is_yanked=yanked,
    )


def chosen(name: str, version: str, *names: str) -> str:
    found = choose(name, version, [file(n) for n in names], TARGET)
    return found.reason if isinstance(found, NoFile) else found.filename


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("a-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", "a-1.0-cp311-cp311-manylinux_2_12_x86_64.whl"),
        ("a-1.0-cp311-cp311-manylinux2014_x86_64.whl", "a-1.0-cp311-abi3-manylinux2014_x86_64.whl"),
        ("a-1.0-cp37-abi3-manylinux1_x86_64.whl", "a-1.0-py3-none-any.whl"),
        ("a-1.0-2-py3-none-any.whl", "a-1.0-1-py3-none-any.whl"),
        ("a-1.0-10-py3-none-any.whl", "a-1.0-9-py3-none-any.whl"),
        ("a-1.0-1-py3-none-any.whl", "a-1.0-py3-none-any.whl"),
        ("a-1.0-py2.py3-none-any.whl", "a-1.0.tar.gz"),
        ("a-1.0.tar.gz", "a-1.0.zip"),
    ],
)
def test_the_better_file_is_taken_whatever_the_order(better: str, worse: str) -> None:
    assert chosen("a", "1.0", better, worse) == better
    assert chosen("a", "1.0", worse, better) == better


@pytest.mark.parametrize(
    "unfit",
    [
        "a-1.0-cp312-cp312-manylinux2014_x86_64.whl",
        "a-1.0-cp311-cp311-manylinux_2_36_x86_64.whl",
        "a-1.0-cp311-cp311-manylinux2014_aarch64.whl",
        "a-1.0-cp311-cp311-musllinux_1_2_x86_64.whl",
        "a-1.0-cp311-cp311-macosx_11_0_arm64.whl",
        "a-1.0-cp311-cp311-win_amd64.whl",
        "a-1.0-py2-none-any.whl",
        "a-1.0-py3.8.egg",
    ],
)
def test_a_file_that_the_cluster_cannot_install_is_never_taken(unfit: str) -> None:
    assert chosen("a", "1.0", unfit, "a-1.0.tar.gz") == "a-1.0.tar.gz"
    assert chosen("a", "1.0", unfit) != unfit


def test_versions_are_compared_as_pep_440_does_and_names_in_normal_form() -> None:
    assert chosen("lazr-uri", "1.0.6", "lazr.uri-1.0.6.tar.gz") == "lazr.uri-1.0.6.tar.gz"
    assert chosen("a", "2023.7.0", "a-2023.07.tar.gz") == "a-2023.07.tar.gz"
    assert chosen("a", "1.0", "ab-1.0.tar.gz").startswith("has no version")


def test_local_versions_must_be_equal() -> None:
    assert chosen("a", "1.0+corp", "a-1.0-py3-none-any.whl").startswith("has 1.0, but not")
    assert chosen("a", "1.0", "a-1.0+corp-py3-none-any.whl").startswith("has no version")
    assert chosen("a", "1.0+corp", "a-1.0+corp-py3-none-any.whl").endswith(".whl")


@pytest.mark.parametrize("local", ["cpu", "cu118", "cu121", "rocm6.0"])
def test_a_build_of_pytorchs_own_index_says_what_helps(local: str) -> None:
    assert "[index.packages]" in chosen("torch", f"2.3.1+{local}", "torch-2.3.1-cp311-cp311-manylinux1_x86_64.whl")


def test_a_build_of_databricks_is_told_to_be_nowhere() -> None:
    assert "publishes it nowhere" in chosen("horovod", "0.28.1+db1", "horovod-0.28.1.tar.gz")


def test_a_yanked_file_is_taken_for_an_exact_pin() -> None:
    assert choose("a", "1.0", [file("a-1.0.tar.gz", yanked=True)], TARGET) == file("a-1.0.tar.gz", yanked=True)


def test_requires_python_is_honoured_as_pip_does() -> None:
    found = choose("a", "1.0", [file("a-1.0.tar.gz", requires_python=">=3.12")], TARGET)
    assert isinstance(found, NoFile)
    assert ">=3.12" in found.reason
    assert "3.11.11" in found.reason
    unreadable = file("a-1.0.tar.gz", requires_python=">=3.x")
    assert choose("a", "1.0", [unreadable], TARGET) is unreadable


def test_a_release_candidate_of_python_counts_as_its_release() -> None:
    target = Target(python="3.11.0rc1", architecture="x86_64", glibc="2.35")
    offered = file("a-1.0.tar.gz", requires_python=">=3.11")
    assert choose("a", "1.0", [offered], target) is offered


def test_what_no_file_fits_is_told_with_the_target() -> None:
    reason = chosen("a", "1.0", "a-1.0-cp312-cp312-win_amd64.whl")
    assert "Python 3.11" in reason
    assert "glibc 2.35" in reason


def test_a_version_that_is_not_pep_440_has_no_file() -> None:
    assert "PEP 440" in chosen("a", "0.1-ubuntu~x", "a-0.1.tar.gz")
