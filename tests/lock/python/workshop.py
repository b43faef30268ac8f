"""What makes locks in tests, and what is looked up in them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dbmirror.filters.model import Selection
from dbmirror.inventory.model import Distribution, Inventory
from dbmirror.lock.fates import Fate
from dbmirror.lock.model import BaseImage, Lock, LockedPackage
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.make import make_lock
from dbmirror.snapshot import Snapshot

Installed = Callable[..., Distribution]
Inventories = Callable[..., Inventory]


class Workshop:
    """Makes locks of a cluster's inventory against a loopback index."""

    def __init__(
        self,
        index: Index,
        folder: Path,
        base: BaseImage,
        cluster: Callable[..., Snapshot],
        keep_all: Callable[..., Selection],
    ) -> None:
        self.index, self.folder, self.base = index, folder, base
        self.cluster, self.keep_all = cluster, keep_all

    def lock(
        self, found: Inventory, *, drop: frozenset[str] = frozenset(), on: Inventory | None = None, **more: Any
    ) -> Lock:
        snapshot = self.cluster(found)
        return make_lock(
            self.keep_all(snapshot, drop=drop),
            snapshot,
            runtime="15.4",
            base=more.pop("base", self.base),
            base_inventory=on,
            index=more.pop("index", self.index),
            folder=self.folder,
            **more,
        )


def package(lock: Lock, name: str) -> LockedPackage:
    return next(package for package in lock.packages if package.name == name)


def fate(lock: Lock, name: str) -> Fate:
    return next(fate for fate in lock.fates if fate.name == name)


def apt(**candidates: str) -> Callable[[Sequence[str]], Mapping[str, str]]:
    return lambda packages: {p: candidates[p.replace("-", "_")] for p in packages if p.replace("-", "_") in candidates}
