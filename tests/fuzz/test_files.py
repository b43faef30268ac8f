"""Whatever stands in the files of a cloned project, a command ends with its result or with one documented error."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import CHANGES, NOISE, cases, changed, damaged, limited
from tests.fuzz.project import (
    CONFIGURATION,
    FILES,
    KEY,
    LOCK_FILES,
    ON_CONFIGURATION,
    ON_LOCKS,
    ON_RECORDS,
    exercise,
    signed,
    write,
)

TEXTS = (
    "snapshot.json",
    "pylock.toml",
    "debian-lock.json",
    "fates.json",
    "renv.lock",
    "r-fates.json",
    "verification.json",
    "build.json",
)


def fresh(place: Path, files: dict[str, bytes], configuration: bytes | None = None) -> Path:
    """The project with these files; what the case before rendered stays, as in a project that is at work."""
    root = place / "project"
    write(root, files)
    (root / "dbmirror.toml").write_bytes(configuration or tomli_w.dumps(CONFIGURATION).encode())
    (root / "cran.asc").write_text(KEY)
    return root


def toml(document: Any) -> bytes:
    """As TOML, what of it TOML can say."""
    try:
        return tomli_w.dumps(document).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, AttributeError):
        return repr(document).encode("utf-8", "surrogatepass")


def test_the_unchanged_project_gives_no_error_at_all(place: Path) -> None:
    """Or else the other tests would look at nothing."""
    assert exercise(fresh(place, FILES)) == []


@given(changes=CHANGES)
@cases(0.25)
def test_a_forged_snapshot(changes: Any, place: Path) -> None:
    document = changed(json.loads(FILES["snapshot.json"]), changes)
    root = fresh(place, {**FILES, **signed(document)})
    with limited(place / "outside"):
        exercise(root)


@given(changes=CHANGES, name=st.sampled_from(LOCK_FILES))
@cases(0.2)
def test_a_forged_lock(changes: Any, name: str, place: Path) -> None:
    if name.endswith(".toml"):
        content = toml(changed(tomllib.loads(FILES[name].decode()), changes))
    else:
        content = json.dumps(changed(json.loads(FILES[name]), changes)).encode()
    with limited(place / "outside"):
        exercise(fresh(place, {**FILES, name: content}), ON_LOCKS)


@given(changes=CHANGES, name=st.sampled_from(["verification.json", "build.json"]))
@cases(0.1)
def test_a_forged_record(changes: Any, name: str, place: Path) -> None:
    content = json.dumps(changed(json.loads(FILES[name]), changes)).encode()
    with limited(place / "outside"):
        exercise(fresh(place, {**FILES, name: content}), ON_RECORDS)


@given(changes=CHANGES)
@cases(0.15)
def test_a_forged_configuration(changes: Any, place: Path) -> None:
    with limited(place / "outside"):
        exercise(fresh(place, FILES, toml(changed(CONFIGURATION, changes))), ON_CONFIGURATION)


@given(noise=NOISE, name=st.sampled_from([*TEXTS, "dbmirror.toml"]))
@cases(0.1)
def test_a_damaged_file(noise: Any, name: str, place: Path) -> None:
    if name == "dbmirror.toml":
        root = fresh(place, FILES, damaged(tomli_w.dumps(CONFIGURATION).encode(), noise))
    else:
        root = fresh(place, {**FILES, name: damaged(FILES[name], noise)})
    with limited(place / "outside"):
        exercise(root)
