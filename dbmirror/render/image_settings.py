"""What a mirror's configuration says about its image, apart from the lock."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dbmirror.config import Waiver
from dbmirror.render.errors import RenderError

_LOCATION = re.compile(
    r"(?P<uri>https?://[A-Za-z0-9._~:/%-]+) "
    r"(?P<suite>(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]*)(?P<components>( [a-z-]+)*)",
    re.ASCII,
)
_KEY = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\n[A-Za-z0-9+/=:., ()\n-]+-----END PGP PUBLIC KEY BLOCK-----\n?", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RAptRepository:
    """An apt repository that has the cluster's R, where the base's own distribution has another one."""

    location: str
    """`URI SUITE [COMPONENT …]`, as in apt's sources: `https://cran.example/bin/linux/ubuntu noble-cran40/`."""
    key: str | None = None
    """The repository's public key, in ASCII armour; None where the base trusts it already."""

    def sources(self, key: str = "") -> str:
        """The repository as a `.sources` file of apt, which finds its key, if it has one, in the file `key`.

        Raises RenderError where the location or the key has not its form.
        """
        match = _LOCATION.fullmatch(self.location)
        if match is None:
            raise RenderError(
                f"{self.location[:100]!r} is no apt repository.",
                remedy="Write 'apt_repository' in the [r] section as in apt's sources: 'https://HOST/PATH SUITE/', "
                "without credentials.",
            )
        if self.key is not None and not _KEY.fullmatch(self.key):
            raise RenderError(
                "The key of the apt repository for R is no public key in ASCII armour.",
                remedy="Export it with 'gpg --armor --export', and name that file in 'apt_key' of the [r] section.",
            )
        lines = ["Types: deb", f"URIs: {match['uri']}", f"Suites: {match['suite']}"]
        if match["components"]:
            lines.append(f"Components:{match['components']}")
        if self.key is not None:
            lines.append(f"Signed-By: {key}")
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """Choices that the lock does not hold."""

    waivers: tuple[Waiver, ...] = ()
    """Rules that cannot hold for this image; they stand on its label."""
    r_repository: RAptRepository | None = None
    """Where R itself comes from, if not from the base's own apt sources."""
