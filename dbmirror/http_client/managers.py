"""Pools of connections: one for direct ones, one for each proxy that the environment names."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import urllib3
from requests.utils import get_auth_from_url, get_environ_proxies, prepend_scheme_if_needed, select_proxy
from urllib3.util.ssl_ import create_urllib3_context

from dbmirror.http_client.connections import HTTPPool, HTTPSPool
from dbmirror.http_client.limits import Limits
from dbmirror.http_client.refused import Cause, Refused

CONNECTIONS = 16
"""To one host, kept open."""


class Managers:
    """The pools, made when they are needed. `ca_bundle` is trusted in place of the usual authorities."""

    def __init__(self, ca_bundle: Path | None) -> None:
        self._ca_bundle = ca_bundle
        self._made: dict[str | None, urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def ask(
        self,
        method: str,
        url: str,
        limits: Limits,
        *,
        proxy: str | None,
        headers: Mapping[str, str],
        body: str | bytes | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """The one answer that `url` gives through `proxy`, its body still to be read and as it was sent.

        Raises Refused for a proxy that speaks no HTTP, and what urllib3 raises.
        """
        return self._manager(proxy).urlopen(
            method,
            url,
            headers=headers,
            body=body,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(connect=limits.wait(), read=limits.wait()),
        )

    def _manager(self, proxy: str | None) -> urllib3.PoolManager:
        with self._lock:
            if proxy not in self._made:
                self._made[proxy] = self._new(proxy)
            return self._made[proxy]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for manager in self._made.values():
                manager.clear()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        bundle = self._ca_bundle
        trusted = tuple(os.environ.get(variable, "") for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
        return _trust(bundle, None if bundle is None else bundle.stat().st_mtime_ns, trusted)

    def _new(self, proxy: str | None) -> urllib3.PoolManager:
        manager: urllib3.PoolManager
        if proxy is None:
            manager = urllib3.PoolManager(maxsize=CONNECTIONS, ssl_context=self._tls)
        elif urlsplit(proxy).scheme not in {"http", "https"}:
            raise Refused("cannot be reached: its proxy is neither an http nor an https address", cause=Cause.PROXY)
        else:
            login = ":".join(get_auth_from_url(proxy))
            manager = urllib3.ProxyManager(
                proxy,
                proxy_headers=urllib3.make_headers(proxy_basic_auth=login) if login != ":" else None,
                proxy_ssl_context=self._tls,
                maxsize=CONNECTIONS,
                ssl_context=self._tls,
            )
        manager.pool_classes_by_scheme = {"http": HTTPPool, "https": HTTPSPool}
        return manager


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for `url`, with its login; None where it is asked directly."""
    named = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    return str(prepend_scheme_if_needed(named, "http")) if named else None  # type: ignore[no-untyped-call]


@lru_cache(maxsize=8)
def _trust(ca_bundle: Path | None, changed: int | None, trusted: tuple[str, ...]) -> ssl.SSLContext:
    """What TLS is spoken with, made once: reading all authorities takes 50 ms. `changed` and `trusted` are for that."""
    del changed, trusted
    context = create_urllib3_context()
    if ca_bundle is not None:
        context.load_verify_locations(cafile=ca_bundle)
    else:
        context.load_default_certs()
        context.load_verify_locations(cafile=certifi.where())
    return context
