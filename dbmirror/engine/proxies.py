"""The proxies of a build: for the steps that use the network, as a secret; for all others none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from docker.utils.config import load_general_config

VARIABLES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
"""The names, in both cases, of what BuildKit takes as build arguments without an ARG, and puts into every step's
environment: their passwords would be in its history, and in the hands of whatever runs."""
_CONFIGURED: Final = {
    "httpProxy": "HTTP_PROXY",
    "httpsProxy": "HTTPS_PROXY",
    "ftpProxy": "FTP_PROXY",
    "noProxy": "NO_PROXY",
    "allProxy": "ALL_PROXY",
}
"""The keys of a `proxies` entry in Docker's config.json."""


def proxy_secret(environment: Mapping[str, str] = os.environ) -> bytes | None:
    """The proxies as the secret `proxy`: `NAME=VALUE` one a line, in both cases. None where there are none.

    A variable of `environment` counts more than Docker's own configuration.
    """
    found = _configured(environment) | {
        name: value
        for name in VARIABLES
        if (value := environment.get(name.lower()) or environment.get(name)) and "\n" not in value
    }
    lines = (f"{spelled}={value}\n" for name, value in found.items() for spelled in (name, name.lower()))
    return "".join(lines).encode() or None


def without_proxies(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Build arguments that keep buildx from handing on the proxies of Docker's configuration, as it does by itself."""
    return tuple(f"{spelled}=" for name in _configured(environment) for spelled in (name, name.lower()))


def _configured(environment: Mapping[str, str]) -> dict[str, str]:
    proxies = load_general_config().get("proxies")
    entries = proxies if isinstance(proxies, dict) else {}
    entry = entries.get(environment.get("DOCKER_HOST", "")) or entries.get("default")
    if not isinstance(entry, dict):
        return {}
    return {
        name: value
        for key, name in _CONFIGURED.items()
        if isinstance(value := entry.get(key), str) and value and "\n" not in value
    }
