"""`display` and `displayHTML` as Databricks has them."""

from __future__ import annotations

from collections.abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ROWS = 1000
"""How many rows of a Spark data frame are shown: as many as in a notebook of Databricks."""


def display(*values: Any, **options: Any) -> None:
    """Show values: a Spark data frame's first rows and a list of rows or files as tables, others as IPython does."""
    from IPython.display import display as show  # noqa: PLC0415

    show(*(as_table(value) for value in values), **options)  # type: ignore[no-untyped-call]


def display_html(html: str) -> None:
    """Show a piece of HTML."""
    from IPython.display import display_html as show  # noqa: PLC0415

    show(str(html), raw=True)  # type: ignore[no-untyped-call]


def as_table(value: Any) -> Any:
    """A pandas data frame of what Databricks shows as a table; anything else as it is."""
    if callable(getattr(value, "toPandas", None)) and callable(getattr(value, "limit", None)):
        return value.limit(ROWS).toPandas()
    if isinstance(value, Sequence) and value and all(isinstance(row, tuple) for row in value):
        columns = getattr(value[0], "_fields", None) or getattr(value[0], "__fields__", None)
        if columns:
            try:
                import pandas  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415
            except ImportError:
                return value
            return pandas.DataFrame([tuple(row) for row in value[:ROWS]], columns=list(columns))
    return value
