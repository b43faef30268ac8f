"""A failed import is a defect of the image, or the cluster's would fail as well: the words and the lock decide."""

from __future__ import annotations

import pytest

from dbmirror.lock.fates import FateKind
from dbmirror.verify.expected_failures import judge_failure
from dbmirror.verify.missing_modules import distributions_of, missing_module
from tests.verify.conftest import fate


@pytest.mark.parametrize(
    ("error", "word"),
    [
        ("ModuleNotFoundError: No module named 'pyspark'", "Spark"),
        ("ModuleNotFoundError: No module named 'pyspark.sql'", "Spark"),
        ("ModuleNotFoundError: No module named 'dbruntime'", "runtime's own"),
        ("_tkinter.TclError: no display name and no $DISPLAY environment variable", "display"),
        ("ValueError: Namespace Gtk not available", "display"),
        ("ImportError: libcuda.so.1: cannot open shared object file: No such file or directory", "GPU"),
        ("ModuleNotFoundError: No module named 'imp'", "no longer has"),
        ("ModuleNotFoundError: No module named 'win32api'", "Windows"),
    ],
)
def test_what_the_platform_or_the_machine_brings_is_expected_to_be_missing(error: str, word: str) -> None:
    expected = judge_failure(error, fates={}).expected
    assert expected is not None
    assert word in expected


def test_a_dependency_that_the_cluster_has_not_either_is_expected_to_be_missing() -> None:
    error = "ImportError: aiohttp dependency is not installed: No module named 'aiohttp'."
    judged = judge_failure(error, fates={"black": [fate("black")]})
    assert judged.expected == "the cluster has no distribution aiohttp for the module aiohttp"
    assert judged.error == error


def test_a_dependency_that_should_be_in_the_image_is_a_defect() -> None:
    error = "ModuleNotFoundError: No module named 'yaml'"
    assert judge_failure(error, fates={"pyyaml": [fate("pyyaml")]}).expected is None
    assert judge_failure(error, fates={"pyyaml": [fate("pyyaml", kind=FateKind.PROVIDED)]}).expected is None


def test_a_dependency_that_a_filter_keeps_out_is_a_defect_that_names_the_rule() -> None:
    out = fate("pyyaml", "6.0", FateKind.EXCLUDED, "blacklist (pyyaml): no one needs it")
    judged = judge_failure("ModuleNotFoundError: No module named 'yaml'", fates={"pyyaml": [out]})
    assert judged.expected is None
    assert judged.error.endswith("; pyyaml 6.0 is excluded: blacklist (pyyaml): no one needs it")


def test_a_dependency_that_could_not_be_had_is_a_defect_that_says_why() -> None:
    out = fate("private", "1.0", FateKind.UNAVAILABLE, "no index has it")
    judged = judge_failure("ModuleNotFoundError: No module named 'private.part'", fates={"private": [out]})
    assert judged.expected is None
    assert "private 1.0 is unavailable: no index has it" in judged.error


@pytest.mark.parametrize("module", ["_cffi_backend", "_sqlite3", "sqlite3", "bz2", "numpy.core._multiarray_umath"])
def test_a_missing_compiled_part_is_a_defect_whatever_its_name(module: str) -> None:
    judged = judge_failure(f"ModuleNotFoundError: No module named '{module}'", fates={"numpy": [fate("numpy")]})
    assert judged.expected is None


@pytest.mark.parametrize(
    "error",
    [
        "ImportError: libodbc.so.2: cannot open shared object file: No such file or directory",
        "AttributeError: module 'numpy' has no attribute 'int'",
        "it did not end within 60 s",
        "it was ended by SIGSEGV",
    ],
)
def test_every_other_failure_is_a_defect(error: str) -> None:
    assert judge_failure(error, fates={}).expected is None


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("yaml", ("pyyaml",)),
        ("google.protobuf.message", ("protobuf",)),
        ("databricks.sdk", ("databricks-sdk",)),
        ("google.cloud.storage", ("google-cloud-storage", "google-cloud", "google")),
        ("My_Module", ("my-module",)),
    ],
)
def test_modules_are_looked_up_by_what_brings_them(module: str, names: tuple[str, ...]) -> None:
    assert distributions_of(module) == names


def test_only_a_missing_module_names_one() -> None:
    assert missing_module("ModuleNotFoundError: No module named 'a.b'; 'a' is not a package") == "a.b"
    assert missing_module("ImportError: cannot import name 'x' from 'y'") is None
