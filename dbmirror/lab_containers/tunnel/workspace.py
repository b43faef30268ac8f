"""Ask the workspace where the cluster's driver is now: one GET of its REST API, with urllib."""

from __future__ import annotations

import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from .settings import HOST, Settings

TIMEOUT = 8.0
_STATE = re.compile(r"[A-Z_]{1,40}")


@dataclass(frozen=True)
class Found:
    """What is known of the cluster before an attempt to connect."""

    cluster_state: str | None = None
    """As the Clusters API states it; None where the workspace was not asked or did not answer."""
    address: str | None = None
    """Host name or address of the driver."""
    problem: str = ""
    """Why the workspace could not be asked, as the end of a sentence; empty where it was, or need not be."""


def look_up(settings: Settings) -> Found:
    """The cluster's state and its driver's address, from the workspace where there are credentials.

    Without them, and where the workspace does not answer, it is the configured address. Never raises: what went wrong
    is in `problem`.
    """
    if settings.workspace is None:
        return Found(address=settings.host, problem="no workspace is configured")
    try:
        token = settings.token.read_text().strip()
    except OSError:
        token = ""
    if not token:
        return Found(address=settings.host, problem="there are no workspace credentials")
    try:
        return _read(_get(settings, token), settings)
    except urllib.error.HTTPError as error:
        problem = {401: "the workspace refuses the token", 403: "the workspace refuses the token"}.get(
            error.code, f"the workspace answers with HTTP status {error.code}"
        )
    except (OSError, ssl.SSLError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        problem = f"the workspace does not answer ({getattr(reason, 'strerror', None) or type(reason).__name__})"
    except ValueError:
        problem = "the workspace answers with something that is no description of a cluster"
    return Found(address=settings.host, problem=problem)


def _get(settings: Settings, token: str) -> Any:
    query = urllib.parse.urlencode({"cluster_id": settings.cluster})
    address = f"{(settings.workspace or '').rstrip('/')}/api/2.1/clusters/get?{query}"
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "dbmirror-tunnel"}
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - the settings let only http(s) through
    context = ssl.create_default_context()
    if settings.ca_bundle.is_file() and settings.ca_bundle.stat().st_size:
        context.load_verify_locations(cafile=str(settings.ca_bundle))
    opener = urllib.request.build_opener(_SameHost, urllib.request.HTTPSHandler(context=context))
    with opener.open(request, timeout=TIMEOUT) as answer:
        return json.loads(answer.read(1 << 22))


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: urllib would send the token along."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _read(answer: Any, settings: Settings) -> Found:
    """The cluster in the API's answer. Raises ValueError where it is not one."""
    if not isinstance(answer, dict) or not _STATE.fullmatch(str(answer.get("state", ""))):
        raise ValueError
    driver = answer.get("driver") or {}
    address = (driver.get("public_dns") or driver.get("private_ip")) if isinstance(driver, dict) else None
    if address is not None and not (isinstance(address, str) and HOST.fullmatch(address)):
        raise ValueError
    return Found(cluster_state=answer["state"], address=settings.fixed_host or address or settings.host)
