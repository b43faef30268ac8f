"""Logins that the shell's variables hold: a profile that is named decides alone, whatever they say."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from databricks.sdk.config import Config

_OF_THE_PROFILE: Final = frozenset(
    f"DATABRICKS_{name}"
    for name in (
        *("HOST", "TOKEN", "USERNAME", "PASSWORD", "CLIENT_ID", "CLIENT_SECRET", "AUTH_TYPE"),
        *("CLUSTER_ID", "ACCOUNT_ID", "WORKSPACE_ID", "CONFIG_PROFILE"),
    )
)
"""The SDK lets them beat a profile that is named."""
_SECRETS: Final = frozenset(
    {
        *("token", "password", "client_secret", "azure_client_secret"),
        *("google_credentials", "google_service_account", "metadata_service_url"),
    }
)
"""Settings of a profile that are a login by themselves. One without them may get its login from ARM_* or GOOGLE_*."""


def foreign_to(section: Mapping[str, str] | None) -> frozenset[str]:
    """The variables that are not read for the profile `section`; none without one, where the environment decides."""
    if section is None:
        return frozenset()
    return _OF_THE_PROFILE | (_all() if any(section.get(name) for name in _SECRETS) else frozenset())


def present() -> tuple[str, ...]:
    """The variables of the shell that belong to a login, sorted."""
    return tuple(sorted(name for name in _all() if os.environ.get(name)))


def _all() -> frozenset[str]:
    """The variables that the SDK reads a login of."""
    return frozenset(each.env for each in Config.attributes() if each.env and each.auth)


@contextmanager
def without(names: Collection[str]) -> Iterator[None]:
    """The environment without the variables `names`; they are there again afterwards."""
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)
