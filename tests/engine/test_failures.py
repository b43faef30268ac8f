"""What went wrong in a build is read off the logs that pip, uv, apt and BuildKit really write.

build_logs/ holds the last lines of real failing runs (uv 0.13, pip 23.2, apt 2.6); host names and folders are replaced.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dbmirror.engine.failures import CAUSES, find_cause, find_package, own_lines

LOGS = Path(__file__).parent / "build_logs"

EXPECTED = {
    "apt-dns": ("network", "", "a proxy on localhost"),
    "apt-no-package": ("apt-version", "", "dbmirror lock"),
    "apt-no-release": ("apt-repository", "", "--base"),
    "pip-certificate": ("certificate", "six 1.16.0", "--ca-bundle"),
    "pip-configure": ("native-library", "dbus-python", "libdbus-1-dev"),
    "pip-disk-full": ("disk-full", "", "docker system df"),
    "pip-hash": ("hash", "six 1.16.0", "dbmirror lock"),
    "pip-header": ("native-header", "pyodbc", "unixodbc-dev"),
    "pip-no-compiler": ("native-program", "psutil", "build-essential"),
    "pip-no-version": ("version-missing", "six 99.0", "dbmirror lock"),
    "pip-pg-config": ("native-program", "", "libpq-dev"),
    "pip-url-401": ("credentials", "", "secret"),
    "uv-401": ("credentials", "", "netrc"),
    "uv-403": ("credentials", "", "netrc"),
    "uv-certificate": ("certificate", "", "--ca-bundle"),
    "uv-disk-full": ("disk-full", "numpy 1.23.5", "docker system df"),
    "uv-dns": ("network", "", "a proxy on localhost"),
    "uv-hash": ("hash", "six 1.16.0", "dbmirror lock"),
    "uv-no-version": ("version-missing", "six 99.0", "dbmirror lock"),
    "uv-pkg-config": ("native-library", "", "libcairo2-dev"),
    "uv-refused": ("network", "", "proxy"),
    "uv-url-401": ("credentials", "", "secret"),
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_real_log_gives_its_cause_its_package_and_what_to_do(name: str) -> None:
    log = (LOGS / f"{name}.txt").read_text()
    expected_cause, package, word = EXPECTED[name]
    cause, meaning, remedy = find_cause(log)
    assert cause is not None
    assert cause.key == expected_cause
    assert find_package(log.splitlines()) == package
    assert word in remedy
    assert "{" not in meaning + remedy


def test_every_recorded_log_is_in_the_table_above() -> None:
    assert {path.stem for path in LOGS.glob("*.txt")} == set(EXPECTED)


@pytest.mark.parametrize(
    ("said", "key"),
    [
        (
            "ERROR: failed to solve: a/b:1: failed to resolve source metadata for registry.example/a/b:1: failed to do "
            'request: Head "https://registry.example/v2/": dial tcp: lookup registry.example: no such host',
            "base-unreachable",
        ),
        (
            "ERROR: failed to solve: a/b:1: failed to resolve source metadata for registry.example/a/b:1: "
            "registry.example/a/b:1: not found",
            "base-unknown",
        ),
        (
            "ERROR: failed to solve: nosuch/thing:1.0: pull access denied, repository does not exist or may require "
            "authorization: server message: insufficient_scope: authorization failed",
            "base-unknown",
        ),
        ("E: Unable to locate package nosuchpackage", "apt-package"),
        ("E: Failed to fetch http://deb.example/dists/x/Release  404  Not Found", "apt-repository"),
        ("process did not complete successfully: exit code: 137", "memory"),
        ("/usr/bin/ld: cannot find -lodbc: No such file or directory", "native-linker"),
        (
            "ERROR: failed to solve: failed to compute cache key: failed to calculate checksum of ref a::b: failed "
            "to walk /var/lib/docker/tmp/buildkit-mount1/wheels: lstat /var/lib/docker/tmp/buildkit-mount1/wheels: no "
            "such file or directory",
            "context-file",
        ),
        (
            'ERROR: failed to solve: failed to compute cache key: failed to calculate checksum of ref a::b: "/wheels": '
            "not found",
            "context-file",
        ),
    ],
)
def test_what_buildkit_itself_says_is_understood(said: str, key: str) -> None:
    cause, _, _ = find_cause(said)
    assert cause is not None
    assert cause.key == key


def test_the_missing_thing_is_named() -> None:
    _, meaning, remedy = find_cause("src/pyodbc.h:56:10: fatal error: sql.h: No such file or directory")
    assert meaning == "the header sql.h is missing"
    assert "unixodbc-dev" in remedy
    _, meaning, remedy = find_cause("x.c:1:2: fatal error: strange/thing.h: No such file or directory")
    assert "strange/thing.h" in meaning
    assert "strange/thing.h" in remedy


def test_the_marker_of_the_build_files_names_the_package_before_any_tool_does() -> None:
    log = ["Failed building wheel for other", "dbmirror: failed psycopg2 2.9.3 (build)", "make: *** Error 1"]
    assert find_package(log) == "psycopg2 2.9.3"


@pytest.mark.parametrize("line", ["dbmirror: failed", "dbmirror: failed x", "echo dbmirror: failed a 1 (b)"])
def test_a_line_that_only_looks_like_the_marker_is_none(line: str) -> None:
    assert find_package([line]) == ""


def test_an_unknown_failure_has_no_cause() -> None:
    assert find_cause("segmentation fault of the third kind")[0] is None


def test_every_cause_fills_its_sentences_from_groups_that_its_pattern_has() -> None:
    for cause in CAUSES:
        if re.findall(r"{(\w+)}", cause.meaning + cause.remedy):
            assert re.compile(cause.pattern).groupindex, cause.key
    assert len({cause.key for cause in CAUSES}) == len(CAUSES)


def test_what_another_package_said_meanwhile_is_not_why_this_one_failed() -> None:
    log = [
        "dbmirror: building lxml 4.9.2",
        "dbmirror: building pyodbc 4.0.38",
        "dbmirror: log of lxml 4.9.2",
        "fatal error: sql.h: No such file or directory",
        "dbmirror: failed lxml 4.9.2 (build)",
        "dbmirror: log of pyodbc 4.0.38",
        "Error: pg_config executable not found.",
        "dbmirror: failed pyodbc 4.0.38 (build)",
    ]
    assert find_package(log) == "pyodbc 4.0.38"
    assert own_lines(log) == log[-2:]
    cause, _, _ = find_cause("\n".join(own_lines(log)))
    assert cause is not None
    assert cause.key == "native-program"


def test_a_line_between_a_packages_words_and_its_mark_is_its_own() -> None:
    log = [
        "dbmirror: built six 1.16.0",
        "dbmirror: log of lap 0.4.0",
        "ModuleNotFoundError: No module named 'numpy'",
        "dbmirror: the build of lap imports numpy, which is not among its locked build requirements",
        "dbmirror: failed lap 0.4.0 (build)",
        "dbmirror: built attrs 21.1.0",
    ]
    assert own_lines(log) == log[2:5]


def test_packages_that_failed_together_share_what_was_said() -> None:
    log = [
        "E: Version '1' for 'curl' was not found",
        "dbmirror: failed curl 1 (apt)",
        "dbmirror: failed wget 1 (apt)",
    ]
    assert own_lines(log) == [log[0], log[2]]


def test_where_no_package_is_named_all_lines_count() -> None:
    assert own_lines(["one", "two"]) == ["one", "two"]


@pytest.mark.parametrize(
    "said",
    [
        "E: Version '7.88.1-10+deb12u5' for 'curl' was not found",
        "E: Failed to fetch http://deb.example/debian/pool/main/c/curl/curl_7.88_amd64.deb  404  Not Found [IP: 1]",
        "E: Version '1' for 'curl' was not found\nE: Unable to locate package curl-dev",
    ],
)
def test_a_version_that_the_archive_no_longer_has_is_named_as_that(said: str) -> None:
    cause, meaning, remedy = find_cause(said)
    assert cause is not None
    assert cause.key == "apt-version"
    assert "no longer has curl" in meaning
    assert "'dbmirror lock MIRROR --refresh'" in remedy
