"""Azure Container Registry: logs in by Entra ID, the az command line, a service principal or an admin account."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Protocol

import msgspec
from msgspec import Struct, field

from dbmirror.foreign_text.decoding import decode_json
from dbmirror.processes.programs import ProcessFailed
from dbmirror.publish.registries.credential import Credential, Unserved
from dbmirror.publish.registries.credential_programs import ask_program, unserved
from dbmirror.publish.registries.kind import RegistryKind, Source
from dbmirror.publish.registries.target import RegistryTarget
from dbmirror.publish.registries.transport import Transport

HOST_VARIABLES: Final = ("DBMIRROR_ACR_REGISTRY", "AZURE_CONTAINER_REGISTRY_ENDPOINT")
"""A host, or just the registry's name."""
NULL_USER: Final = "00000000-0000-0000-0000-000000000000"
"""The user name that goes with a refresh token."""
ENTRA_SCOPE = "https://containerregistry.azure.net/.default"
"""The audience of a registry; registries may be set to refuse tokens for Azure's management API."""
REGISTRY_DOMAINS = (".azurecr.io", ".azurecr.cn", ".azurecr.us")
"""Where registries of Azure's clouds are (public, China, US Government): Azure's own servers answer there."""


class TokenCredential(Protocol):
    """The part of azure-core's protocol of that name that is used here."""

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """An object whose `token` is an access token for `scopes`."""


class _Exchanged(Struct):
    refresh_token: str = ""


class _AzAnswer(Struct):
    access_token: str = field(name="accessToken", default="")


class AzureContainerRegistry(RegistryKind):
    """`identity` gives the Entra ID token; None stands for azure-identity's DefaultAzureCredential."""

    location_variables: ClassVar[tuple[str, ...]] = HOST_VARIABLES
    example: ClassVar[str] = 'kind = "acr" and host = "team.azurecr.io"'

    def __init__(self, identity: TokenCredential | None = None) -> None:
        self._identity = identity

    def host_from(self, environ: Mapping[str, str]) -> str | None:
        """The host that the environment names."""
        return host_in(environ)

    def repository_from(self, environ: Mapping[str, str]) -> str | None:
        """DBMIRROR_ACR_REPOSITORY."""
        return environ.get("DBMIRROR_ACR_REPOSITORY") or None

    def user_of_password(self, target: RegistryTarget) -> str | None:
        """The password is taken for a refresh token."""
        return NULL_USER

    def sources(self, target: RegistryTarget, environ: Mapping[str, str]) -> Iterator[tuple[str, Source]]:
        """Entra ID, az, a service principal, the admin account."""
        if (stranger := not_azure(target, environ)) is not None:
            yield "Azure", lambda: stranger
            return
        yield "Entra ID", lambda: credential_from_entra(target, environ, identity=self._identity)
        yield "az acr login", lambda: credential_from_az(target, environ)
        yield "service principal", lambda: credential_from_service_principal(environ)
        yield "admin account", lambda: credential_from_admin_account(target, environ)

    def answers_for(self, host: str) -> bool:
        """Every host of Azure's own domains."""
        return host.endswith(REGISTRY_DOMAINS)

    def sends_token_to(self, host: str, *, own: str) -> bool:
        """The registry is its own token service."""
        return host == own

    def login(self, host: str) -> str:
        """With Azure's login or with the registry's."""
        return f"`az login`, `docker login {host}`"


_NO_TOKEN: Final = {
    "CredentialUnavailableError": "nobody is logged in to Azure on this machine ('az login' does)",
    "ClientAuthenticationError": "Entra ID refuses the logins of this machine, or there is none ('az login' makes one)",
    "ServiceRequestError": "Entra ID cannot be reached",
}
"""What azure-identity means, by its errors' names: its own text is a page about each way to log in."""

KIND: Final = AzureContainerRegistry()


def host_in(environ: Mapping[str, str]) -> str | None:
    """The host of Azure Container Registry that the environment names; None where it names none."""
    named = next((environ[variable] for variable in HOST_VARIABLES if environ.get(variable)), None)
    if named is None:
        return None
    host = re.sub(r"\Ahttps?://|/+\Z", "", named.strip(), flags=re.IGNORECASE)
    return host if re.search(r"[.:]", host) else f"{host}.azurecr.io"


def not_azure(target: RegistryTarget, environ: Mapping[str, str]) -> Unserved | None:
    """Why no Azure identity is shown to the target's host; None where it may be.

    dbmirror.toml comes with a clone, and its word alone must not send an identity of the user's to a host of its
    choice. A host beyond Azure's domains (another cloud, a stand-in) has to be named by the user's own environment.
    """
    if target.host.endswith(REGISTRY_DOMAINS) or target.host == (host_in(environ) or "").lower():
        return None
    return Unserved(
        f"{target.host} is no host of Azure's, so that no Azure identity goes there "
        f"(if it should, set {HOST_VARIABLES[0]}={target.host})"
    )


def credential_from_entra(
    target: RegistryTarget, environ: Mapping[str, str], *, identity: TokenCredential | None = None
) -> Credential | Unserved:
    """A refresh token of the registry, got for an Entra ID token at its `/oauth2/exchange`.

    `identity` gives the Entra ID token; None stands for azure-identity's DefaultAzureCredential (environment, workload
    and managed identity, az, …), which the extra `dbmirror[azure]` brings.
    """
    if identity is None:
        try:
            from azure.identity import DefaultAzureCredential  # noqa: PLC0415  (an extra, and slow to import)
        except ImportError:
            return Unserved("azure-identity is not installed (the extra dbmirror[azure])")
        identity = DefaultAzureCredential()
    try:
        access_token = str(identity.get_token(ENTRA_SCOPE).token)
    except Exception as error:
        # Any error: azure-core's cannot be named without importing it. Not its text: that repeats what the token
        # service answered to requests that carried secrets.
        return Unserved(_NO_TOKEN.get(type(error).__name__, f"Entra ID gave no token ({type(error).__name__})"))
    bearer = Credential(username=NULL_USER, secret=access_token, source="Entra ID")
    form = {"grant_type": "access_token", "service": target.host, "access_token": access_token}
    if environ.get("AZURE_TENANT_ID"):
        form["tenant"] = environ["AZURE_TENANT_ID"]
    answer = Transport(target, bearer).request("POST", f"{target.base_url}/oauth2/exchange", form=form)
    try:
        exchanged = decode_json(answer.content, _Exchanged)
    except (msgspec.DecodeError, UnicodeDecodeError):
        exchanged = _Exchanged()
    if answer.status != 200 or not exchanged.refresh_token:
        return Unserved(f"{target.host} does not take this Entra ID identity (HTTP {answer.status})")
    return Credential(username=NULL_USER, secret=exchanged.refresh_token, source="Entra ID")


def credential_from_az(
    target: RegistryTarget, environ: Mapping[str, str], *, deadline: float = 60.0
) -> Credential | Unserved:
    """What `az acr login --expose-token` gives to whoever is logged in with az; it leaves the docker config alone."""
    # A registry's own name has no hyphen; behind one stands the label that Azure may add to its host name.
    name = target.host.partition(".")[0].partition(":")[0].partition("-")[0]
    argv = ["az", "acr", "login", "--name", name, "--expose-token", "--output", "json", "--only-show-errors"]
    try:
        finished = ask_program(argv, environ, seconds=deadline)
    except ProcessFailed as error:
        return unserved(error, argv[0], seconds=deadline)
    if finished.code != 0:
        return Unserved(f"az acr login ended with code {finished.code} (is there an `az login`?)")
    try:
        answer = decode_json(finished.stdout, _AzAnswer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = _AzAnswer()
    if not answer.access_token:
        return Unserved("az acr login did not answer with a token")
    return Credential(username=NULL_USER, secret=answer.access_token, source="az acr login --expose-token")


def credential_from_service_principal(environ: Mapping[str, str]) -> Credential | Unserved:
    """The service principal in AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, as user and password of the registry itself."""
    missing = [name for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET") if not environ.get(name)]
    if missing:
        return Unserved(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set")
    return Credential(
        username=environ["AZURE_CLIENT_ID"], secret=environ["AZURE_CLIENT_SECRET"], source="AZURE_CLIENT_SECRET"
    )


def credential_from_admin_account(target: RegistryTarget, environ: Mapping[str, str]) -> Credential | Unserved:
    """The registry's admin account: ACR_ADMIN_PASSWORD, and ACR_ADMIN_USERNAME where it is not the registry's name."""
    secret = environ.get("ACR_ADMIN_PASSWORD")
    if not secret:
        return Unserved("ACR_ADMIN_PASSWORD is not set")
    username = environ.get("ACR_ADMIN_USERNAME") or target.host.partition(".")[0].partition("-")[0]
    return Credential(username=username, secret=secret, source="ACR_ADMIN_PASSWORD")
