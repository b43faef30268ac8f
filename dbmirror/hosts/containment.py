"""Confines a container that runs foreign code: no network, no rights, nothing to write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from docker.types import Ulimit

if TYPE_CHECKING:
    from docker import DockerClient

PROCESSES: Final = 4096
"""Processes and threads of one container. Numerical libraries start one a processor at import, several imports run at
once; a fork bomb of this size leaves the machine usable."""
MEMORY: Final = 8 << 30
"""Bytes of memory at most: several imports of the largest packages at once."""
MEMORY_SHARE: Final = 0.75
"""The part of the engine's memory that a container may have on a smaller machine."""
SCRATCH: Final = ("/tmp", "/var/tmp", "/run")  # noqa: S108 - inside the container
"""Folders that programs expect to write in; nothing of them outlives the container."""
SCRATCH_SIZE: Final = "512m"
"""Size of one such folder, which counts as the container's memory."""


def confinement(
    connected: DockerClient,
    image: str,
    *,
    network: str | None = None,
    writable: Sequence[str] = (),
    capabilities: Sequence[str] = (),
) -> dict[str, Any]:
    """The arguments of the SDK's `containers.create` for a container of `image`, besides what it runs.

    Its root file system is read-only, and the volumes that the image declares are empty: `writable` are folders in
    memory. It has no capability but `capabilities`, and no network but `network`. Raises what the SDK raises.
    """
    attributes = connected.images.get(image).attrs
    volumes = sorted((attributes.get("Config") or {}).get("Volumes") or {})
    # Engines that cannot tell their memory say 0.
    machine = int(connected.info().get("MemTotal") or 0)
    memory = min(MEMORY, int(machine * MEMORY_SHARE)) if machine else MEMORY
    return {
        "network_mode": network or "none",
        "cap_drop": ["ALL"],
        "cap_add": list(capabilities),
        "security_opt": ["no-new-privileges:true"],
        "read_only": True,
        "tmpfs": {
            # An image's VOLUME would be a folder of this machine's disk, without a limit: it is empty here.
            **dict.fromkeys(volumes, "ro,size=4k"),
            **dict.fromkeys(writable, f"rw,exec,nosuid,nodev,size={SCRATCH_SIZE},mode=1777"),
        },
        "pids_limit": PROCESSES,
        "mem_limit": memory,
        "memswap_limit": memory,
        "ulimits": [Ulimit(name="core", soft=0, hard=0)],
        "healthcheck": {"test": ["NONE"]},
        "working_dir": "/",
    }
