"""A runtime by its name: as people say it and as the API does."""

from __future__ import annotations

import pytest

from dbmirror.runtimes.model import RuntimeUnknown
from dbmirror.runtimes.named import listed_runtimes, named_runtime


@pytest.mark.parametrize(
    ("text", "spark_version", "pins"),
    [
        ("15.4", "15.4.x-scala2.12", 134),
        ("15.4 LTS", "15.4.x-scala2.12", 134),
        ("15.4-ml", "15.4.x-cpu-ml-scala2.12", 348),
        ("15.4.x-cpu-ml-scala2.12", "15.4.x-cpu-ml-scala2.12", 348),
        ("17.3.x-photon-scala2.13", "17.3.x-photon-scala2.13", 229),
        ("17.3", "17.3.x-scala2.13", 229),
        ("14.3", "14.3.x-scala2.12", None),
        ("15.4-ml-gpu", "15.4.x-gpu-ml-scala2.12", None),
    ],
)
def test_names_and_package_lists(text: str, spark_version: str, pins: int | None) -> None:
    runtime = named_runtime(text)
    assert runtime.spark_version == spark_version
    assert (len(runtime.pins) if runtime.pins is not None else None) == pins
    assert (runtime.architecture, runtime.glibc) == ("x86_64", {"17": "2.39"}.get(text[:2], "2.35"))


def test_of_two_scala_versions_none_is_guessed() -> None:
    with pytest.raises(RuntimeUnknown, match=r"--runtime 16\.4\.x-scala2\.12 or --runtime 16\.4\.x-scala2\.13"):
        named_runtime("16.4")


@pytest.mark.parametrize("text", ["99.9", "latest", "15.4; rm", ""])
def test_what_is_no_known_runtime_is_an_error_that_names_those_that_are(text: str) -> None:
    with pytest.raises(RuntimeUnknown, match=r"15\.4"):
        named_runtime(text)


@pytest.mark.parametrize("text", ["serverless-3", "Serverless", "client.3", "client.3.1", "environment 4"])
def test_a_serverless_environment_is_called_one_and_its_own_list_is_the_way(text: str) -> None:
    with pytest.raises(RuntimeUnknown, match=r"is a serverless environment") as error:
        named_runtime(text)
    assert "--from FILE" in error.value.remedy


def test_the_lists_that_are_shipped_are_named() -> None:
    assert listed_runtimes() == ("13.3", "15.4", "15.4-ml", "17.3")
