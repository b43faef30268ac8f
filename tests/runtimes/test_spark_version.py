"""The forms of a spark_version."""

from __future__ import annotations

import pytest

from dbmirror.runtimes.lookup import parse_spark_version
from dbmirror.runtimes.model import RuntimeUnknown, SparkVersion


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15.4.x-scala2.12", SparkVersion(release="15.4", scala="2.12")),
        ("15.4.x-cpu-ml-scala2.12", SparkVersion(release="15.4", scala="2.12", ml=True)),
        ("11.3.x-gpu-ml-scala2.12", SparkVersion(release="11.3", scala="2.12", ml=True, gpu=True)),
        ("14.3.x-photon-scala2.12", SparkVersion(release="14.3", scala="2.12", photon=True)),
        ("15.4.x-aarch64-scala2.12", SparkVersion(release="15.4", scala="2.12", aarch64=True)),
        ("15.4.x-aarch64-photon-scala2.12", SparkVersion(release="15.4", scala="2.12", aarch64=True, photon=True)),
        ("7.3.x-esr-scala2.12", SparkVersion(release="7.3", scala="2.12", extended_support=True)),
        ("16.4.x-scala2.13", SparkVersion(release="16.4", scala="2.13")),
        ("18.x-scala2.13", SparkVersion(release="18", scala="2.13")),
        ("18.x-cpu-ml-scala2.13", SparkVersion(release="18", scala="2.13", ml=True)),
        ("17.3.x-snapshot-scala2.13", SparkVersion(release="17.3", scala="2.13", snapshot=True)),
        ("17.3.x-photon-snapshot-scala2.13", SparkVersion(release="17.3", scala="2.13", photon=True, snapshot=True)),
        ("custom:release__15.4.x-scala2.12", SparkVersion(release="15.4", scala="2.12", custom=True)),
        (
            "custom:custom-local__15.4.x-snapshot-scala2.12__main__d2f7b4a__abc",
            SparkVersion(release="15.4", scala="2.12", custom=True, snapshot=True),
        ),
        ("15.4.x", SparkVersion(release="15.4")),
    ],
)
def test_a_spark_version_says_what_the_cluster_runs(text, expected):
    assert parse_spark_version(text) == expected


@pytest.mark.parametrize(
    "text", ["", "15", "scala2.12", "15.4.x scala2.12", "15.4.x-scala2.12\nRUN id", "apache-spark"]
)
def test_anything_else_is_an_error_that_shows_the_form(text):
    with pytest.raises(RuntimeUnknown, match="spark_version") as caught:
        parse_spark_version(text)
    assert "15.4.x-scala2.12" in caught.value.remedy
