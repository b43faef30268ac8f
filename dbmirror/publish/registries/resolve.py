"""From the name after `--push` to the registry and the repository that it means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dbmirror.config.registries import RegistryConfig, host_variable, variable_stem
from dbmirror.publish.registries.errors import TargetError
from dbmirror.publish.registries.kind import RegistryKind
from dbmirror.publish.registries.kinds import KINDS, kind_named
from dbmirror.publish.registries.target import RegistryTarget


def resolve_target(
    name: str,
    registries: Mapping[str, RegistryConfig],
    environ: Mapping[str, str],
    *,
    mirror: str,
    ca_bundle: Path | None = None,
) -> RegistryTarget:
    """The target that `--push NAME` means for the mirror `mirror`.

    A section `[registries.NAME]` decides; without one, a kind of that name takes what it needs from its variables in
    `environ`. `DBMIRROR_<NAME>_HOST`, where it is set, is the only host that the section may name, and
    `DBMIRROR_<NAME>_TOKEN_HOST` names the registry's token service, where that is of another domain.

    Raises TargetError where the name is not known, something is missing (the message says what), or a value has not
    the form of a host or a repository.
    """
    section = registries.get(name)
    named_by_user = section is None or bool(environ.get(host_variable(name)))
    if section is None:
        section = _from_environment(name, registries, environ)
    if section.kind not in KINDS:
        raise TargetError(
            f"[registries.{name}] has the kind {section.kind!r}, which dbmirror does not know.",
            remedy=f"Known are {', '.join(KINDS)}; most registries are of the kind oci.",
        )
    kind = kind_named(section.kind)
    host = section.host or kind.host
    if host is None:
        raise TargetError(
            f"[registries.{name}] does not say which registry it means.",
            remedy=f'Add host = "team.azurecr.io" (or your registry\'s host) to [registries.{name}].',
        )
    _require_pinned(name, host, environ)
    repository = section.repository or kind.default_repository(section.username, environ)
    if repository is None:
        raise _missing(name, kind)
    target = RegistryTarget(
        name=name,
        kind=section.kind,
        host=host.lower(),
        repository=repository.replace("{mirror}", mirror),
        username=section.username,
        insecure=section.insecure,
        named_by_user=named_by_user,
        token_host=environ.get(f"{variable_stem(name)}_TOKEN_HOST", "").lower() or None,
        ca_bundle=ca_bundle,
    )
    target.check()
    return target


def location_variable(name: str, registries: Mapping[str, RegistryConfig]) -> str | None:
    """The variable that says where `--push NAME` pushes to, where no section of that name does."""
    if name in registries or name not in KINDS:
        return None
    return next(iter(kind_named(name).location_variables), None)


def answers_for_itself(host: str) -> bool:
    """Whether the name of `host` itself says who answers there, whatever a section calls its kind."""
    return any(kind_named(kind).answers_for(host.lower()) for kind in KINDS)


def host_to_name(section: RegistryConfig | None) -> str | None:
    """The host of `section` that the user has to name, too; None for one that answers for itself, or none."""
    return None if section is None or section.host is None or answers_for_itself(section.host) else section.host


def _require_pinned(name: str, host: str, environ: Mapping[str, str]) -> None:
    """Raise TargetError where the user's environment pins another host for `name` than dbmirror.toml has.

    That file may come with a clone.
    """
    variable = host_variable(name)
    pinned = environ.get(variable)
    if pinned and pinned.lower() != host.lower():
        raise TargetError(
            f"[registries.{name}] names the host {host}, and {variable} says {pinned}: nothing is sent there.",
            remedy=f"Correct 'host' in dbmirror.toml, or {variable}.",
        )


def _from_environment(
    name: str, registries: Mapping[str, RegistryConfig], environ: Mapping[str, str]
) -> RegistryConfig:
    if name in KINDS and kind_named(name).location_variables:
        kind = kind_named(name)
        host = kind.host_from(environ)
        if host is None:
            raise _missing(name, kind)
        return RegistryConfig(kind=name, host=host, repository=kind.repository_from(environ))
    known = sorted({*registries, *(kind for kind in KINDS if kind_named(kind).location_variables)})
    raise TargetError(
        f"No registry is called {name!r}.",
        remedy=f"Known are {', '.join(known)}; others are added to dbmirror.toml as [registries.NAME].",
    )


def _missing(name: str, kind: RegistryKind) -> TargetError:
    return TargetError(
        f"--push {name} does not know where to: none of {', '.join(kind.location_variables)} is set.",
        remedy=f"Set one of them, or add [registries.{name}] with {kind.example} to dbmirror.toml.",
    )
