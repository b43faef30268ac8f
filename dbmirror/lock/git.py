"""One commit of a git repository as an archive whose bytes depend on nothing but that commit."""

from __future__ import annotations

import gzip
import io
import os
import re
import signal
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests

from dbmirror.files import sha256_hex
from dbmirror.inventory.model import DirectUrl
from dbmirror.lock.model import GitSource
from dbmirror.lock.python.project_page import Refused
from dbmirror.lock.untrusted import ForeignClient, plain
from dbmirror.mirror_folder.files import write_below
from dbmirror.temporary import temporary_folder

PROTOCOLS = ("http", "https", "ssh")
DEADLINE = 180.0
"""Seconds for one git command."""
_REFERENCES = "/info/refs?service=git-upload-pack"
"""What git asks an http server first, below a repository's address."""


class _TooLate(Refused):
    """Git had no answer in time; there is no use in asking for more."""


def archive_commit(
    origin: DirectUrl,
    *,
    name: str,
    version: str,
    folder: Path,
    client: ForeignClient,
    deadline: float = DEADLINE,
) -> GitSource:
    """Fetch exactly the commit that `origin` names and write it to `sources/NAME-COMMIT.tar.gz` in `folder`.

    The archive holds the tree of the commit, without submodules, and a PKG-INFO: there is no history in it from which
    setuptools-scm and its like could tell the `version`. The address is a cluster's word: only where `client` trusts
    it, git gets the user's own configuration, credentials and ssh keys. Raises Refused where the repository cannot be
    had, or its address or commit is not of a form that is safe to hand to git; nothing is written then.
    """
    url = safe_url(origin.url)
    commit = (origin.commit or "").lower()
    if not re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", commit):
        raise Refused("the cluster does not record the full commit that it was installed from")
    inside = _safe_subdirectory(origin.subdirectory)
    with temporary_folder("git") as temporary:
        place = _ask_first(url, client, deadline)
        git = _Git(
            repository=temporary / "repository.git",
            home=None if client.trusts(place) else temporary,
            addresses=() if client.trusts(place) else client.addresses(place),
            ca_bundle=client.ca_bundle,
            deadline=deadline,
        )
        git.run("init", "--quiet", "--bare", "--template=")
        _fetch(git, place, commit)
        tree = git.run("archive", "--format=tar", commit)
    content = _pack(tree, root=f"{name}-{commit}", inside=inside, name=name, version=version)
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


def _ask_first(url: str, client: ForeignClient, deadline: float) -> str:
    """Where the repository is that `url` names, once its redirects are followed: git itself follows none.

    Raises Refused where that is nothing that a cluster may make this machine ask.
    """
    if urlsplit(url).scheme == "ssh":
        if not client.trusts(url):
            raise Refused("its repository is at an ssh address, where it would be asked with this machine's keys")
        return url
    wait = min(30.0, deadline)
    try:
        with client.open(url.rstrip("/") + _REFERENCES, timeout=(wait, wait)) as response:
            place = response.url
    except requests.Timeout as error:
        raise _TooLate(f"its repository gave no answer within {wait:g} s") from error
    except (requests.RequestException, OSError) as error:
        raise Refused(f"its repository cannot be reached ({plain(error)})") from error
    except Refused as refusal:
        raise Refused(f"its repository {refusal}") from refusal
    if not place.endswith(_REFERENCES):
        raise Refused("its repository redirects to a place that is none")
    return safe_url(place.removesuffix(_REFERENCES))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Git:
    """Runs git on one bare repository."""

    repository: Path
    home: Path | None
    """An empty folder in place of the user's, and so of all configuration and credentials; None for the user's own."""
    addresses: tuple[str, ...]
    """The addresses that were looked at for the repository's host; none where git may look them up itself."""
    ca_bundle: Path | None
    deadline: float

    def run(self, *arguments: str, host: tuple[str, int] | None = None) -> bytes:
        """Run git without hooks, prompts, redirects or any protocol but those allowed; its output.

        With a `host` it is reached at `addresses` alone. Raises Refused where git fails.
        """
        settings = [f"core.hooksPath={os.devnull}", "gc.auto=0", "core.fsmonitor=false", "http.followRedirects=false"]
        if host is not None and self.addresses:
            places = ",".join(f"[{address}]" if ":" in address else address for address in self.addresses)
            settings.append(f"http.curloptResolve={host[0]}:{host[1]}:{places}")
        return _run(
            [*(word for each in settings for word in ("-c", each)), "--git-dir", str(self.repository), *arguments],
            environment=self._environment(),
            deadline=self.deadline,
        )

    def _environment(self) -> dict[str, str]:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS),
            "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
            "LC_ALL": "C",
        }
        if self.home is not None:
            environment |= {
                "HOME": str(self.home),
                "XDG_CONFIG_HOME": str(self.home),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_ALLOW_PROTOCOL": "http:https",
            }
        if self.ca_bundle is not None:
            environment["GIT_SSL_CAINFO"] = str(self.ca_bundle)
        return environment


def _fetch(git: _Git, url: str, commit: str) -> None:
    """Get the commit alone where the server allows it, else all branches and tags, one of which must hold it."""
    parts = urlsplit(url)
    host = (parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443))
    start = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]
    try:
        git.run(*start, "--depth=1", "--", url, commit, host=host)
    except _TooLate:
        raise
    except Refused:
        everything = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        git.run(*start, "--", url, *everything, host=host)
    try:
        git.run("cat-file", "-e", f"{commit}^{{commit}}")
    except Refused as error:
        raise Refused(f"its repository no longer has the commit {commit[:12]}") from error


def _run(arguments: Sequence[str], *, environment: Mapping[str, str], deadline: float) -> bytes:
    try:
        process = subprocess.Popen(
            ["git", *arguments],
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
