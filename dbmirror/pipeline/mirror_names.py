"""What a mirror of a Databricks profile is called: a profile may have any name, a folder and an image may not."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from dbmirror.config import MIRROR_NAME_FORM, LoadedConfig, is_mirror_name
from dbmirror.errors import UsageError
from dbmirror.foreign_text.characters import shown
from dbmirror.workspace.profile_file import profile_file, profile_names

NO_MIRROR: Final = "none"
"""Stands for the mirror where a command works for none, as `diff` of two files does."""
_LONGEST = 100


class NameTaken(UsageError):
    """Two profiles would have mirrors of one name."""


class NameUnusable(UsageError):
    """No mirror can be called so, and no profile is."""


class MirrorUnknown(UsageError):
    """Neither a mirror nor a profile is called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A mirror, and the profile that it was named by."""

    mirror: str
    """What its folder, image and containers are called."""
    profile: str | None
    """None where the name is a mirror's own."""

    @property
    def is_derived(self) -> bool:
        """Whether the mirror is called otherwise than its profile."""
        return self.profile is not None and self.profile != self.mirror


def name_mirror(given: str, profiles: Collection[str] | None = None) -> Named:
    """The mirror that is meant by `given`, a mirror's name or any profile's (None: those of this machine).

    Raises NameTaken where another profile would have the same mirror, NameUnusable where nothing can be called so.
    """
    known = profile_names() if profiles is None else profiles
    if is_mirror_name(given):
        return Named(mirror=given, profile=given if given in known else None)
    derived = derived_name(given)
    if given not in known:
        raise NameUnusable(
            f"{shown(given)!r} is no profile, and cannot be a mirror's name.",
            remedy=f"'dbmirror profiles' lists the profiles. A mirror's name has {MIRROR_NAME_FORM}.",
        )
    if derived is None:
        raise NameUnusable(
            f"No name for a mirror can be made of the profile {shown(given)!r}.",
            remedy=f"Give it one in dbmirror.toml: a section [mirrors.NAME] with profile = {_quoted(given)}. NAME "
            f"has {MIRROR_NAME_FORM}.",
        )
    _require_only(given, derived, known)
    return Named(mirror=derived, profile=given)


def require_known(mirror: str, loaded: LoadedConfig) -> None:
    """Raise MirrorUnknown where there is no section, no folder and no profile of which `mirror` could be."""
    sections, profiles = loaded.sections(), profile_names()
    if (
        mirror in {NO_MIRROR, *sections}
        or profile_of(mirror, profiles) in profiles
        or loaded.mirror_folder(mirror).exists()
    ):
        return
    if os.environ.get("DATABRICKS_HOST"):
        # Without profiles the environment names the workspace, as in all of Databricks' tools.
        return
    known = {"mirrors": sections, "profiles": tuple(map(shown, profiles))}
    lists = " and ".join(f"the {kind} {', '.join(names)}" for kind, names in known.items() if names)
    raise MirrorUnknown(
        f"There is no profile {mirror!r} in {profile_file()}, and no mirror of that name here.",
        remedy=f"Known are {lists}."
        if lists
        else f"Make one with 'databricks auth login --profile {mirror}', or try a stand-in: 'dbmirror sandbox up'.",
    )


def profile_of(mirror: str, profiles: Collection[str] | None = None) -> str:
    """The profile of a mirror without a section: the one of its name, else the only one that its name is derived of.

    Where there is none it is the mirror's own name. Raises NameTaken where several are meant.
    """
    known = profile_names() if profiles is None else profiles
    if mirror in known:
        return mirror
    meant = sorted(profile for profile in known if derived_name(profile) == mirror)
    if len(meant) > 1:
        raise _taken(meant[0], meant[1], mirror)
    return meant[0] if meant else mirror


def derived_name(profile: str) -> str | None:
    """`PROD-EU` as `prod-eu`, `My Team's` as `my-team-s`; None where nothing of it can stand in a name."""
    plain = unicodedata.normalize("NFKD", profile).encode("ascii", "ignore").decode().lower()
    joined = re.sub(r"[^a-z0-9]+", lambda found: found[0] if found[0] in {".", "_", "-"} else "-", plain)
    name = joined.strip("._-")[:_LONGEST].rstrip("._-")
    return name if is_mirror_name(name) else None


def _require_only(profile: str, derived: str, known: Collection[str]) -> None:
    for other in sorted(known):
        if other != profile and derived in {other, derived_name(other)}:
            raise _taken(profile, other, derived)


def _taken(profile: str, other: str, mirror: str) -> NameTaken:
    return NameTaken(
        f"The profiles {shown(profile)!r} and {shown(other)!r} would both have the mirror {mirror}.",
        remedy="Name one of them in dbmirror.toml, in a [mirrors.NAME] section of another NAME with profile = "
        f"{_quoted(profile)}.",
    )


def _quoted(name: str) -> str:
    escaped = shown(name).replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))
    return f'"{escaped}"'
