"""Where an image goes: from a name after `--push` to a host and a repository."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from dbmirror.publish.registries.config import LOCATION_VARIABLES, RegistryConfig, RegistryKind, variable_stem
from dbmirror.publish.registries.errors import TargetError

DOCKER_HUB = "docker.io"
_DOCKER_HUB_API = "registry-1.docker.io"

# The grammars of github.com/distribution/reference; a host without a dot, a port or `localhost` would be read as a
# part of a Docker Hub repository.
_HOST = re.compile(r"\A(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+|[a-z0-9-]+(?=:)|\[[0-9a-f:]+\])(:[0-9]{1,5})?\Z")
_REPOSITORY = re.compile(r"\A[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\Z")
_TAG = re.compile(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")

ACR_HOST_VARIABLES = LOCATION_VARIABLES["acr"]
_ACR_REPOSITORY_VARIABLE = "DBMIRROR_ACR_REPOSITORY"
_HUB_REPOSITORY_VARIABLE, *_HUB_NAMESPACE_VARIABLES = LOCATION_VARIABLES["dockerhub"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryTarget:
    """One repository in one registry."""

    name: str
    """What `--push` calls it."""
    kind: RegistryKind
    host: str
    """Host and optional port as they stand in an image reference; `docker.io` for Docker Hub."""
    repository: str
    username: str | None = None
    """Who logs in, where the source of the password does not say."""
    insecure: bool = False
    """Plain HTTP; only ever True for loopback."""

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


def resolve_target(
    name: str, registries: Mapping[str, RegistryConfig], environ: Mapping[str, str], *, mirror: str
) -> RegistryTarget:
    """The target that `--push NAME` means for the mirror `mirror`.

    A section `[registries.NAME]` decides; without one, `acr` and `dockerhub` take what they need from `environ`:

    - acr: DBMIRROR_ACR_REGISTRY or AZURE_CONTAINER_REGISTRY_ENDPOINT (a host, or just the registry's name);
      DBMIRROR_ACR_REPOSITORY may name the repository;
    - dockerhub: DBMIRROR_DOCKERHUB_REPOSITORY (`namespace/name`), or DOCKERHUB_NAMESPACE or DOCKERHUB_USERNAME.

    `DBMIRROR_<NAME>_HOST`, where it is set, is the only host that the section may name.

    Raises TargetError where the name is not known, something is missing (the message says what), or a value has not
    the form of a host or a repository.
    """
    section = registries.get(name)
    if section is None:
        section = _from_environment(name, registries, environ)
    host = section.host or (DOCKER_HUB if section.kind == "dockerhub" else None)
    if host is None:
        raise TargetError(
            f"[registries.{name}] does not say which registry it means.",
            remedy=f'Add host = "team.azurecr.io" (or your registry\'s host) to [registries.{name}].',
        )
    _require_pinned(name, host, environ)
    repository = section.repository or _default_repository(name, section, environ)
    target = RegistryTarget(
        name=name,
        kind=section.kind,
        host=host.lower(),
        repository=repository.replace("{mirror}", mirror),
        username=section.username,
        insecure=section.insecure,
    )
    _check(target)
    return target


def is_loopback(host: str) -> bool:
    """Whether `host` (with or without a port) is this machine itself."""
    bare = re.sub(r":[0-9]+\Z", "", host).strip("[]")
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def _require_pinned(name: str, host: str, environ: Mapping[str, str]) -> None:
    """Raise TargetError where the user's environment pins another host for `name` than dbmirror.toml has.

    That file comes with a clone; a password of the environment goes to whatever host the section names.
    """
    variable = f"{variable_stem(name)}_HOST"
    pinned = environ.get(variable)
    if pinned and pinned.lower() != host.lower():
        raise TargetError(
            f"[registries.{name}] names the host {host}, and {variable} says {pinned}: nothing is sent there.",
            remedy=f"Correct 'host' in dbmirror.toml, or {variable}.",
        )


def acr_host(environ: Mapping[str, str]) -> str | None:
    """The host of Azure Container Registry that the environment names; None where it names none."""
    named = _first(environ, ACR_HOST_VARIABLES)
    if named is None:
        return None
    host = re.sub(r"\Ahttps?://|/+\Z", "", named.strip(), flags=re.IGNORECASE)
    return host if re.search(r"[.:]", host) else f"{host}.azurecr.io"


def _from_environment(
    name: str, registries: Mapping[str, RegistryConfig], environ: Mapping[str, str]
) -> RegistryConfig:
    if name == "acr":
        host = acr_host(environ)
        if host is None:
            raise _missing(name, ACR_HOST_VARIABLES, 'kind = "acr" and host = "team.azurecr.io"')
        return RegistryConfig(kind="acr", host=host, repository=environ.get(_ACR_REPOSITORY_VARIABLE) or None)
    if name == "dockerhub":
        return RegistryConfig(kind="dockerhub", repository=environ.get(_HUB_REPOSITORY_VARIABLE) or None)
    known = sorted({*registries, "acr", "dockerhub"})
    raise TargetError(
        f"No registry is called {name!r}.",
        remedy=f"Known are {', '.join(known)}; others are added to dbmirror.toml as [registries.NAME].",
    )


def _default_repository(name: str, section: RegistryConfig, environ: Mapping[str, str]) -> str:
    if section.kind != "dockerhub":
        return "dbmirror/{mirror}"
    namespace = section.username or _first(environ, tuple(_HUB_NAMESPACE_VARIABLES))
    if not namespace:
        raise _missing(
            name,
            LOCATION_VARIABLES["dockerhub"],
            'kind = "dockerhub" and repository = "team/{mirror}"',
        )
    return f"{namespace.lower()}/{{mirror}}"


def _missing(name: str, variables: tuple[str, ...], section: str) -> TargetError:
    return TargetError(
        f"--push {name} does not know where to: none of {', '.join(variables)} is set.",
        remedy=f"Set one of them, or add [registries.{name}] with {section} to dbmirror.toml.",
    )


def _first(environ: Mapping[str, str], variables: tuple[str, ...]) -> str | None:
    return next((environ[variable] for variable in variables if environ.get(variable)), None)


def _check(target: RegistryTarget) -> None:
    if not _HOST.match(target.host):
        raise TargetError(
            f"The registry {target.name!r} has {target.host!r} for a host.",
            remedy="Give a host name with an optional port and nothing else, for example team.azurecr.io.",
        )
    if not _REPOSITORY.match(target.repository):
        raise TargetError(
            f"The registry {target.name!r} has {target.repository!r} for a repository.",
            remedy="Use lower-case letters and digits with '.', '_', '-' between them and '/' between the parts.",
        )
    if target.insecure and not is_loopback(target.host):
        raise TargetError(
            f"The registry {target.name!r} is marked insecure and {target.host} is not on this machine.",
            remedy="A password would travel in the clear: give the registry a certificate and remove 'insecure'.",
        )
