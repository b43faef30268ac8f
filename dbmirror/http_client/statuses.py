"""What the status of an answer means, and how long the server asks to wait."""

from __future__ import annotations

import http
import re
import time
from email.utils import parsedate_to_datetime

import urllib3

from dbmirror.http_client.refused import Cause, Refused

_CAUSES = {
    401: Cause.UNAUTHORISED,
    403: Cause.FORBIDDEN,
    404: Cause.NOT_FOUND,
    407: Cause.PROXY,
    410: Cause.NOT_FOUND,
    429: Cause.THROTTLED,
}


def check_status(response: urllib3.BaseHTTPResponse, *, partial: bool) -> None:
    """Raise Refused for any status but 200, and 206 for a part that was asked for."""
    status = response.status
    if status == 200 or (partial and status == 206):
        return
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    cause = Cause.BROKEN if status >= 500 else _CAUSES.get(status, Cause.STATUS)
    raise Refused(
        f"answered {status} {phrase}".rstrip(),
        cause=cause,
        status=status,
        retry_after=seconds_asked_for(response.headers.get("Retry-After", "")),
    )


def seconds_asked_for(written: str) -> float | None:
    """What a Retry-After says, in seconds: it holds seconds, or a date. None where it holds neither."""
    if re.fullmatch(r"\s*[0-9]{1,9}\s*", written):
        return float(written)
    try:
        return max(0.0, parsedate_to_datetime(written).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
