"""The `[registries.NAME]` sections of dbmirror.toml."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta, Struct


def variable_stem(name: str) -> str:
    """How the variables of the credentials of the registry `name` begin: `DBMIRROR_TEAM`."""
    return "DBMIRROR_" + re.sub(r"[^A-Z0-9]", "_", name.upper())


def host_variable(name: str) -> str:
    """The variable that says which host the registry `name` is: `DBMIRROR_TEAM_HOST`."""
    return f"{variable_stem(name)}_HOST"


class RegistryConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where `--push NAME` pushes images to. Passwords and tokens never stand here."""

    kind: Annotated[str, Meta(examples=["acr"])]
    """`acr`, `dockerhub`, or `oci` for every other registry."""
    host: Annotated[str | None, Meta(examples=["team.azurecr.io"])] = None
    """Host and optional port; docker.io if not given and the kind is dockerhub."""
    repository: Annotated[Annotated[str, Meta(min_length=1)] | None, Meta(examples=["data/{mirror}"])] = None
    """The repository; `{mirror}` in it stands for the mirror's name. `dbmirror/{mirror}` if not given, but for
    dockerhub, where it begins with the user's or the organisation's name."""
    username: Annotated[str | None, Meta(examples=["robot"])] = None
    """Who logs in, where the source of the password does not say."""
    insecure: Annotated[bool, Meta(examples=[True])] = False
    """Speak plain HTTP; only for a registry on this machine's loopback."""
