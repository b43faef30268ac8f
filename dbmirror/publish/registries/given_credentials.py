"""Credentials that were handed over for this push: a password on stdin, or variables of the environment."""

from __future__ import annotations

from collections.abc import Mapping

from dbmirror.config.registries import variable_stem
from dbmirror.publish.registries.credential import Credential, Unserved
from dbmirror.publish.registries.errors import TargetError
from dbmirror.publish.registries.kind import RegistryKind
from dbmirror.publish.registries.target import DOCKER_HUB, RegistryTarget


def credential_from_stdin(
    target: RegistryTarget, environ: Mapping[str, str], password: str, *, kind: RegistryKind
) -> Credential:
    """The credential of a password that was read from stdin.

    The user is the section's `username`, else the one in the environment, else the one that `kind` knows.
    Raises TargetError where there is none, or the password is empty.
    """
    secret = password.rstrip("\r\n")
    if not secret:
        raise TargetError("The password on stdin is empty.", remedy='Pipe it in: printf %s "$TOKEN" | dbmirror …')
    variables = [names[0] for names in _pairs(target)]
    username = target.username or next((environ[name] for name in variables if environ.get(name)), None)
    if username is None:
        username = kind.user_of_password(target)
    if username is None:
        raise TargetError(
            f"--password-stdin does not say who logs in to {target.host}.",
            remedy=f"Set {variables[0]}, or username in [registries.{target.name}].",
        )
    return Credential(username=username, secret=secret, source="--password-stdin", explicit=True)


def credential_from_environment(target: RegistryTarget, environ: Mapping[str, str]) -> Credential | Unserved:
    """The credential in `DBMIRROR_<NAME>_USERNAME` and `…_PASSWORD`, or in Docker Hub's own customary variables."""
    half: str | None = None
    for name_variable, *secret_variables in _pairs(target):
        username = environ.get(name_variable) or target.username
        for variable in secret_variables:
            secret = environ.get(variable)
            if secret and username:
                return Credential(username=username, secret=secret, source=variable, explicit=True)
            if secret:
                half = f"{variable} is set, {name_variable} is not"
    secrets = [names[1] for names in _pairs(target)]
    return Unserved(half or f"{' and '.join(secrets)} {'is' if len(secrets) == 1 else 'are'} not set")


def _pairs(target: RegistryTarget) -> list[tuple[str, ...]]:
    """The variables of the user's name, each with those of the password that go with it."""
    stem = variable_stem(target.name)
    own: tuple[str, ...] = (f"{stem}_USERNAME", f"{stem}_PASSWORD")
    # A section of dbmirror.toml may call any host a Docker Hub; the token is for the real one.
    if target.host == DOCKER_HUB:
        return [own, ("DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN", "DOCKERHUB_PASSWORD")]
    return [own]
