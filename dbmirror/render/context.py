"""A build context as a value: file names and their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from dbmirror.mirror_folder.files import write_below
from dbmirror.mirror_folder.trees import files_below, remove_others_below


@dataclass(frozen=True, slots=True)
class BuildContext:
    """The files that `docker buildx build` is given."""

    files: Mapping[str, bytes]
    """Relative POSIX path to content."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MappingProxyType(dict(sorted(self.files.items()))))

    def write(self, folder: Path) -> tuple[str, ...]:
        """Write every file below `folder`, each atomically; the names of those that changed.

        What else lies in the folder is removed: it is of an earlier context.
        `folder` lies in a mirror's folder: raises NotPlain at a link in it, UsageError where it cannot be written.
        """
        mirror, place = folder.parent, folder.name
        # What else lies there is looked at first, so that a link anywhere in it leaves all as it is.
        files_below(mirror, place)
        written = write_below(mirror, {f"{place}/{name}": content for name, content in self.files.items()})
        removed = remove_others_below(mirror, place, self.files)
        return (*(name.removeprefix(f"{place}/") for name in written), *removed)
