"""Whatever a list holds, it is read or refused: no other error, and nothing of a form that the model refuses."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbmirror.package_lists.as_snapshot import as_snapshot
from dbmirror.package_lists.model import ListUnreadable
from dbmirror.package_lists.reading import read_list
from dbmirror.runtimes.named import named_runtime
from dbmirror.snapshot import read_snapshot, write_snapshot

WORDS = st.sampled_from(
    (
        *(
            "a",
            "numpy",
            "==",
            "===",
            ">=",
            "~=",
            "1.0",
            "1.*",
            "1.0+cpu",
            " ",
            ";",
            "@",
            "#",
            "\\\n",
            "\n",
            "\r",
            "\x85",
        ),
        *(
            "-r",
            "-c",
            "-e",
            "-i",
            "--hash=sha256:",
            "${X}",
            "[",
            "]",
            ",",
            "'",
            '"',
            "://",
            "http://[",
            "https://u:p@h/",
        ),
        *(
            "git+https://h/x@",
            "file:",
            "./x",
            "a-1.0-py3-none-any.whl",
            "#egg=",
            "&sha256=",
            "python_version",
            "<",
            "(",
            ")",
        ),
        *(
            "dependencies:",
            "- ",
            "pip:",
            "{",
            "}",
            "\x00",
            "\u202e",
            "\ud800",
            "é",
            ":",
            "*",
            "&a ",
            "*a",
            "!!python/object:x ",
        ),
    )
)
TEXT = st.lists(WORDS, max_size=40).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(("name", "version", "R", "Packages", "Version", "Package", "dependencies", "pip", "DBI")),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
CONTENT = (
    TEXT.map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.binary(max_size=60)
    | JSON.map(lambda value: json.dumps(value).encode())
)


@given(content=CONTENT)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "list"
    file.write_bytes(content)
    runtime = named_runtime("15.4")
    try:
        found = read_list(file, runtime)
    except ListUnreadable:
        return
    snapshot = as_snapshot(found, runtime, mirror="x", source="the file list", at="2026-11-20T12:00:00Z").snapshot
    try:
        write_snapshot(snapshot, tmp_path / "snapshot.json")
        assert read_snapshot(tmp_path / "snapshot.json").digest == snapshot.digest
    except msgspec.ValidationError as error:
        pytest.fail(f"{content!r} became a value that the model refuses: {error}")
