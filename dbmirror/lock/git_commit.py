"""One commit of a git repository as an archive whose bytes depend on nothing but that commit."""

from __future__ import annotations

import io
import re
import tarfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from dbmirror.files import sha256_hex
from dbmirror.http_client.client import Client
from dbmirror.http_client.limits import PAGE_SECONDS
from dbmirror.http_client.managers import proxy_for
from dbmirror.http_client.refused import Cause, Refused
from dbmirror.inventory.model import DirectUrl
from dbmirror.lock.git_program import LARGEST, PROTOCOLS, Git, OverLimit
from dbmirror.lock.model import GitSource
from dbmirror.mirror_folder.files import write_below
from dbmirror.processes.temporary import temporary_folder

SECONDS = 300.0
"""For one repository in all: 1 GB, the most that is fetched, at 30 Mbit/s."""
MOST_FILES = 100_000
"""Of one commit: a tree that names the same tree many times has no end, and is a few bytes of a pack."""
LONGEST_NAME = 100
"""Bytes of a file's path, on average."""
_REFERENCES = "/info/refs?service=git-upload-pack"
"""What git asks an http server first, below a repository's address."""


def archive_commit(
    origin: DirectUrl,
    *,
    name: str,
    version: str,
    folder: Path,
    client: Client,
    seconds: float = SECONDS,
    limit: int = LARGEST,
) -> GitSource:
    """Fetch exactly the commit that `origin` names and write it to `sources/NAME-COMMIT.tar.gz` in `folder`.

    The archive holds the tree of the commit, without submodules, and a PKG-INFO: there is no history in it from which
    setuptools-scm and its like could tell the `version`. The address is a cluster's word: only where `client` trusts
    it, git gets the user's own configuration, credentials and ssh keys. `limit` is the bytes that git may write,
    `seconds` what all of it may take. Raises Refused where the repository cannot be fetched, is larger or slower, or
    its address or commit is not of a form that is safe to hand to git; nothing is written then.
    """
    url = safe_url(origin.url)
    commit = (origin.commit or "").lower()
    if not re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", commit):
        raise Refused("the cluster does not record the full commit that it was installed from")
    inside = _safe_subdirectory(origin.subdirectory)
    with temporary_folder("git") as temporary:
        end = time.monotonic() + seconds
        place = repository_at(url, client, seconds)
        trusted = client.logins.trusts(place)
        git = Git(
            folder=temporary,
            home=None if trusted else temporary,
            addresses=() if trusted else _addresses(place, client),
            ca_bundle=client.ca_bundle,
            end=end,
            seconds=seconds,
            limit=limit,
        )
        # The user's configuration is for the way to the server. In it a file of the commit (.gitattributes) would find
        # programs to run on the files (git-lfs and its like), and the archive would be another on each machine.
        alone = replace(git, home=temporary)
        alone.run("init", "--quiet", "--bare", "--template=")
        _fetch(git, place, commit)
        _check_tree(alone, commit)
        tree = alone.run("archive", "--format=tar", commit)
        root = f"{name}-{commit}"
        content = _pack(tree, root=root, inside=inside, name=name, version=version, folder=temporary)
    path = f"sources/{name}-{commit}.tar.gz"
    write_below(folder, {path: content})
    return GitSource(url=url, commit=commit, path=path, sha256=sha256_hex(content), subdirectory=origin.subdirectory)


def safe_url(url: str) -> str:
    """`url` without credentials, if git may be given it. Raises Refused for any other protocol and for anything odd."""
    stripped = url.removeprefix("git+")
    try:
        parts = urlsplit(stripped)
        host = parts.hostname or ""
    except ValueError as error:
        raise Refused("its repository has no usable address") from error
    if parts.scheme not in PROTOCOLS or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\]", host):
        raise Refused("its repository is not at an http, https or ssh address")
    if not re.fullmatch(r"[!-~]+", stripped) or parts.query or parts.fragment:
        raise Refused("its repository has no usable address")
    user, at, place = parts.netloc.rpartition("@")
    login = user.partition(":")[0]
    if parts.scheme == "ssh" and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", login):
        place = login + at + place
    return parts._replace(netloc=place).geturl()


def _safe_subdirectory(subdirectory: str | None) -> PurePosixPath:
    path = PurePosixPath(subdirectory or ".")
    if path.is_absolute() or ".." in path.parts:
        raise Refused("the cluster records a folder outside of the repository")
    return path


def repository_at(url: str, client: Client, seconds: float) -> str:
    """Where the repository is that `url` names, once its redirects are followed: git itself follows none.

    Raises Refused where that is nothing that a cluster may make this machine ask.
    """
    if urlsplit(url).scheme == "ssh":
        if not client.logins.trusts(url):
            raise Refused("its repository is at an ssh address, where it would be asked with this machine's keys")
        return url
    try:
        place = client.final_address(url.rstrip("/") + _REFERENCES, seconds=min(PAGE_SECONDS, seconds))
    except Refused as refusal:
        raise Refused(f"its repository {refusal}", cause=refusal.cause) from refusal
    if not place.endswith(_REFERENCES):
        raise Refused("its repository redirects to a place that is none")
    return safe_url(place.removesuffix(_REFERENCES))


def _addresses(url: str, client: Client) -> tuple[str, ...]:
    """The addresses that git may reach the repository at; none behind a proxy, which looks them up. Raises Refused."""
    try:
        found = client.allowed_addresses(url)
    except Refused as refusal:
        raise Refused(f"its repository {refusal}", cause=refusal.cause) from refusal
    if not found and proxy_for(url) is None:
        # A name that could be looked up a moment ago: git must not be the one to whom another answer is given.
        raise Refused("its repository cannot be reached: its host name is unknown", cause=Cause.DNS)
    return found


def _fetch(git: Git, url: str, commit: str) -> None:
    """Get the commit alone where the server allows it, else all branches and tags, one of which must hold it."""
    parts = urlsplit(url)
    host = (parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443))
    start = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]
    try:
        git.run(*start, "--depth=1", "--", url, commit, host=host)
    except OverLimit:
        raise
    except Refused:
        everything = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        git.run(*start, "--", url, *everything, host=host)
    try:
        git.run("cat-file", "-e", f"{commit}^{{commit}}")
    except Refused as error:
        raise Refused(f"its repository no longer has the commit {commit[:12]}") from error


def _check_tree(git: Git, commit: str) -> None:
    """Raise Refused where the commit's tree has more files than a package has.

    Before it is archived: git puts the archive's whole list of files together in memory.
    """
    listing = git.run("ls-tree", "-r", "-z", "--name-only", commit, limit=MOST_FILES * LONGEST_NAME)
    if listing.read_bytes().count(b"\0") > MOST_FILES:
        raise Refused(f"its repository has more than {MOST_FILES} files", cause=Cause.TOO_LARGE)


def _pack(tree: Path, *, root: str, inside: PurePosixPath, name: str, version: str, folder: Path) -> bytes:
    """`tree` (a tar file) below the folder `root`, sorted, without owners and times, compressed without a time."""
    packed = folder / "packed"
    information = (inside / "PKG-INFO").as_posix()
    with tarfile.open(tree, mode="r:") as source, tarfile.open(packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        members = {member.name: member for member in _members(source)}
        content = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
        for path in sorted(members.keys() | {information}):
            member = members.get(path)
            entry = tarfile.TarInfo(f"{root}/{path}")
            entry.mode = 0o755 if member is not None and member.mode & 0o100 else 0o644
            if member is not None and member.issym():
                entry.type, entry.linkname = tarfile.SYMTYPE, member.linkname
            entry.size = 0 if entry.issym() else len(content) if member is None else member.size
            archive.addfile(
                entry,
                io.BytesIO(content) if member is None else source.extractfile(member) if member.isfile() else None,
            )
    compressor = zlib.compressobj(9, wbits=31)
    pieces = []
    with packed.open("rb") as stream:
        while piece := stream.read(1 << 20):
            pieces.append(compressor.compress(piece))
    return b"".join([*pieces, compressor.flush()])


def _members(source: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The files and links of the tree. Raises Refused where one has a path that leaves it."""
    for member in source:
        if ".." in PurePosixPath(member.name).parts or member.name.startswith("/"):
            raise Refused("its repository has a file that lies outside of it")
        if member.isfile() or member.issym():
            yield member
