"""What differs from one kind of registry to another: each kind is a module in kinds/ that overrides some of this."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from dbmirror.http_client.addresses import is_loopback
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

    def answers_for(self, host: str) -> bool:
        """Whether `host` can be nobody else's: who owns a repository there does not see a password that goes there."""
        return host == self.host

    def sends_token_to(self, host: str, *, own: str) -> bool:
        """Whether the token service at `host` may get the credential of the registry at `own`: in the same domain."""
        return same_site(host, own) or (is_loopback(host) and is_loopback(own))

    def login(self, host: str) -> str:
        """The commands that log in, as they stand in a message."""
        return f"`docker login {host}`"


def same_site(one: str, other: str) -> bool:
    """Whether two host names are of one domain that somebody registered: `gitlab.example.com`, `registry.example.com`.

    Without a list of public suffixes: `co.uk` and its like are taken for one by their length.
    """
    if one == other or one.endswith(f".{other}") or ("." in one and other.endswith(f".{one}")):
        return True
    labels = one.split(".")
    if len(labels) < 2 or labels[-1].isdecimal() or ":" in one:
        return False
    size = 3 if len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3 else 2
    return labels[-size:] == other.split(".")[-size:]
