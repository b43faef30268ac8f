"""What differs from one kind of registry to another: each kind is a module in kinds/ that overrides some of this."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from dbmirror.publish.registries.credential import Credential, Unserved
from dbmirror.publish.registries.target import RegistryTarget

Source = Callable[[], Credential | Unserved]


class RegistryKind:
    """A registry about which nothing is known but that it speaks the OCI protocol."""

    host: ClassVar[str | None] = None
    """Where it is, for a kind of which there is one in the world."""
    location_variables: ClassVar[tuple[str, ...]] = ()
    """The variables that say where a registry is that `--push KIND` names without a section in dbmirror.toml, the
    first one of dbmirror's own. Without any, such a registry needs a section."""
    example: ClassVar[str]
    """What a section of this kind says."""

    def host_from(self, environ: Mapping[str, str]) -> str | None:
        """Where the registry is that has no section; None where `environ` does not say it."""
        return self.host

    def repository_from(self, environ: Mapping[str, str]) -> str | None:
        """The repository in the registry that has no section, where `environ` names one."""
        return None

    def default_repository(self, username: str | None, environ: Mapping[str, str]) -> str | None:
        """The repository where nothing names one, `{mirror}` in it for the mirror; None where that cannot be known."""
        return "dbmirror/{mirror}"

    def user_of_password(self, target: RegistryTarget) -> str | None:
        """Who logs in with a password on stdin where nothing else says it."""
        return None

    def sources(self, target: RegistryTarget, environ: Mapping[str, str]) -> Iterator[tuple[str, Source]]:
        """Where else a credential may come from, after stdin, the environment and the docker config, by name."""
        yield from ()

    def sends_token_to(self, host: str, *, own: str) -> bool:
        """Whether the token service at `host` may get the credential of the registry at `own`."""
        return True

    def login(self, host: str) -> str:
        """The commands that log in, as they stand in a message."""
        return f"`docker login {host}`"
