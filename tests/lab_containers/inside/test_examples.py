"""The example notebooks and the scripts that they are paired with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nbformat import NotebookNode

EXAMPLES = Path(__file__).parents[3] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.ipynb"))


def test_there_are_examples() -> None:
    assert NAMES == ["both_sides", "parallel"]


def read(path: Path) -> NotebookNode:
    # Two seconds of processor time, which only the worker that comes here has to spend.
    import jupytext

    return jupytext.read(path)


@pytest.mark.parametrize("name", NAMES)
def test_notebook_and_script_hold_the_same_cells(name: str) -> None:
    notebook, script = read(EXAMPLES / f"{name}.ipynb"), read(EXAMPLES / f"{name}.py")
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    assert cells == [(cell.cell_type, cell.source) for cell in script.cells]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_kept_without_outputs(name: str) -> None:
    for cell in read(EXAMPLES / f"{name}.ipynb").cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
