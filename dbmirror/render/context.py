"""A build context as a value: file names and their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from dbmirror.files import write_atomically


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
        Raises UsageError where the folder cannot be written.
        """
        changed = [name for name, content in self.files.items() if write_atomically(folder / name, content)]
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and name not in self.files:
                path.unlink()
                changed.append(name)
        return tuple(changed)
