"""The facts that the rules judge by, gathered once; a rule runs nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbmirror.engine.images import ImageFacts
from dbmirror.filters.flavour import Flavour
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Distribution, Inventory
from dbmirror.lock.fates import Fate
from dbmirror.lock.model import Lock
from dbmirror.lock.r.model import RLock
from dbmirror.runtimes.model import Runtime
from dbmirror.snapshot import Snapshot
from dbmirror.verify.r_facts import RFacts
from dbmirror.verify.system_facts import SystemFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One image under test, and what it is held against."""

    image: ImageFacts
    history: tuple[str, ...]
    """The instructions that made the image, lowest layer first."""
    system: SystemFacts
    smoke: Mapping[str, str | None]
    """The modules of rule L10 to the last line of the traceback; None where one imported."""
    inventory: Inventory
    """Of the image."""
    lock: Lock
    snapshot: Snapshot
    runtime: Runtime
    flavour: Flavour = Flavour.PYTHON
    r_lock: RLock | None = None
    r: RFacts | None = None
    """What R in the image says; None for an image without R."""

    def installed(self, name: str) -> str | None:
        """The effective version of a distribution in the image; None where it has none."""
        found = self.inventory.effective().get(name)
        return found.version if found else None

    def on_cluster(self, name: str, *, layer: Layer | None = None) -> Distribution | None:
        """A distribution of the cluster: in `layer`, else in any, the nearest first."""
        inventory = self.snapshot.inventory
        if layer is None:
            return inventory.effective().get(name)
        return next((d for d in inventory.distributions if d.name == name and d.layer is layer), None)

    def fates(self, name: str) -> tuple[Fate, ...]:
        """What the lock says of a name."""
        return tuple(fate for fate in self.lock.fates if fate.name == name)
