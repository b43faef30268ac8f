"""Docker Hub: one registry in the world, with the user's or organisation's name before each repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from dbmirror.publish.registries.kind import RegistryKind
from dbmirror.publish.registries.target import DOCKER_HUB, RegistryTarget

_REPOSITORY_VARIABLE: Final = "DBMIRROR_DOCKERHUB_REPOSITORY"
_NAMESPACE_VARIABLES: Final = ("DOCKERHUB_NAMESPACE", "DOCKERHUB_USERNAME")


class DockerHub(RegistryKind):
    """Its API and its token service have hosts of their own."""

    host: ClassVar[str | None] = DOCKER_HUB
    location_variables: ClassVar[tuple[str, ...]] = (_REPOSITORY_VARIABLE, *_NAMESPACE_VARIABLES)
    example: ClassVar[str] = 'kind = "dockerhub" and repository = "team/{mirror}"'

    def repository_from(self, environ: Mapping[str, str]) -> str | None:
        """DBMIRROR_DOCKERHUB_REPOSITORY: `namespace/name`."""
        return environ.get(_REPOSITORY_VARIABLE) or None

    def default_repository(self, username: str | None, environ: Mapping[str, str]) -> str | None:
        """The mirror's name in the namespace of the user, or of what DOCKERHUB_NAMESPACE or DOCKERHUB_USERNAME say."""
        named = (environ[variable] for variable in _NAMESPACE_VARIABLES if environ.get(variable))
        namespace = username or next(named, None)
        return f"{namespace.lower()}/{{mirror}}" if namespace else None

    def user_of_password(self, target: RegistryTarget) -> str | None:
        """The owner of the repository."""
        return target.repository.partition("/")[0]

    def sends_token_to(self, host: str, *, own: str) -> bool:
        """To Docker Hub's own hosts alone."""
        return host == own or host.endswith(f".{DOCKER_HUB}")

    def login(self, host: str) -> str:
        """Docker Hub is what `docker login` means without a host."""
        return "`docker login`"


KIND: Final = DockerHub()
