"""`dbutils.widgets`: a notebook's parameters, each with its default value."""

from __future__ import annotations

from dbmirror_shim.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Widgets:
    """The parameters by name; making one that is there keeps its value, as in a notebook that is run again."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def text(self, name: str, defaultValue: str, label: str | None = None) -> None:  # noqa: N803  Databricks' own name
        """A parameter of any value."""
        self._values.setdefault(name, str(defaultValue))

    def dropdown(
        self,
        name: str,
        defaultValue: str,  # noqa: N803
        choices: Sequence[str],
        label: str | None = None,
    ) -> None:
        """A parameter that is one of `choices`."""
        if defaultValue not in choices:
            raise ValueError(f"the default value {defaultValue!r} of {name!r} is not one of its choices")
        self._values.setdefault(name, str(defaultValue))

    def combobox(
        self,
        name: str,
        defaultValue: str,  # noqa: N803
        choices: Sequence[str],
        label: str | None = None,
    ) -> None:
        """A parameter with proposals."""
        self._values.setdefault(name, str(defaultValue))

    def multiselect(
        self,
        name: str,
        defaultValue: str,  # noqa: N803
        choices: Sequence[str],
        label: str | None = None,
    ) -> None:
        """A parameter that is several of `choices`, joined by commas."""
        self.dropdown(name, defaultValue, choices, label)

    def get(self, name: str) -> str:
        """The value of a parameter. Raises Unavailable where there is none of that name."""
        if name not in self._values:
            raise Unavailable(f"There is no widget {name!r}: make it first, for example with dbutils.widgets.text.")
        return self._values[name]

    def getArgument(self, name: str, optional: str = "") -> str:  # noqa: N802  Databricks' own name
        """The value of a parameter, else `optional`."""
        return self._values.get(name, optional)

    def getAll(self) -> dict[str, str]:  # noqa: N802  Databricks' own name
        """Every parameter with its value."""
        return dict(self._values)

    def remove(self, name: str) -> None:
        """Forget a parameter."""
        self._values.pop(name, None)

    def removeAll(self) -> None:  # noqa: N802  Databricks' own name
        """Forget every parameter."""
        self._values.clear()
