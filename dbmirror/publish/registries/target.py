"""Where an image goes: one repository in one registry, every part checked against its grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from dbmirror.http_client.addresses import is_loopback, origin_of
from dbmirror.http_client.refused import Refused
from dbmirror.publish.registries.errors import TargetError

DOCKER_HUB: Final = "docker.io"
_DOCKER_HUB_API = "registry-1.docker.io"
_DOCKER_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io"})

# The grammars of github.com/distribution/reference; a host without a dot, a port or `localhost` would be read as a
# part of a Docker Hub repository.
_HOST = re.compile(r"\A(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+|[a-z0-9-]+(?=:)|\[[0-9a-f:]+\])(:[0-9]{1,5})?\Z")
_REPOSITORY = re.compile(r"\A[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\Z")
_TAG = re.compile(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryTarget:
    """One repository in one registry."""

    name: str
    """What `--push` calls it."""
    kind: str
    """The name of a module in kinds/."""
    host: str
    """Host and optional port as they stand in an image reference; `docker.io` for Docker Hub."""
    repository: str
    username: str | None = None
    """Who logs in, where the source of the password does not say."""
    insecure: bool = False
    """Plain HTTP; only ever True for loopback."""
    named_by_user: bool = False
    """A variable of the user's names the host, not dbmirror.toml alone."""
    token_host: str | None = None
    """The host of the registry's token service, where a variable of the user's names it."""

    ca_bundle: Path | None = None
    """PEM file of the authorities that vouch for it, where the user names one; else what the environment names."""

    @property
    def base_url(self) -> str:
        """Where the registry's HTTP API is, without a final slash."""
        host = _DOCKER_HUB_API if self.host == DOCKER_HUB else self.host
        return f"{'http' if self.insecure else 'https'}://{host}"

    @property
    def full_name(self) -> str:
        """`HOST/REPOSITORY`."""
        return f"{self.host}/{self.repository}"

    def reference(self, tag: str) -> str:
        """`HOST/REPOSITORY:TAG`. Raises TargetError where `tag` cannot be a tag."""
        if not _TAG.match(tag):
            raise TargetError(
                f"{tag!r} cannot be an image's tag.",
                remedy="Use letters, digits, '_', '.' and '-', at most 128 of them, the first no '.' or '-'.",
            )
        return f"{self.full_name}:{tag}"

    def _can_be_asked(self) -> bool:
        """Whether the host is one for HTTP, too: a port beyond 65535 is none, nor a label that begins with a hyphen."""
        try:
            origin_of(self.base_url)
        except Refused:
            return False
        return True

    def check(self) -> None:
        """Raises TargetError where a part has not its form, or a password would travel in the clear."""
        if not _HOST.match(self.host) or not self._can_be_asked():
            raise TargetError(
                f"The registry {self.name!r} has {self.host!r} for a host.",
                remedy="Give a host name with an optional port and nothing else, for example team.azurecr.io.",
            )
        if not _REPOSITORY.match(self.repository):
            raise TargetError(
                f"The registry {self.name!r} has {self.repository!r} for a repository.",
                remedy="Use lower-case letters and digits with '.', '_', '-' between them and '/' between the parts.",
            )
        if self.host in _DOCKER_HUB_NAMES and self.repository.startswith("databricksruntime/"):
            raise TargetError(
                f"The registry {self.name!r} names {self.full_name}, as Databricks' own images are called.",
                remedy="Choose another repository: while it is pushed, the image has that name here, and would be "
                "taken for a base that needs no question.",
            )
        if self.insecure and not is_loopback(urlsplit(f"//{self.host}").hostname or ""):
            raise TargetError(
                f"The registry {self.name!r} is marked insecure and {self.host} is not on this machine.",
                remedy="A password would travel in the clear: give the registry a certificate and remove 'insecure'.",
            )
