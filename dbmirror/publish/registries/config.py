"""The `[registries.NAME]` sections of dbmirror.toml."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class RegistryConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where images are pushed to. Passwords and tokens never stand here: see credentials.py."""

    kind: Literal["dockerhub", "acr", "oci"]
    host: str | None = None
    """Host and optional port, for example `team.azurecr.io`; docker.io if not given and the kind is dockerhub."""
    repository: Annotated[str, Meta(min_length=1)] | None = None
    """The repository; `{mirror}` in it stands for the mirror's name. `dbmirror/{mirror}` if not given, but for
    dockerhub, where it begins with the user's or the organisation's name."""
    username: str | None = None
    """Who logs in, where the source of the password does not say."""
    insecure: bool = False
    """Speak plain HTTP; only for a registry on this machine's loopback."""
