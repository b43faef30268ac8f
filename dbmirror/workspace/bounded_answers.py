"""Answers of a workspace, bounded in size and time: the SDK reads whatever comes, to its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter

LARGEST_ANSWER: Final = 64 << 20
"""Bytes of an answer once it is unpacked: some thousand clusters have 20 MB."""
LONGEST_ANSWER: Final = 120.0
"""Seconds from the question to an answer's end."""


class AnswerEndless(ValueError):
    """An answer is larger than any of the API, or does not end."""


class BoundedAdapter(HTTPAdapter):
    """Hands on answers of at most LARGEST_ANSWER bytes and LONGEST_ANSWER seconds; reading more is AnswerEndless."""

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As HTTPAdapter has it."""
        response = super().send(*args, **kwargs)
        response.raw = _Bounded(response.raw)
        return response


class _Bounded:
    """What requests reads an answer from."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._left = LARGEST_ANSWER
        self._end = time.monotonic() + LONGEST_ANSWER

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        """The answer, piece by piece."""
        for piece in self._raw.stream(*args, **kwargs):
            self._left -= len(piece)
            if self._left < 0:
                self._raw.close()
                raise AnswerEndless(f"it is larger than {LARGEST_ANSWER >> 20} MiB")
            if time.monotonic() > self._end:
                self._raw.close()
                raise AnswerEndless(f"it did not end within {LONGEST_ANSWER:g} s")
            yield piece
