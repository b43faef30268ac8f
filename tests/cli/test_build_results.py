"""What a build says at its end."""

from __future__ import annotations

import pytest

from dbmirror.cli.build_results import first_program
from dbmirror.filters.flavour import Flavour


@pytest.mark.parametrize(
    ("flavour", "program"),
    [
        (Flavour.PYTHON, "/databricks/python3/bin/python"),
        (Flavour.PYTHON_R, "/databricks/python3/bin/python"),
        (Flavour.R, "R"),
    ],
)
def test_what_is_offered_next_is_a_program_that_the_image_has(flavour: Flavour, program: str) -> None:
    assert first_program(flavour) == program
