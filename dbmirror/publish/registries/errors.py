"""What can go wrong with a registry: each kind its own class, all ending a command with exit code 3."""

from __future__ import annotations

from typing import ClassVar

from dbmirror.errors import DockerError, RemoteError, UsageError


class TargetError(UsageError):
    """A `--push NAME` that is configured nowhere, or not completely. Exit code 2."""


class EngineRefused(DockerError):
    """The Docker Engine has no such image, or went away while it was pushing. Exit code 4."""


class RegistryError(RemoteError):
    """Base of all that a registry, its token service or a credential source can refuse. Exit code 3."""

    transient: ClassVar[bool] = False
    """Whether the same request may well succeed a little later, without anybody doing anything."""
    pause: float = 0.0
    """Seconds that the registry asks to wait before that, at least."""


class NoCredential(RegistryError):
    """No source of credentials had one for this registry."""


class AuthenticationFailed(RegistryError):
    """The registry does not know this user name and password."""


class CredentialExpired(RegistryError):
    """The credential was good once, and its time is over."""


class InsufficientScope(RegistryError):
    """The registry knows the user, who may not push here."""


class AddressRefused(RegistryError):
    """The registry's firewall lets nobody in from this machine's address."""


class TagImmutable(RegistryError):
    """The registry lets nobody replace this tag."""


class QuotaRefused(RegistryError):
    """A quota or a rate limit is used up."""


class RateLimited(QuotaRefused):
    """The registry says when it takes the next request, and that is soon."""

    transient = True

    def __init__(self, message: str, *, remedy: str = "", pause: float) -> None:
        super().__init__(message, remedy=remedy)
        self.pause = pause


class RegistryFull(RegistryError):
    """The registry has no room left."""


class RepositoryUnknown(RegistryError):
    """The repository does not exist, and this registry does not make it at the first push."""


class TagTaken(RegistryError):
    """The tag already names another image."""


class UntrustedCertificate(RegistryError):
    """The registry's TLS certificate is signed by nobody that is trusted here."""


class RegistryUnreachable(RegistryError):
    """There is nobody under this host name and port."""


class ConnectionCut(RegistryError):
    """The connection ended or stood still in the middle."""

    transient = True


class PushStoodStill(RegistryError):
    """Nothing of a push moved any more."""


class RegistryUnavailable(RegistryError):
    """The registry is there and cannot serve at the moment (5xx)."""

    transient = True


class UnexpectedAnswer(RegistryError):
    """What answered does not speak the registry protocol, or broke it."""
