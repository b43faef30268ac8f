"""The certificate authorities to trust beyond the system's own: a PEM bundle, as proxies with their own CA need it."""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from dbmirror.errors import UsageError

VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")
"""Where OpenSSL, requests and pip look, in that order."""
LARGEST = 500 * 1024
"""Bytes. BuildKit refuses secrets of more than 500 KiB, and the build hands the bundle on as a secret."""


class TrustError(UsageError):
    """The CA bundle is missing, holds no PEM certificate, or is too large to be handed to a build."""


def find_ca_bundle(configured: Path | None = None, *, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The bundle that `configured` (`--ca-bundle`, `[index] ca_bundle`) names, else an environment variable's.

    A variable that names a missing file, or a folder, is passed over. None where nothing names a bundle: the defaults
    of each program hold. Raises TrustError where the bundle cannot be used.
    """
    if configured is not None:
        return _checked(configured, origin="the configured CA bundle")
    for variable in VARIABLES:
        path = Path(environment.get(variable, ""))
        if path.is_file():
            return _checked(path, origin=variable)
    return None


def hand_to_libraries(bundle: Path | None) -> None:
    """Have Databricks' SDK and azure-identity trust `bundle`, from here on and in every step of a login.

    They take it from the variable of requests alone. None leaves them as they are.
    """
    if bundle is not None:
        os.environ["REQUESTS_CA_BUNDLE"] = str(bundle)


def _checked(path: Path, *, origin: str) -> Path:
    remedy = (
        "Name a PEM file of the certificate authorities to trust with --ca-bundle, or 'ca_bundle' in dbmirror.toml."
    )
    try:
        found = path.stat()
        if found.st_size > LARGEST:
            raise TrustError(
                f"{path} ({origin}) has {found.st_size} bytes; a build takes a CA bundle of at most {LARGEST}.",
                remedy="Name a file with only the certificate authorities that your network needs, with --ca-bundle.",
            )
        _parse(path, found.st_mtime_ns, found.st_size)
    except ssl.SSLError as error:
        raise TrustError(f"{path} ({origin}) holds no PEM certificate.", remedy=remedy) from error
    except OSError as error:
        raise TrustError(f"{path} ({origin}) cannot be read: {error.strerror or error}.", remedy=remedy) from error
    return path.absolute()


@functools.lru_cache(maxsize=8)
def _parse(path: Path, modified: int, size: int) -> None:
    """Have OpenSSL parse the bundle, once for a file that stays as it is. Raises SSLError or OSError."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
