"""What dbmirror reaches beyond this machine, each by itself: proxies, workspaces, indexes, git hosts, registries."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from requests.utils import prepend_scheme_if_needed

from dbmirror import ca_bundle as trust
from dbmirror.config import LoadedConfig, sandbox_servers
from dbmirror.doctor.machine import Check
from dbmirror.errors import DbmirrorError, UsageError
from dbmirror.foreign_text.clean_urls import without_login
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.http_client.client import Client
from dbmirror.http_client.refused import Refused
from dbmirror.lock.git_commit import repository_at, safe_url
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_location import IndexLocation
from dbmirror.lock.python.index_settings import find_indexes
from dbmirror.mirror_folder.names import SNAPSHOT
from dbmirror.parallel import side_by_side
from dbmirror.publish.destinations import find_destinations
from dbmirror.snapshot import SnapshotError, read_snapshot
from dbmirror.workspace.profile_file import profile_names
from dbmirror.workspace.reachable import ask_each

FAILS: Final = "fails"
_PROXIES: Final = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080, "socks4": 1080}
_SECONDS: Final = 10.0
_AT_ONCE: Final = 16


def try_each(loaded: LoadedConfig) -> Iterator[Check]:
    """Every check, sorted by what it is about. Nothing is changed; a login goes to its own host."""
    tries: dict[str, Callable[[], str]] = {}
    tries |= {f"proxy {variable}": partial(_proxy, value) for variable, value in _proxies()}
    tries |= {"certificate authorities": partial(_authorities, loaded)}
    tries |= _indexes(loaded)
    tries |= _repositories(loaded)
    tries |= {f"registry {name}": partial(_registry, name, loaded) for name in sorted(loaded.registries())}
    found = side_by_side(lambda name: _try(name, tries[name]), list(tries), workers=_AT_ONCE, name="doctor")
    order = list(tries)
    yield from (found[name] for name in order[: order.index("certificate authorities") + 1])
    yield from _workspaces(loaded)
    yield from (found[name] for name in order[order.index("certificate authorities") + 1 :])


def _try(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name=name, ok=True, needed=False, found=look())
    except DbmirrorError as error:
        return Check(name=name, ok=False, needed=False, found=error.message, remedy=error.remedy, otherwise=FAILS)


def _bundle(loaded: LoadedConfig) -> Path | None:
    with suppress(DbmirrorError):
        return trust.find_ca_bundle(loaded.config.index.ca_bundle)
    return None


def _proxies() -> Iterator[tuple[str, str]]:
    for name in _PROXIES:
        for variable in (name.lower(), name):
            if os.environ.get(variable):
                yield variable, os.environ[variable]
                break


def _proxy(value: str) -> str:
    """Whether the proxy takes connections. What it lets through, the other checks say."""
    try:
        parts = urlsplit(str(prepend_scheme_if_needed(value, "http")))  # type: ignore[no-untyped-call]
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80)
    except ValueError:
        raise UsageError("It is no address.", remedy="Write it as http://HOST:PORT.") from None
    where = foreign_line(without_login(parts.geturl()), 200)
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        raise UsageError(
            f"{where} takes no connection: {error.strerror or error}.",
            remedy="Correct the variable, or unset it where there is no proxy.",
        ) from None
    return f"{where} takes connections"


def _authorities(loaded: LoadedConfig) -> str:
    missing = [name for name in trust.VARIABLES if os.environ.get(name) and not Path(os.environ[name]).exists()]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} name a file that is not there, and count for nothing.",
            remedy=f"Correct it, or unset it: unset {missing[0]}",
        )
    bundle = trust.find_ca_bundle(loaded.config.index.ca_bundle)
    if bundle is None:
        return "the system's own"
    try:
        count = len(ssl.create_default_context(cafile=str(bundle)).get_ca_certs())
    except (ssl.SSLError, OSError) as error:
        raise UsageError(f"{bundle} cannot be used: {error}.", remedy="Name a PEM file with --ca-bundle.") from None
    return f"{bundle}: {count}"


def _workspaces(loaded: LoadedConfig) -> Iterator[Check]:
    for profile, answer in ask_each(profile_names(), ca_bundle=_bundle(loaded)).items():
        found = answer.problem or f"answers to {answer.user}"
        yield Check(
            name=f"workspace {profile}", ok=answer.ok, needed=False, found=found, remedy=answer.remedy, otherwise=FAILS
        )


def _indexes(loaded: LoadedConfig) -> dict[str, Callable[[], str]]:
    settings, bundle = find_indexes(loaded.config.index), _bundle(loaded)

    def ask(location: IndexLocation) -> str:
        with Index(settings, ca_bundle=bundle) as index:
            page = index.project(location, "pip")
        return f"answers ({location.origin})" + ("" if page else ", and does not have pip")

    return {
        f"index {without_login(location.url)}": partial(ask, location)
        for location in settings.indexes
        if location.folder is None
    }


def _repositories(loaded: LoadedConfig) -> dict[str, Callable[[], str]]:
    """The git hosts that the packages of the mirrors come from."""
    places: dict[str, str] = {}
    for file in sorted(loaded.mirror_folder("mirror").parent.glob(f"*/{SNAPSHOT}")):
        with suppress(SnapshotError, OSError):
            for each in read_snapshot(file).inventory.distributions:
                if each.direct_url is not None and each.direct_url.vcs == "git":
                    places.setdefault(urlsplit(each.direct_url.url).hostname or "", each.direct_url.url)
    settings, bundle = replace(find_indexes(loaded.config.index), own_servers=sandbox_servers()), _bundle(loaded)

    def ask(url: str) -> str:
        try:
            with Client(settings.logins(), ca_bundle=bundle, internal_hosts=settings.internal_hosts) as client:
                repository_at(safe_url(url), client, _SECONDS)
        except Refused as refusal:
            raise UsageError(
                f"{foreign_line(url, 200)}: {refusal}.", remedy="See docs/indexes.md for what is asked."
            ) from None
        return f"{foreign_line(url, 200)} answers"

    return {f"git {host}": partial(ask, url) for host, url in sorted(places.items()) if host}


def _registry(name: str, loaded: LoadedConfig) -> str:
    (destination,) = find_destinations([name], loaded, mirror="doctor", keep=False, ca_bundle=_bundle(loaded))
    return f"{destination.target.host} takes the login from {destination.found.attempts[-1].source}"
