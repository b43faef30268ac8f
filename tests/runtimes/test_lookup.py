"""The facts of a runtime by its version."""

from __future__ import annotations

import re
from datetime import date

import pytest

from dbmirror.errors import UsageError
from dbmirror.runtimes.lookup import known_versions, lookup
from dbmirror.runtimes.model import RuntimeUnknown, repl_names


def test_the_runtimes_are_known_oldest_first():
    expected = ("9.1", "10.4", "11.3", "12.2", "13.3", "14.3", "15.4", "16.4", "17.3", "18.3", "19.0")
    assert known_versions() == expected
    assert [lookup(version).version for version in expected] == list(expected)


def test_a_runtime_has_the_facts_of_its_release():
    runtime = lookup("15.4")
    assert (runtime.ubuntu, runtime.python, runtime.python_full) == ("22.04", "3.11", "3.11.11")
    assert (runtime.java, runtime.spark, runtime.delta) == ((8, 17), "3.5.0", "3.2.0")
    assert runtime.tools is not None
    assert runtime.tools.virtualenv == "20.24.2"
    assert runtime.repl["numpy"] == "1.23.5"
    assert runtime.lts_end == date(2027, 8, 19)
    assert runtime.official_image == "databricksruntime/python:15.4-LTS"


def test_the_default_java_changed_with_16_4():
    assert lookup("15.4").java[0] == 8
    assert lookup("16.4").java[0] == 17


def test_what_no_source_states_is_unknown_and_not_guessed():
    runtime = lookup("18.3")
    assert runtime.ubuntu is None
    assert runtime.java == ()
    assert runtime.tools is None
    assert runtime.lts_end is None
    assert lookup("15.4").r is None


def test_an_unknown_runtime_is_a_usage_error_that_names_the_known_ones():
    with pytest.raises(RuntimeUnknown, match=r"'14\.1'") as caught:
        lookup("14.1")
    assert isinstance(caught.value, UsageError)
    assert "14.3, 15.4, 16.4" in caught.value.remedy


@pytest.mark.parametrize(("key", "version"), [("17", "17.3"), ("18", "18.3"), ("19", "19.0")])
def test_a_rolling_key_means_the_newest_known_release_of_its_major(key, version):
    assert lookup(key).version == version


def test_the_day_of_cran_is_a_fact_of_the_runtime():
    assert lookup("17.3").cran == date(2025, 3, 20)
    assert lookup("15.4").cran is None


@pytest.mark.parametrize(
    ("flag", "first"),
    [
        ("needs_virtualenv", "11.3"),
        ("needs_lsp", "12.2"),
        ("needs_acl", "13.3"),
        ("needs_libraries_user", "13.3"),
        ("needs_locale", "15.4"),
        ("needs_fips_override", "16.4"),
    ],
)
def test_a_need_begins_with_one_release_and_stays(flag, first):
    needing = [version for version in known_versions() if getattr(lookup(version), flag)]
    assert needing == list(known_versions()[known_versions().index(first) :])


@pytest.mark.parametrize("version", known_versions())
def test_everything_that_an_image_is_made_with_has_a_version_and_a_hash(version):
    runtime = lookup(version)
    for line in (*runtime.tool_requirements, *runtime.lsp_requirements):
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]* --hash=sha256:[0-9a-f]{64}", line)


@pytest.mark.parametrize("version", [v for v in known_versions() if lookup(v).tools])
def test_the_locked_tools_are_the_runtimes(version):
    runtime = lookup(version)
    locked = dict(line.split(" ")[0].split("==") for line in runtime.tool_requirements)
    for name in ("pip", "setuptools", "wheel", "virtualenv"):
        assert locked[name] == getattr(runtime.tools, name)
    assert {"distlib", "filelock"} <= locked.keys()


def test_the_language_server_is_there_wherever_the_platform_needs_it_and_its_pins_are_known():
    for version in known_versions():
        runtime = lookup(version)
        has_server = any(line.startswith("python-lsp-server==") for line in runtime.lsp_requirements)
        assert has_server == (runtime.needs_lsp and version not in {"18.3", "19.0"})


@pytest.mark.parametrize("version", known_versions())
def test_the_names_of_the_repl_are_there_for_every_runtime(version):
    names = repl_names(lookup(version))
    assert {"ipython", "ipykernel", "numpy", "pandas", "pyarrow", "six", "traitlets", "pip"} <= names
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)


def test_newer_runtimes_need_more_for_their_repl():
    assert {"grpcio", "grpcio-status", "protobuf", "databricks-sdk", "pyccolo"} <= repl_names(lookup("15.4"))
    assert "pyccolo" not in repl_names(lookup("14.3"))
