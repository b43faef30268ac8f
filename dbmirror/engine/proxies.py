"""The proxies of Docker's configuration, which no step of a build is to have in its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from docker.utils.config import load_general_config

_CONFIGURED: Final = {
    "httpProxy": "HTTP_PROXY",
    "httpsProxy": "HTTPS_PROXY",
    "ftpProxy": "FTP_PROXY",
    "noProxy": "NO_PROXY",
    "allProxy": "ALL_PROXY",
}
"""The keys of a `proxies` entry in Docker's config.json."""


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
