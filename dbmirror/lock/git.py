"""One commit of a git repository as an archive whose bytes depend on nothing but that commit."""

from __future__ import annotations

import gzip
import io
import os
import re
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from dbmirror.files import sha256_hex, write_atomically
from dbmirror.inventory.model import DirectUrl
from dbmirror.lock.model import GitSource
from dbmirror.lock.project_page import Refused

PROTOCOLS = ("http", "https", "ssh")
DEADLINE = 180.0
"""Seconds for one git command."""


class _TooLate(Refused):
    """Git had no answer in time; there is no use in asking for more."""


def archive_commit(
    origin: DirectUrl,
    *,
    name: str,
    version: str,
    folder: Path,
    ca_bundle: Path | None = None,
    deadline: float = DEADLINE,
) -> GitSource:
    """Fetch exactly the commit that `origin` names and write it to `sources/NAME-COMMIT.tar.gz` in `folder`.

    The archive holds the tree of the commit, without submodules, and a PKG-INFO: there is no history in it from which
    setuptools-scm and its like could tell the `version`. Raises Refused where the repository cannot be had, or its
    address or commit is not of a form that is safe to hand to git; nothing is written then.
    """
    url = safe_url(origin.url)
    commit = (origin.commit or "").lower()
    if not re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", commit):
        raise Refused("the cluster does not record the full commit that it was installed from")
    inside = _safe_subdirectory(origin.subdirectory)
    with tempfile.TemporaryDirectory(prefix="dbmirror-git-") as temporary:
        repository = Path(temporary) / "repository.git"
        _git(["init", "--quiet", "--bare", "--template=", str(repository)], ca_bundle=ca_bundle, deadline=deadline)
        _fetch(repository, url, commit, ca_bundle=ca_bundle, deadline=deadline)
        tree = _git(
            ["--git-dir", str(repository), "archive", "--format=tar", commit], ca_bundle=ca_bundle, deadline=deadline
        )
    content = _pack(tree, root=f"{name}-{commit}", inside=inside, name=name, version=version)
    path = f"sources/{name}-{commit}.tar.gz"
    write_atomically(folder / path, content)
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


def _fetch(repository: Path, url: str, commit: str, *, ca_bundle: Path | None, deadline: float) -> None:
    """Get the commit alone where the server allows it, else all branches and tags, one of which must hold it."""
    start = ["--git-dir", str(repository), "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]
    try:
        _git([*start, "--depth=1", "--", url, commit], ca_bundle=ca_bundle, deadline=deadline)
    except _TooLate:
        raise
    except Refused:
        everything = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        _git([*start, "--", url, *everything], ca_bundle=ca_bundle, deadline=deadline)
    try:
        _git(
            ["--git-dir", str(repository), "cat-file", "-e", f"{commit}^{{commit}}"],
            ca_bundle=ca_bundle,
            deadline=deadline,
        )
    except Refused as error:
        raise Refused(f"its repository no longer has the commit {commit[:12]}") from error


def _git(arguments: Sequence[str], *, ca_bundle: Path | None, deadline: float) -> bytes:
    """Run git without hooks, prompts or any protocol but those allowed; its output. Raises Refused where it fails."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key == "GIT_SSH_COMMAND"},
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS),
        "LC_ALL": "C",
    }
    environment.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    if ca_bundle is not None:
        environment["GIT_SSL_CAINFO"] = str(ca_bundle)
    settings = ["-c", f"core.hooksPath={os.devnull}", "-c", "gc.auto=0", "-c", "core.fsmonitor=false"]
    try:
        process = subprocess.Popen(
            ["git", *settings, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise Refused("git is not installed on this machine") from error
    with process:
        try:
            output, complaint = process.communicate(timeout=deadline)
        except BaseException as error:
            # git talks to the network in a child of its own, which a signal to git alone would leave behind.
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise _TooLate(f"its repository gave no answer within {deadline:g} s") from error
            raise
    if process.returncode:
        raise Refused(f"git failed ({_last_line(complaint)})")
    return output


def _last_line(complaint: bytes) -> str:
    lines = [line for line in complaint.decode("utf-8", "replace").splitlines() if line.strip()]
    text = re.sub(r"//[^/\s]+@", "//", lines[-1] if lines else "without a word")
    return "".join(character if character.isprintable() else "?" for character in text)[:200]


def _pack(tree: bytes, *, root: str, inside: PurePosixPath, name: str, version: str) -> bytes:
    """`tree` (a tar file) below the folder `root`, sorted, without owners and times, compressed without a time."""
    members: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(tree)) as source:
        for member in source:
            if member.isfile() or member.issym():
                stream = source.extractfile(member) if member.isfile() else None
                members[member.name] = (member, stream.read() if stream else b"")
    information = (inside / "PKG-INFO").as_posix()
    if information not in members:
        content = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
        members[information] = (tarfile.TarInfo(information), content)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(members):
            member, content = members[path]
            entry = tarfile.TarInfo(f"{root}/{path}")
            entry.mode = 0o755 if member.mode & 0o100 else 0o644
            if member.issym():
                entry.type, entry.linkname = tarfile.SYMTYPE, member.linkname
            else:
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), compresslevel=9, mtime=0)
