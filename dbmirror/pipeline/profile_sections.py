"""What dbmirror.toml says of a profile: by the mirrors that are read with it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from dbmirror.config import LoadedConfig, MirrorConfig
from dbmirror.pipeline.mirror_names import profile_of
from dbmirror.workspace.profile_file import profile_names


def keys_by_profile(loaded: LoadedConfig) -> dict[str, tuple[Path, ...]]:
    """The private keys that the mirrors of each profile log in with. Raises ConfigError."""
    known = profile_names()
    found: dict[str, tuple[Path, ...]] = {}
    for name, section in loaded.sections().items():
        if section.ssh.identity_file is not None:
            profile = section.profile or profile_of(name, known)
            found[profile] = (*found.get(profile, ()), section.ssh.identity_file)
    return found


def section_of(given: str, loaded: LoadedConfig) -> MirrorConfig:
    """How clusters of the profile `given` are reached: as its first mirror says that names a key or a host.

    Where there is no such profile, `given` is a mirror's name. Raises ConfigError.
    """
    known = profile_names()
    sections = loaded.sections()
    if given not in known:
        section = sections.get(given)
        return section if section is not None and section.profile else MirrorConfig(profile=given)
    of_it = [section for name, section in sections.items() if (section.profile or profile_of(name, known)) == given]
    section = next((each for each in of_it if each.ssh.identity_file or each.ssh.host), MirrorConfig())
    return msgspec.structs.replace(section, profile=given)
