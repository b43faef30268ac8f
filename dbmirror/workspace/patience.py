"""How long a workspace that is busy is asked again: an answer that may be another one a moment later is waited for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from urllib3.util.retry import Retry

from dbmirror.workspace.bounded_answers import BoundedAdapter
from dbmirror.workspace.client import WorkspaceClient

ATTEMPTS: Final = 6
"""How often a question is asked, the first time included."""
LONGEST_PAUSE: Final = 10
"""Seconds between two attempts at most, whatever a Retry-After says."""
BUSY: Final = frozenset({429, 500, 502, 503, 504})
"""The answers that may be others a moment later."""


def with_patience(w: WorkspaceClient) -> WorkspaceClient:
    """`w`, which asks again where the workspace answers with one of BUSY, after the pause that it names or longer ones.

    Only what is asked with GET is asked again: that changes nothing. An address where nobody answers is left to the
    SDK, which soon gives up.
    """
    # The SDK offers no way to its session, and does not ask again at 500, 502 and 504.
    session = w.api_client._api_client._session
    retries = Retry(
        total=ATTEMPTS - 1,
        connect=0,
        read=False,
        other=0,
        redirect=0,
        status_forcelist=BUSY,
        allowed_methods={"GET"},
        backoff_factor=0.5,
        backoff_max=LONGEST_PAUSE,
        retry_after_max=LONGEST_PAUSE,
        raise_on_status=False,
    )
    for scheme in ("https://", "http://"):
        session.mount(
            scheme, BoundedAdapter(max_retries=retries, pool_connections=20, pool_maxsize=20, pool_block=True)
        )
    return w


@contextmanager
def answered_within(w: WorkspaceClient, seconds: float) -> Iterator[None]:
    """Inside, `w` waits `seconds` for an answer to begin: some calls of the API answer when their work is done."""
    client = w.api_client._api_client
    before, client._http_timeout_seconds = client._http_timeout_seconds, seconds
    try:
        yield
    finally:
        client._http_timeout_seconds = before
