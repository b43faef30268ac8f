"""The Debian packages of a lab: what its own images have on top of the mirror's image and of its base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from dbmirror.fetch.store import Store
from dbmirror.http_client.client import Client
from dbmirror.inventory.model import Text
from dbmirror.lock.debs.model import DebFile
from dbmirror.lock.debs.offline import OfflineApt

PYTHON: Final = "debian-python"
"""The mirror's Python, on a bare base: JupyterLab's environment is made with it."""
TUNNEL: Final = "debian-tunnel"
"""What the tunnel's image has on top of the base."""
LAB: Final = "debian-lab"
"""What the lab's image has on top of the mirror's."""
R_KERNEL: Final = "debian-irkernel"
"""IRkernel and what it needs beside the mirror's R."""


class LabDebs(Struct, frozen=True, kw_only=True):
    """The files of each group, and for whom they were chosen."""

    image: Text
    """The tag of the mirror's image."""
    base: Text
    wanted: dict[Text, tuple[Text, ...]]
    """The names that each group was asked for; IRkernel's is asked for by itself."""
    files: dict[Text, tuple[DebFile, ...]]
    """Those and all that they need and the image lacks, by group."""
    no_r_kernel: Text | None = None
    """Why there is no R kernel, although the mirror has R."""


def choose_debs(wanted: Mapping[str, Sequence[str]], *, image: str, base: str, client: Client, store: Store) -> LabDebs:
    """The files of the packages `wanted` by group: those of LAB for the mirror's `image`, the others for its `base`.

    Both have to be in the engine. Raises AptUnavailable, HostError, StoreError.
    """
    files: dict[str, tuple[DebFile, ...]] = {}
    with OfflineApt(base, client=client, store=store) as apt:
        for group in wanted.keys() - {LAB}:
            files[group] = apt.install(wanted[group])
    with OfflineApt(image, client=client, store=store) as apt:
        files[LAB] = apt.install(wanted[LAB])
        kernel = apt.irkernel()
    files[R_KERNEL] = kernel.files
    return LabDebs(
        image=image,
        base=base,
        wanted={group: tuple(names) for group, names in sorted(wanted.items())},
        files=dict(sorted(files.items())),
        no_r_kernel=kernel.left_out,
    )


def serve(debs: LabDebs, wanted: Mapping[str, Sequence[str]], *, image: str, base: str) -> bool:
    """Whether `debs` were chosen for these images and names."""
    asked = {group: tuple(names) for group, names in wanted.items()}
    return (debs.image, debs.base, debs.wanted) == (image, base, asked) and debs.files.keys() == {*wanted, R_KERNEL}


def sums(files: Sequence[DebFile]) -> str:
    """What `sha256sum --check` reads."""
    return "".join(f"{file.sha256}  {file.filename}\n" for file in files)
