"""Faults that a test turns on between a client and the sandbox's registry."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Fault:
    """One way of failing, for the requests that `method` and `path` mean."""

    method: str = r".*"
    """A regular expression that the whole method must match."""
    path: str = r".*"
    """A regular expression that must match somewhere in the path with its query."""
    times: int | None = None
    """For how many requests; None for all of them."""
    status: int | None = None
    """Answer with this status instead of asking the registry."""
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further ones of that answer, such as Retry-After."""
    cut_after: int | None = None
    """Cut the connection after so many bytes of the request's body."""
    delay: float = 0.0
    """Seconds to wait before each piece of the request's body is passed on, and before the answer."""


@dataclass(slots=True)
class Faults:
    """The faults in force; the first that means a request is used."""

    _faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> None:
        """From now on, let this go wrong."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """From now on, let all go well."""
        with self._lock:
            self._faults.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, if any; counts it."""
        with self._lock:
            for fault in self._faults:
                if fault.times == 0 or not (re.fullmatch(fault.method, method) and re.search(fault.path, path)):
                    continue
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None
