"""Debian packages of the image's own distribution, for the packages that apt owns on the cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from dbmirror.hosts.interface import Host
from dbmirror.lock.errors import AptUnavailable

AptCandidates = Callable[[Sequence[str]], Mapping[str, str]]
"""Debian package to the version that the base image's apt would install; see `apt_candidates`."""
UPDATE_DEADLINE = 300.0
"""Seconds for `apt-get update`."""
APT_FOLDERS = ("/tmp", "/var/cache/apt", "/var/lib/apt/lists")  # noqa: S108 - in the base image
"""What apt writes to when it asks its archives; the rest of the container stays read-only."""
_WITHOUT_RIGHTS = ("-o", "APT::Sandbox::User=root")
"""apt's own change of users needs capabilities that the container does not have."""


def apt_candidates(host: Host, packages: Sequence[str]) -> dict[str, str]:
    """The version that apt would install on `host` of each of `packages`; those that it does not know are left out.

    Changes the package lists of `host`, a container of the base image that is thrown away afterwards.
    Raises AptUnavailable where the lists cannot be fetched, and HostError where the host cannot be asked.
    """
    names = sorted({name for name in packages if re.fullmatch(r"[a-z0-9][a-z0-9+.-]*", name)})
    if not names:
        return {}
    updated = host.run(
        ["apt-get", "update", "-qq", "-o", "APT::Update::Error-Mode=any", *_WITHOUT_RIGHTS], timeout=UPDATE_DEADLINE
    )
    if updated.code:
        last = updated.stderr.decode("utf-8", "replace").strip().splitlines()
        raise AptUnavailable(
            f"apt-get update failed in the base image: {last[-1] if last else f'exit code {updated.code}'}",
            remedy="Check that containers reach the distribution's package archive.",
        )
    answer = host.run(["env", "LC_ALL=C", "apt-cache", "policy", "--", *names])
    if answer.code:
        raise AptUnavailable(f"apt-cache policy failed in the base image with exit code {answer.code}.")
    return parse_policy(answer.stdout.decode("utf-8", "replace"))


def parse_policy(text: str) -> dict[str, str]:
    """Package to candidate version, from what `apt-cache policy` prints in the C locale."""
    found: dict[str, str] = {}
    package = ""
    for line in text.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            package = line[:-1].partition(":")[0]
        elif (candidate := re.fullmatch(r"  Candidate: ([A-Za-z0-9][A-Za-z0-9.+:~-]*)", line)) and package:
            found[package] = candidate[1]
    return found


def upstream(version: str) -> str:
    """The upstream part of a Debian version: no epoch, no revision, no mark of a repacked archive (`+dfsg`, `+ds`)."""
    without_epoch = re.sub(r"\A\d+:", "", version)
    without_revision = without_epoch.rpartition("-")[0] or without_epoch
    return re.sub(r"[+~.]?(dfsg|ds)[\d.]*\Z", "", without_revision)
