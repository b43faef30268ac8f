"""The apt of a mirror's base, without a network: which versions it knows, and which files the steps of a build need."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from dbmirror.fetch.fetch import NotFetched, Wanted, fetch
from dbmirror.fetch.store import Store
from dbmirror.files import digest_of
from dbmirror.lock.debs.archives import client_of_archives
from dbmirror.lock.debs.model import DebFile, DebianLock, DebianStep, LockedStep
from dbmirror.lock.debs.offline import GIVEN, OfflineApt
from dbmirror.lock.errors import AptUnavailable
from dbmirror.lock.model import BaseImage
from dbmirror.progress import SILENT, Observer

STAGE = "lock: Debian packages"
PREFERENCES = "r.preferences"
SOURCES = "r.sources"
_REMEDY = (
    "Choose a base of the runtime's own distribution with '--base', or leave out with a blacklist entry what needs "
    "that Debian package."
)
KEY = f"{GIVEN}/r.asc"
"""Where apt finds the key of R's repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RApt:
    """How apt comes by the cluster's R."""

    preferences: str
    """See apt_preferences(5)."""
    sources: str = ""
    """A `.sources` file that names KEY as its key, if it has one; empty where the base's own sources have R."""
    key: str = ""

    @property
    def digest(self) -> str:
        """Changes with any of these."""
        return digest_of((self.preferences, self.sources, self.key))

    def files(self) -> dict[str, bytes]:
        """What apt is given, by file name."""
        given = {PREFERENCES: self.preferences, SOURCES: self.sources, "r.asc": self.key}
        return {name: text.encode() for name, text in given.items() if text}


class BaseApt(AbstractContextManager["BaseApt"]):
    """Starts apt in a container of `base` when it is first asked, once for a whole lock.

    Its archives are read by this machine: those of its own apt sources and of `internal_hosts` wherever they are, all
    others on the public internet.
    """

    def __init__(
        self,
        base: BaseImage,
        *,
        internal_hosts: frozenset[str],
        ca_bundle: Path | None,
        r: RApt | None = None,
        observer: Observer = SILENT,
    ) -> None:
        self._base, self._r, self._observer = base, r, observer
        self._internal_hosts, self._ca_bundle = internal_hosts, ca_bundle
        self._resources = ExitStack()
        self._started: OfflineApt | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def candidates(self, packages: Sequence[str]) -> Mapping[str, str]:
        """The version that would be installed of each of `packages`; those that the base's archives lack are left out.

        Raises AptUnavailable, HostError, StoreError.
        """
        names = sorted({name for name in packages if re.fullmatch(r"[a-z0-9][a-z0-9+.-]*", name)})
        return self._apt().candidates(names) if names else {}

    def lock(self, steps: Sequence[DebianStep], previous: DebianLock | None = None) -> DebianLock:
        """The files of each of `steps`, in an order in which each comes after the one below it.

        What `previous` says for the same base is kept: all of it where nothing changed and its files can still be had,
        else that of steps that are the same down to the base, as long as the archives still have those versions.
        Raises AptUnavailable, HostError, StoreError.
        """
        known = {step.name: step for step in previous.steps} if previous and self._is_for(previous) else {}
        same = [step.name for step in steps if step.name in known and known[step.name].step == step]
        if previous is not None and len(same) == len(steps) == len(known):
            gone = self._gone(previous.files())
            if gone is None:
                return previous
            self._observer.note(f"Its archive no longer has {gone}: Debian packages are chosen anew.")
        locked: dict[str, LockedStep] = {}
        if steps:
            self._observer.started(STAGE)
            for step in steps:
                kept = step.below is None or (step.below in locked and locked[step.below] is known.get(step.below))
                found = self._kept(step, known[step.name]) if kept and step.name in same else None
                locked[step.name] = found or self._chosen(step)
            self._observer.finished(STAGE, f"{sum(len(step.files) for step in locked.values())} packages")
        return DebianLock(
            base=self._base.reference,
            image_id=self._base.image_id,
            r_sources=self._r.digest if self._r is not None else "",
            steps=tuple(locked.values()),
        )

    def _is_for(self, lock: DebianLock) -> bool:
        r = self._r.digest if self._r is not None else ""
        return (lock.base, lock.image_id, lock.r_sources) == (self._base.reference, self._base.image_id, r)

    def _gone(self, files: Sequence[DebFile]) -> str | None:
        """The name of a file that is neither in the store nor, as it was locked, in its archive."""
        with Store() as store:
            missing = {
                Wanted(url=file.url, digest=f"sha256:{file.sha256}", size=file.size): file
                for file in files
                if store.path(file.sha256) is None
            }
            if not missing:
                return None
            self._observer.started(STAGE, total=len(missing))
            with client_of_archives(self._internal_hosts, ca_bundle=self._ca_bundle) as client:
                outcomes = fetch(
                    list(missing),
                    store=store,
                    client=client,
                    arrived=lambda wanted: self._observer.advanced(STAGE, missing[wanted].filename),
                )
            self._observer.finished(STAGE, "looked for what is locked")
        gone = (missing[wanted].filename for wanted, outcome in outcomes.items() if isinstance(outcome, NotFetched))
        return min(gone, default=None)

    def _kept(self, step: DebianStep, known: LockedStep) -> LockedStep | None:
        if self._gone(known.files) is not None:
            return None
        try:
            self._apt().take_as_installed(step, known.files)
        except AptUnavailable:
            return None  # the archives have newer ones by now
        return known

    def _chosen(self, step: DebianStep) -> LockedStep:
        try:
            files = self._apt().step(step, PREFERENCES if step.preferences else None)
        except AptUnavailable as error:
            said = error.message.replace(self._base.image_id or self._base.reference, self._base.reference)
            raise AptUnavailable(said, remedy=_REMEDY) from error
        return LockedStep(
            name=step.name, below=step.below, packages=step.packages, preferences=step.preferences, files=files
        )

    def _apt(self) -> OfflineApt:
        if self._started is None:
            with ExitStack() as stack:
                client = stack.enter_context(client_of_archives(self._internal_hosts, ca_bundle=self._ca_bundle))
                store = stack.enter_context(Store())
                given = self._r.files() if self._r is not None else {}
                self._started = stack.enter_context(
                    OfflineApt(self._base.image_id or self._base.reference, client=client, store=store, given=given)
                )
                self._resources = stack.pop_all()
        return self._started
