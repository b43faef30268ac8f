"""What the rules need to know of one language's packages on one cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic

from dbmirror.filters.errors import FilterError
from dbmirror.filters.model import Rule, Ruling
from dbmirror.filters.needs import Requires
from dbmirror.inventory.layers import P
from dbmirror.inventory.model import Inventory, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Language(Generic[P]):
    """The packages of Python or of R on one cluster, and the rules that this language alone has."""

    a_package: str
    """What messages call one of its packages: `package`, `R package`."""
    installed: tuple[P, ...]
    """Every copy, in the inventory's order."""
    effective: Mapping[str, P]
    """Of each name the copy that an image can have."""
    requires: Requires
    """What an effective package requires of the effective ones."""
    first_rulings: Callable[[P], Iterator[Ruling]]
    """The rules that no list can override, in the order in which they are asked."""
    why_hidden: Callable[[P, P], Rule]
    """Why a copy (the first) gives way to the effective one (the second)."""
    spelled: Callable[[str], str]
    """A name that a user wrote, as the language compares names."""
    problems: tuple[Problem, ...] = ()
    """What could not be read and is counted with this language's packages."""


def notebook_environment(inventory: Inventory, wanted: str | None) -> str | None:
    """`wanted`, the folder of the notebook environment to mirror. Raises FilterError where the driver lacks it."""
    environments = inventory.notebook_environments()
    if wanted is not None and wanted not in environments:
        raise FilterError(
            f"The driver has no notebook environment {wanted}.",
            remedy="It has " + (", ".join(environments) or "none") + "; see 'notebook_environment' in dbmirror.toml.",
        )
    return wanted
