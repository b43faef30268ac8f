"""The notebook cell, run as a notebook runs it, and what it showed, read out of whatever it was copied into."""

from __future__ import annotations

import base64
import contextlib
import html
import io
import json
import re
import textwrap
import zipfile
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from dbmirror.files import canonical_json
from dbmirror.hosts.local import LocalHost
from dbmirror.inventory.cell import notebook_cell
from dbmirror.inventory.collect import collect
from dbmirror.inventory.model import Inventory
from dbmirror.inventory.pasted import PasteUnreadable, is_of_a_cell, read_pasted
from dbmirror.inventory.sent import cell as sent_cell


class Spark:
    """Spark's settings as a notebook sees them; those of the access mode are not for this user."""

    conf: Any = None

    def get(self, name: str) -> str:
        tag = name.rpartition(".")[2]
        if tag == "dataSecurityMode":
            raise PermissionError(name)
        return f"value of {tag}"


def run_cell(**state: Any) -> str:
    """What the cell prints."""
    spark = Spark()
    spark.conf = spark
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(notebook_cell("demo"), {"spark": spark, **state})  # noqa: S102 - as a notebook does
    return printed.getvalue()


@pytest.fixture(scope="module")
def shown() -> str:
    return run_cell()


@pytest.fixture(scope="module")
def expected() -> Inventory:
    with LocalHost() as host:
        return collect(host)


def same(found: Inventory, expected: Inventory) -> bool:
    without: dict[str, Any] = {"environment_variables": (), "environment_values": ()}
    return canonical_json(replace(found, **without)) == canonical_json(replace(expected, **without))


def test_what_the_cell_shows_is_the_inventory_and_what_spark_says_of_the_cluster(
    shown: str, expected: Inventory
) -> None:
    found = read_pasted(shown.encode(), name="x.txt")
    assert same(found.inventory, expected)
    assert found.cluster["clusterId"] == "value of clusterId"
    assert "dataSecurityMode" not in found.cluster


def test_the_cell_is_text_that_any_editor_keeps(shown: str) -> None:
    cell = notebook_cell("demo")
    assert cell.isascii()
    assert cell == notebook_cell("demo")
    assert "dbmirror snapshot demo --from FILE" in cell
    assert re.fullmatch(r"[A-Za-z0-9_~\n-]+", shown)


def wrapped(text: str) -> bytes:
    return "\n".join(textwrap.wrap(text, 80, break_on_hyphens=False)).encode()


def notebook(text: str) -> bytes:
    """A notebook of Jupyter, with another cell before it."""
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["hello\n"]},
        {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)},
    ]
    cells = [{"cell_type": "code", "source": ["1"], "outputs": [each]} for each in outputs]
    return json.dumps({"cells": cells, "nbformat": 4}, indent=1).encode()


def exported(text: str) -> bytes:
    """A notebook's HTML export of Databricks."""
    model = json.dumps({"commands": [{"results": {"data": [{"type": "ansi", "data": text}]}}]})
    packed = base64.b64encode(quote(model).encode()).decode()
    return f"<html><script>var __DATABRICKS_NOTEBOOK_MODEL = '{packed}';</script></html>".encode()


def archive(text: str) -> bytes:
    """A notebook archive of Databricks."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("folder/a notebook.python", json.dumps({"commands": [{"results": {"data": text}}]}))
    return stream.getvalue()


NOISE = {
    "as it is": str.encode,
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "prompts": lambda text: ("In [3]: exec(...)\nOut[3]:\n" + text + "\n\nIn [4]: ").encode(),
    "colours": lambda text: re.sub(r"(?m)^(.{30})", "\x1b[32m\\1\x1b[0m", text).encode(),
    "wrapped by a terminal": wrapped,
    "quoted in mail": lambda text: re.sub(rb"(?m)^", b"> ", wrapped(text)),
    "as HTML": lambda text: f"<pre>{html.escape(text)}&nbsp;&#x7E;</pre>".encode(),
    "as entities": lambda text: text.replace("~", "&#126;").replace("-", "&#x2D;").encode(),
    "PowerShell": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
    "lines in another order": lambda text: "\n".join(reversed(text.split())).encode(),
    "another output between": lambda text: text.replace("\n", "\nINFO py4j: Received command c\n").encode(),
    "twice": lambda text: (text + text).encode(),
    "ipynb": notebook,
    "HTML export": exported,
    "dbc": archive,
}


@pytest.mark.parametrize("noise", NOISE)
def test_the_answer_is_found_among_a_notebooks_noise(shown: str, expected: Inventory, noise: str) -> None:
    content = NOISE[noise](shown)
    assert is_of_a_cell(content)
    assert same(read_pasted(content, name="x").inventory, expected)


def test_a_long_answer_is_shown_as_a_page_and_read_from_it(expected: Inventory, shown: str) -> None:
    pages: list[str] = []
    text = "\n".join(shown.split() * 4)
    assert len(text) > sent_cell.MOST_PRINTED
    sent_cell.show({"displayHTML": pages.append}, text)
    assert "<textarea" in pages[0]
    assert same(read_pasted(pages[0].encode(), name="x").inventory, expected)


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_cut_paste_says_what_is_missing(shown: str, kept: float) -> None:
    lines = shown.split()
    cut = shown[: int(len(shown) * kept)]
    missing = len(lines) - (len(cut.split()) - 1)
    with pytest.raises(PasteUnreadable) as caught:
        read_pasted(cut.encode(), name="x.txt")
    assert f"of the answer's {len(lines)} lines {missing} are missing or damaged" in caught.value.message
    assert f"and line {len(lines)}" in caught.value.message
    assert "--cell" in caught.value.remedy


def test_a_part_that_was_edited_is_missing(shown: str) -> None:
    lines = shown.split()
    lines[3] = lines[3].replace(lines[3][100:110], "AAAAAAAAAA")
    with pytest.raises(PasteUnreadable, match=r"1 are missing or damaged, between line 4 and line 4"):
        read_pasted("\n".join(lines).encode(), name="x.txt")


def test_the_cell_itself_is_told_from_what_it_shows() -> None:
    content = notebook_cell("demo").encode()
    assert is_of_a_cell(content)
    with pytest.raises(PasteUnreadable, match="holds the cell itself"):
        read_pasted(content, name="x.py")


@pytest.mark.parametrize("content", [b"numpy==1.26.4\n", b"", b"\0\xff" * 1000, b"PK\x03\x04 no zip"])
def test_any_other_file_is_none_of_a_cell(content: bytes) -> None:
    assert not is_of_a_cell(content)


def test_a_hostile_file_is_read_in_a_moment() -> None:
    for hostile in (b" \n" * 2_000_000, b"dbm1~" * 1_000_000, b"> " * 2_000_000, b"dbm1~" + b"0" * 5_000_000):
        if is_of_a_cell(hostile):
            with pytest.raises(PasteUnreadable):
                read_pasted(hostile, name="x")
