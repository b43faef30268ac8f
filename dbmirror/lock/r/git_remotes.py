"""R packages that the cluster installed from a git repository: the commit that their `Remote*` fields name."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from dbmirror.foreign_text.decoding import convert
from dbmirror.http_client.client import Client
from dbmirror.http_client.refused import Refused
from dbmirror.inventory.model import DirectUrl, RPackage
from dbmirror.lock.git_commit import archive_commit
from dbmirror.lock.model import Missing
from dbmirror.lock.r.model import RGitSource
from dbmirror.lock.r.sources import RFound
from dbmirror.mirror_folder.files import write_below
from dbmirror.mirror_folder.names import R_SOURCES
from dbmirror.processes.temporary import temporary_folder

_FORGES = {"github": "github.com", "gitlab": "gitlab.com", "bitbucket": "bitbucket.org"}
"""RemoteType to the host that is meant where RemoteHost does not stand beside it."""
_PLAIN = frozenset({"git", "git2r", "xgit"})
_FROM_REPOSITORIES = frozenset({"", "standard", "cran", "bioc", "bioconductor", "repository"})
"""Values of RemoteType that installers write for packages of a repository."""


def remote_type(package: RPackage) -> str:
    """`git` for a commit of a git repository, `repository` for a CRAN-like one, else the RemoteType as it stands."""
    kind = dict(package.remote).get("RemoteType", "").lower()
    if kind in _FORGES or kind in _PLAIN:
        return "git"
    return "repository" if kind in _FROM_REPOSITORIES else kind


def from_git(package: RPackage, *, folder: Path, client: Client) -> RFound | Missing:
    """The commit that the cluster installed, archived in r-sources/ of `folder`; else why it is missing."""
    fields = dict(package.remote)
    try:
        origin = convert(
            {
                "url": remote_url(fields),
                "vcs": "git",
                "commit": fields.get("RemoteSha") or None,
                "subdirectory": fields.get("RemoteSubdir") or None,
            },
            DirectUrl,
        )
        with temporary_folder("git") as temporary:
            made = archive_commit(origin, name=package.name, version=package.version, folder=temporary, client=client)
            content = (temporary / made.path).read_bytes()
    except msgspec.ValidationError:
        return Missing(reason="the cluster does not record the full commit that it was installed from")
    except Refused as refusal:
        return Missing(reason=str(refusal))
    path = f"{R_SOURCES}/{package.name}-{made.commit}.tar.gz"
    write_below(folder, {path: content})
    source = RGitSource(url=made.url, commit=made.commit, path=path, sha256=made.sha256, subdirectory=made.subdirectory)
    return RFound(source=source, reason=f"The commit that the cluster installed, from {made.url}")


def remote_url(fields: dict[str, str]) -> str:
    """The repository that the `Remote*` fields name. Raises Refused where they name none."""
    kind = fields.get("RemoteType", "").lower()
    if kind in _PLAIN:
        if url := fields.get("RemoteUrl"):
            return url
        raise Refused("the cluster does not record the address of its repository")
    user, repository = fields.get("RemoteUsername", ""), fields.get("RemoteRepo", "")
    # The host is that of the forge's API: api.HOST, or HOST/api/v3 for one of a company's own.
    host = re.sub(r"\Aapi\.", "", fields.get("RemoteHost", "").removeprefix("https://").partition("/")[0])
    host = host or _FORGES[kind]
    # A group of a forge may lie in another one; a repository's name holds no slash.
    if not re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", user) or not re.fullmatch(r"[\w.-]+", repository):
        raise Refused("the cluster does not record the name of its repository")
    return f"https://{host}/{user}/{repository}"
