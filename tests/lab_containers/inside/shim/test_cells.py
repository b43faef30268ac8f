"""How Databricks writes a cell in another language, and how IPython does."""

from __future__ import annotations

import pytest
from dbmirror_shim.cells import databricks_cell


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("%sql select 1\n", "%%sql\nselect 1\n"),
        ("%sql\nselect 1\nfrom t\n", "%%sql\nselect 1\nfrom t\n"),
        ("\n%sql select 1\n", "%%sql\nselect 1\n"),
        ("%sh ls\npwd\n", "%%sh\nls\npwd\n"),
        ("%sh -e\nls\n", "%%sh -e\nls\n"),
        ("%sh -e ls\npwd\n", "%%sh -e\nls\npwd\n"),
        ("%fs ls file:/tmp", "%%fs\nls file:/tmp\n"),
        ("%md # Title\ntext", "%%md\n# Title\ntext"),
    ],
)
def test_one_percent_sign_in_the_first_line_is_for_the_whole_cell(written: str, meant: str) -> None:
    assert "".join(databricks_cell(lines(written))) == meant


@pytest.mark.parametrize(
    "written",
    [
        "x = 1\n%sql select 1\n",
        "%%sql\nselect 1\n",
        "%time x\n",
        "%shell\n",
        "%sql.x\n",
        "5 %sql\n",
        "",
        "%run a.ipynb\n",
    ],
)
def test_every_other_cell_stays_as_it_is(written: str) -> None:
    assert "".join(databricks_cell(lines(written))) == written
