"""What differs from one kind of registry to another: each kind is a module in kinds/ that overrides some of this."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from dbmirror.http_client.addresses import is_loopback
from dbmirror.publish.registries.credential import Credential, Unserved
from dbmirror.publish.registries.target import RegistryTarget

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

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

    By the list of public suffixes: hosts of `co.uk`, `duckdns.org` or `azurewebsites.net` are strangers to each other.
    """
    if one == other:
        return True
    if any(":" in host or host.rpartition(".")[2].isdecimal() for host in (one, other)):
        return False  # addresses
    domain: str | None = _suffixes().privatesuffix(one)
    return domain is not None and domain == _suffixes().privatesuffix(other)


@cache
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 - few need it, and it takes its time

    return PublicSuffixList()
