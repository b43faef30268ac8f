"""Try again what may well succeed a little later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dbmirror.progress import Observer
from dbmirror.publish.registries.errors import RegistryError

Result = TypeVar("Result")

_FIRST_WAIT = 1.0
_LONGEST_WAIT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often one thing is tried, and which observer is warned."""

    attempts: int
    """In all; at least 1."""
    sleep: Callable[[float], None]
    observer: Observer

    def apply(self, action: Callable[[], Result]) -> Result:
        """The result of `action`, called again while it raises a transient RegistryError.

        Between two calls it waits 1 s, 2 s, 4 s, … at most 30 s, or as long as the registry asks for. The last error
        is raised as it is, an error that is not transient at once.
        """
        wait = _FIRST_WAIT
        for attempt in range(1, self.attempts):
            try:
                return action()
            except RegistryError as error:
                if not error.transient:
                    raise
                pause = max(wait, error.pause)
                self.observer.warn(
                    f"{error.message} Trying again in {pause:g} s (attempt {attempt + 1} of {self.attempts})."
                )
                self.sleep(pause)
                wait = min(wait * 2, _LONGEST_WAIT)
        return action()
