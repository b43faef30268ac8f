"""Whether workspaces answer, and as whom: each is asked side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dbmirror.errors import DbmirrorError
from dbmirror.parallel import side_by_side
from dbmirror.workspace import shell_login
from dbmirror.workspace.answers import ask, text
from dbmirror.workspace.clusters import clearly
from dbmirror.workspace.profile_file import profile_files, sections
from dbmirror.workspace.profiles import client

_ME: Final = "/api/2.0/preview/scim/v2/Me"
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What came of asking one workspace."""

    user: str = ""
    """Who the login is, as the workspace says; empty where it did not answer well."""
    problem: str = ""
    """Why not, in a sentence."""
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether the workspace answered, and takes the login."""
        return not self.problem


def ask_each(profiles: Iterable[str], *, ca_bundle: Path | None = None) -> Mapping[str, Reached]:
    """What the workspace of each of `profiles` answers, by the profile's name."""
    known = {name: section for file in reversed(profile_files()) for name, section in sections(file).items()}
    alike: dict[frozenset[str], list[str]] = defaultdict(list)
    for profile in dict.fromkeys(profiles):
        alike[shell_login.foreign_to(known.get(profile))].append(profile)
    found: dict[str, Reached] = {}
    for variables, names in alike.items():
        # The environment is one for all threads: it is changed before they start, and not in them.
        with shell_login.without(variables):
            found |= side_by_side(lambda name: _ask(name, ca_bundle), names, workers=_AT_ONCE, name="workspace")
    return found


def _ask(profile: str, ca_bundle: Path | None) -> Reached:
    try:
        w = client(profile, ca_bundle=ca_bundle)
        with clearly(w):
            answer = ask(w, _ME, {})
    except DbmirrorError as error:
        return Reached(problem=error.message, remedy=error.remedy)
    return Reached(user=text(answer, "userName") or text(answer, "displayName") or "somebody")
