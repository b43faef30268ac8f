"""Which index's file a package comes from, by the rule of the index settings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pypi_simple import DistributionPackage, Link

from dbmirror.lock.model import Target
from dbmirror.lock.python.candidates import NoFile, choose, preference
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_location import IndexLocation
from dbmirror.lock.python.index_settings import Choice, IndexGroup


@dataclass(frozen=True, slots=True)
class Offer:
    """A file, and the index that has it."""

    file: DistributionPackage
    location: IndexLocation
    others: tuple[IndexLocation, ...] = ()
    """Indexes that have a file of that name with another content, and were not taken."""


def search_all(
    name: str, version: str, *, index: Index, target: Target, hashes: Collection[str] | None = None
) -> Offer | NoFile:
    """The file for `name` at `version` of the indexes and of the places of files beside them, as uv and pip take it.

    The file that fits best; of equal ones uv takes that of a place, pip that of an index. A folder cannot be read by a
    build: what it has is taken from no index in its stead where uv would take it from the folder. Raises as `search`.
    """
    settings = index.settings
    offer = search(name, version, index=index, target=target, groups=settings.groups_for(name), hashes=hashes)
    if hashes is not None and isinstance(offer, Offer):
        return offer
    for place in settings.places_for(name):
        found = _at_place(name, version, place, index=index, target=target, hashes=hashes)
        if found is None:
            continue
        if not isinstance(offer, Offer):
            return found
        if isinstance(found, NoFile):
            if settings.places_win:
                return found
            continue
        ours, theirs = preference(found.file, target), preference(offer.file, target)
        if ours > theirs or (ours == theirs and settings.places_win):
            return found
    return offer


def _at_place(
    name: str, version: str, place: IndexLocation, *, index: Index, target: Target, hashes: Collection[str] | None
) -> Offer | NoFile | None:
    """What the page or the folder has of that version; None where it has nothing that fits."""
    if place.folder is not None:
        names = [each.name for each in place.folder.iterdir()] if place.folder.is_dir() else []
        files = tuple(DistributionPackage.from_link(Link(text=each, url=each, attrs={})) for each in names)
        held = isinstance(choose(name, version, files, target), DistributionPackage)
        return NoFile(f"the folder {place.folder} has it, which a build cannot read") if held else None
    offered = index.page(place)
    if hashes is not None:
        offered = tuple(file for file in offered if file.digests.get("sha256", "").lower() in hashes)
    chosen = choose(name, version, offered, target)
    return Offer(chosen, place) if isinstance(chosen, DistributionPackage) else None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one index says."""

    location: IndexLocation
    knows: bool
    chosen: DistributionPackage | NoFile

    @property
    def reason(self) -> str:
        """Why it does not serve, with its name."""
        return f"the index at {self.location.host} {self.chosen.reason}" if isinstance(self.chosen, NoFile) else ""


def search(
    name: str,
    version: str,
    *,
    index: Index,
    target: Target,
    groups: Sequence[IndexGroup],
    hashes: Collection[str] | None = None,
) -> Offer | NoFile:
    """The file for `name` at `version`, or why there is none: the first group that knows the name decides.

    With `hashes` (SHA-256) a file of one of them alone, whichever index has it. Raises IndexUnreachable where an index
    that has to be asked gives no answer, or one that is no word on the package.
    """
    reasons: list[str] = []
    for group in groups:
        answers = []
        for answer in _ask(name, version, group, index=index, target=target, hashes=hashes):
            answers.append(answer)
            found = isinstance(answer.chosen, DistributionPackage)
            if found if hashes is not None else answer.knows and group.choice is Choice.FIRST_INDEX:
                break
        reasons += [answer.reason for answer in answers if answer.reason]
        offer = _offer(answers, group.choice, target)
        if offer is not None:
            return offer
        if hashes is None and any(answer.knows for answer in answers):
            break
    return NoFile("; ".join(reasons))


def _ask(
    name: str, version: str, group: IndexGroup, *, index: Index, target: Target, hashes: Collection[str] | None
) -> Iterator[_Answer]:
    for location in group.indexes:
        if location.folder is not None:
            if (location.folder / name).is_dir():
                yield _Answer(location, True, NoFile("has it, which is a folder that a build cannot read"))
            else:
                yield _Answer(location, False, NoFile("does not have it"))
            continue
        offered = index.project(location, name)
        if offered is None:
            yield _Answer(location, False, NoFile("does not have it"))
            continue
        if hashes is not None:
            offered = tuple(file for file in offered if file.digests.get("sha256", "").lower() in hashes)
        yield _Answer(location, True, choose(name, version, offered, target))


def _offer(answers: Sequence[_Answer], choice: Choice, target: Target) -> Offer | None:
    """The first file, or by pip's rule the one that fits best, of equal ones that of the last index."""
    offers = [(answer.chosen, answer.location) for answer in answers if isinstance(answer.chosen, DistributionPackage)]
    if not offers:
        return None
    file, location = offers[0]
    if choice is Choice.BEST_FILE:
        file, location = max(reversed(offers), key=lambda offer: preference(offer[0], target))
    others = tuple(
        where
        for other, where in offers
        if other is not file and other.filename == file.filename and other.digests != file.digests
    )
    return Offer(file, location, others)
