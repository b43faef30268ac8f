from __future__ import annotations

import pytest

from dbmirror.publish.registries import errors
from dbmirror.publish.registries.complaints import complaint
from dbmirror.publish.registries.credential import Credential
from dbmirror.publish.registries.target import RegistryTarget
from dbmirror.sandbox.registry.signing import Signer

TARGET = RegistryTarget(name="office", kind="oci", host="a.example", repository="team/demo")

WORDS = [
    (errors.AuthenticationFailed, "HTTP 401 incorrect username or password"),
    (errors.AuthenticationFailed, "unauthorized: authentication required"),
    (errors.CredentialExpired, "HTTP 401 UNAUTHORIZED authentication required invalid_token"),
    (errors.CredentialExpired, "unauthorized: the token has expired"),
    (errors.InsufficientScope, "denied: requested access to the resource is denied"),
    (errors.InsufficientScope, "HTTP 401 UNAUTHORIZED authentication required insufficient_scope"),
    (errors.InsufficientScope, "HTTP 403"),
    (
        errors.AddressRefused,
        "denied: client with IP '203.0.113.7' is not allowed access, refer https://aka.ms/acr/firewall to grant access",
    ),
    (errors.AddressRefused, "HTTP 403 DENIED client with IP '203.0.113.7' is not allowed access"),
    (
        errors.TagImmutable,
        "tag invalid: The image tag '15.4' already exists in the 'team/demo' repository and cannot be overwritten "
        "because the repository is immutable.",
    ),
    (errors.TagImmutable, "denied: Failed to process request due to 'demo:15.4' configured as immutable."),
    (errors.TagImmutable, "denied: The operation is disallowed on this registry, write operation is disabled"),
    (
        errors.RegistryFull,
        "denied: adding 1.2 GiB of storage resource, which when updated to current usage of 9.5 GiB will exceed the "
        "configured upper limit of 10.0 GiB.",
    ),
    (errors.QuotaRefused, "toomanyrequests: You have reached your pull rate limit"),
    (errors.QuotaRefused, "HTTP 429"),
    (errors.QuotaRefused, "denied: the quota of this project is used up"),
    (errors.RegistryFull, "received unexpected HTTP status: 507 Insufficient Storage"),
    (errors.RegistryFull, "unknown: write /data/x: no space left on device"),
    (errors.RegistryFull, "denied: adding 3 GB would exceed the storage quota"),
    (errors.RegistryUnavailable, "received unexpected HTTP status: 503 Service Unavailable"),
    (errors.RegistryUnavailable, "received unexpected HTTP status: 500 Internal Server Error"),
    (errors.RegistryUnavailable, "HTTP 502"),
    (errors.ConnectionCut, "write tcp 127.0.0.1:1->127.0.0.1:2: write: broken pipe"),
    (errors.ConnectionCut, "read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer"),
    (errors.ConnectionCut, 'Patch "https://a.example/v2/x": EOF'),
    (errors.ConnectionCut, "net/http: request canceled (Client.Timeout exceeded while awaiting headers)"),
    (errors.ConnectionCut, "timeout: no answer in time"),
    (errors.RepositoryUnknown, "name unknown: The repository with name 'team/demo' does not exist"),
    (errors.RepositoryUnknown, "HTTP 404 NAME_UNKNOWN repository name not known to registry"),
    (errors.UntrustedCertificate, 'Get "https://a.example/v2/": x509: certificate signed by unknown authority'),
    (errors.UntrustedCertificate, "certificate verify failed: self-signed certificate"),
    (errors.UntrustedCertificate, "http: server gave HTTP response to HTTPS client"),
    (errors.RegistryUnreachable, "dial tcp: lookup a.example: no such host"),
    (errors.RegistryUnreachable, "dial tcp 10.0.0.1:443: connect: connection refused"),
    (errors.RegistryUnreachable, "[Errno -2] Name or service not known"),
    (errors.UnexpectedAnswer, "error parsing HTTP 200 response body: invalid character '<'"),
    (errors.UnexpectedAnswer, "blob upload unknown"),
    (errors.RegistryError, "the moon is in the wrong house"),
]


@pytest.mark.parametrize(("error", "words"), WORDS, ids=[words[:60] for _, words in WORDS])
def test_the_registry_s_words_decide_the_error_and_stand_in_it(
    error: type[errors.RegistryError], words: str, credential: Credential
) -> None:
    raised = complaint(words, target=TARGET, credential=credential)
    assert type(raised) is error
    assert words in raised.message
    assert raised.remedy
    assert raised.exit_code == 3


def test_only_what_may_pass_by_itself_is_worth_another_attempt() -> None:
    transient = {error for error, _ in WORDS if error.transient}
    assert transient == {errors.ConnectionCut, errors.RegistryUnavailable}


def test_unauthorized_after_a_log_in_is_a_missing_right(credential: Credential) -> None:
    words = "unauthorized: authentication required"
    raised = complaint(words, target=TARGET, credential=credential, logged_in=True)
    assert isinstance(raised, errors.InsufficientScope)
    assert "mia may not push to team/demo on a.example" in raised.message


def test_a_token_whose_time_is_over_is_called_so_where_the_registry_does_not() -> None:
    secret = Signer().sign(audience="a", subject="mia", lifetime=-5)
    credential = Credential(username="mia", secret=secret, source="Entra ID")
    raised = complaint("unauthorized: authentication required", target=TARGET, credential=credential)
    assert isinstance(raised, errors.CredentialExpired)
    assert "from Entra ID is no longer valid" in raised.message


def test_a_registry_that_repeats_the_secret_does_not_get_it_printed(credential: Credential) -> None:
    raised = complaint(f"denied: mia:{credential.secret}", target=TARGET, credential=credential)
    assert credential.secret not in f"{raised} {raised!r}"
    assert "denied: mia:[secret]" in raised.message


def test_the_registry_s_words_are_made_harmless_for_a_terminal(credential: Credential) -> None:
    raised = complaint("denied:\x1b[2J\r\n" + "x" * 5000, target=TARGET, credential=credential)
    assert raised.message.isprintable()
    assert len(raised.message) < 600
