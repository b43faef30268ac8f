"""What goes wrong between this machine and a workspace, and the one place where the SDK's errors become these."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import requests
from databricks.sdk import errors as api
from databricks.sdk.errors.base import DatabricksError

from dbmirror.errors import RemoteError, UsageError
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.workspace.patience import ATTEMPTS


class WorkspaceError(RemoteError):
    """The workspace failed, or refused."""


class WorkspaceUsageError(UsageError):
    """What was asked of the workspace does not fit it: an unknown profile, an ambiguous cluster, …"""


class ProfileUnknown(WorkspaceUsageError):
    """There is no such profile."""

    def __init__(self, profile: str, file: str, known: Sequence[str]) -> None:
        super().__init__(
            f"There is no profile {profile!r} in {file}.",
            remedy=f"Known are: {', '.join(known)}."
            if known
            else f"Make one with 'databricks auth login --profile {shlex.quote(profile)}'.",
        )


class ProfileInvalid(WorkspaceUsageError):
    """A profile, or the file it stands in, cannot be used."""


class WorkspaceUnreachable(WorkspaceError):
    """Nothing answers at the workspace's address, or not in time."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(
            f"The workspace {host} cannot be reached: {reason}.",
            remedy="Check the profile's host, the network, the VPN and the proxy settings.",
        )


class LoginRefused(WorkspaceError):
    """The workspace does not accept the token or the login."""

    def __init__(self, host: str, words: str, *, profile: str | None, auth: str | None) -> None:
        name = f" --profile {profile}" if profile else ""
        renew = {
            "pat": f"Make a new token under Settings > Developer in the workspace and store it with "
            f"'databricks configure{name}'; or change to a login with 'databricks auth login{name}'.",
            "oauth-m2m": "Check the service principal's client id and secret; secrets expire.",
            "azure-cli": "Log in again with 'az login'.",
        }.get(auth or "", f"Log in again with 'databricks auth login{name}'.")
        super().__init__(
            f"The workspace {host} does not accept the login ({words}): it is wrong or has expired.", remedy=renew
        )


class PermissionMissing(WorkspaceError):
    """The user is known, and may not do this."""


class RateLimited(WorkspaceError):
    """The workspace asked to slow down, and went on doing so."""


class WorkspaceBusy(WorkspaceError):
    """The workspace failed itself (5xx), and went on doing so."""


class AnswerInvalid(WorkspaceError):
    """The workspace's answer is not one of the API, or holds text of a form that is not let through."""


class ClusterUnknown(WorkspaceUsageError):
    """There is no such cluster, or none at all that can be mirrored."""


class ClusterAmbiguous(WorkspaceUsageError):
    """Several clusters are meant."""


class ClusterReplaced(WorkspaceUsageError):
    """A mirror is of one cluster, and another one is named, or its own is gone."""


class RuntimeNotStated(WorkspaceError):
    """The workspace says of a cluster not which runtime it has."""


class LibrariesNotSettled(WorkspaceError):
    """The cluster's libraries were not installed in time, or it stopped meanwhile."""


class ClusterNotStarted(WorkspaceError):
    """The cluster did not come up."""


class KeyNotInstalled(WorkspaceUsageError):
    """The SSH key cannot be put on the cluster."""


_OAUTH_REFUSAL: Final = re.compile(r"(invalid_client|invalid_grant|unauthorized_client|access_denied)\b")
"""How the SDK's ValueError begins where the token's endpoint refuses a login (RFC 6749, section 5.2)."""


@contextmanager
def said_clearly(host: str | None, *, profile: str | None = None, auth: str | None = None) -> Iterator[None]:
    """Turn whatever the SDK raises inside into a WorkspaceError with one clear sentence."""
    where = host or "(no host)"
    try:
        yield
    except DatabricksError as error:
        raise _of_api(error, where, profile, auth) from error
    except TimeoutError as error:
        cause = error.__cause__
        if isinstance(cause, DatabricksError):
            raise _of_api(cause, where, profile, auth) from error
        raise WorkspaceUnreachable(where, _why(cause or error)) from error
    except requests.RequestException as error:
        raise WorkspaceUnreachable(where, _why(error)) from error
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        if _OAUTH_REFUSAL.match(str(error)):
            raise LoginRefused(where, own_words(error), profile=profile, auth=auth) from error
        # The SDK takes an answer apart without a look at its form.
        raise AnswerInvalid(
            f"The workspace {where} gave an answer that does not belong to its API ({own_words(error)[:200]}).",
            remedy="Check that the profile's host is a Databricks workspace.",
        ) from error


def own_words(error: BaseException) -> str:
    """What the workspace or the SDK said, without the configuration that the SDK repeats behind it, on one line."""
    return foreign_line(re.split(r"[.:]?\s*\b(?:Config|Env): ", str(error), maxsplit=1)[0], 400).rstrip(".")


def _of_api(error: DatabricksError, host: str, profile: str | None, auth: str | None) -> WorkspaceError:
    words = own_words(error)
    expired = any(sign in words.lower() for sign in ("invalid access token", "token is expired", "expired token"))
    if isinstance(error, api.Unauthenticated) or expired:
        return LoginRefused(host, words, profile=profile, auth=auth)
    if isinstance(error, api.PermissionDenied):
        return PermissionMissing(
            f"The workspace {host} does not permit this: {words}.",
            remedy="Ask its administrator, or the cluster's owner for the permission 'Can manage'.",
        )
    if isinstance(error, api.TooManyRequests):
        return RateLimited(
            f"The workspace {host} limits the rate of requests, though it was asked up to {ATTEMPTS} times: {words}.",
            remedy="Try again in a minute.",
        )
    if isinstance(error, api.InternalError | api.DeadlineExceeded | api.TemporarilyUnavailable) or _failed_itself(
        error
    ):
        return WorkspaceBusy(
            f"The workspace {host} failed, though it was asked up to {ATTEMPTS} times: {words}.",
            remedy="Try again in some minutes; what was started there goes on.",
        )
    return WorkspaceError(f"The workspace {host} answered with an error: {words}.")


def _failed_itself(error: DatabricksError) -> bool:
    """Whether the status was one of 5xx; of some the SDK makes no class, such as 502."""
    if isinstance(error, api.InternalError | api.DeadlineExceeded | api.TemporarilyUnavailable):
        return True
    return type(error) is DatabricksError and re.search(r"\b5\d\d\b|Bad Gateway", str(error)) is not None


def _why(error: BaseException) -> str:
    text = str(error)
    for sign, reason in (
        ("NameResolutionError", "its name has no address"),
        ("Name or service not known", "its name has no address"),
        ("Connection refused", "connection refused"),
        (
            "CERTIFICATE_VERIFY_FAILED",
            "its certificate is not trusted (name the file of your certificate authorities in SSL_CERT_FILE, or with "
            "'ca_bundle' in [index] of dbmirror.toml)",
        ),
        ("timed out", "no answer in time"),
        ("Timeout", "no answer in time"),
    ):
        if sign in text or sign in type(error).__name__:
            return reason
    return foreign_line(text, 200).rstrip(".") or type(error).__name__
