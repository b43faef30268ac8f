"""Values that once ended in a traceback: each is refused when its file is read, with the file and the field named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from tests.fuzz import project
from tests.fuzz.cases import limited
from tests.fuzz.project import CONFIGURATION, FILES, signed
from tests.fuzz.test_files import fresh


def exercise(root: Path, *steps: project.Step) -> list[str]:
    with limited(root.parent / "outside"):
        return project.exercise(root, steps or project.ON_FILES)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("inventory", "architecture"), "x86_64' or '1' == '1"),
        (("inventory", "architecture"), ""),
        (("inventory", "r_packages", 0, "built_under"), "the latest"),
        (("inventory", "r_version"), "4.x"),
        (("inventory", "glibc"), "2.99999999999"),
        (("inventory", "python", "version"), "3.99999999999.1"),
        (("taken", "at"), "yesterday"),
        (("taken", "at"), "2026-02-30T12:00:00Z"),
        (("taken", "at"), "2026-11-20T12:00:00"),
    ],
)
def test_a_value_of_a_snapshot_without_its_form(where: tuple[str | int, ...], value: str, place: Path) -> None:
    document = json.loads(FILES["snapshot.json"])
    holder: Any = document
    for key in where[:-1]:
        holder = holder[key]
    assert where[-1] in holder
    holder[where[-1]] = value
    messages = exercise(fresh(place, {**FILES, **signed(document)}))
    assert all("snapshot.json is not a valid snapshot" in message for message in messages[:3])
    assert f"{where[-1]}" in messages[0]
    assert "dbmirror snapshot" in messages[0]


@pytest.mark.parametrize("url", ["http://[::1", "https://[fe80::1%25/", "http://a:port/", "https://["])
@pytest.mark.parametrize("setting", ["url", "extra_urls", "repositories", "snapshot_url", "apt_repository"])
def test_an_address_that_looks_like_ipv6_in_the_configuration(url: str, setting: str, place: Path) -> None:
    section = "index" if setting in CONFIGURATION["index"] else "r"
    value: Any = [url] if isinstance(CONFIGURATION[section][setting], list) else url
    changed = {**CONFIGURATION, section: {**CONFIGURATION[section], setting: value}}
    exercise(fresh(place, FILES, tomli_w.dumps(changed).encode()), project.render)


@pytest.mark.parametrize("file", ["missing.asc", ".", "mirrors", "a" * 300, "~nobody-of-that-name/key", "a\0b"])
def test_a_key_file_that_is_none_is_named(file: str, place: Path) -> None:
    changed = {**CONFIGURATION, "r": {**CONFIGURATION["r"], "apt_key": file}}
    messages = exercise(fresh(place, FILES, tomli_w.dumps(changed).encode()), project.render)
    assert messages
    assert all("apt_key" in message or "cannot be read" in message for message in messages)


@pytest.mark.parametrize("name", ["snapshot.json", "fates.json", "renv.lock", "r-fates.json", "verification.json"])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"[" * 100_000, id="brackets"),
        pytest.param(b'{"a":' * 100_000, id="braces"),
        pytest.param(b'{"schema": 1, "x": "\xff"}', id="no UTF-8"),
        pytest.param(b'{"schema": 1, "x": "\\ud800"}', id="half of a pair"),
        pytest.param(b'{"schema": ' + b"9" * 5000 + b"}", id="a long number"),
        pytest.param(b'{"schema": 1e999}', id="no number"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null"),
    ],
)
def test_json_that_breaks_decoders(name: str, content: bytes, place: Path) -> None:
    messages = exercise(fresh(place, {**FILES, name: content}))
    assert any(name in message for message in messages)


@pytest.mark.parametrize(
    "content", [b"a = " + b"[" * 100_000, b"a = " + b"9" * 5000, b"a = \xff", b"a." * 50_000 + b"b = 1"]
)
@pytest.mark.parametrize("name", ["pylock.toml", "dbmirror.toml"])
def test_toml_that_breaks_decoders(name: str, content: bytes, place: Path) -> None:
    files = {**FILES, name: content} if name == "pylock.toml" else FILES
    messages = exercise(fresh(place, files, content if name == "dbmirror.toml" else None))
    assert any(name in message for message in messages)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tags", []),
        ("tags", ["-x"]),
        ("tags", ["\x9b"]),
        ("tags", ["team/demo"]),
        ("image_id", "--help"),
        ("image_id", "../containers"),
        ("image_id", "debian:bookworm"),
        ("image_id", "sha256:" + "F" * 64),
        ("schema", 99),
    ],
)
def test_a_value_of_a_record_of_a_build_without_its_form(field: str, value: Any, place: Path) -> None:
    record = json.dumps({**json.loads(FILES["build.json"]), field: value}).encode()
    (message,) = exercise(fresh(place, {**FILES, "build.json": record}), project.read_record)
    assert "build.json is not usable" in message
    assert f"`$.{field}" in message
