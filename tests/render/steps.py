"""The steps of a Dockerfile, and those among them in which foreign code would meet a secret, the network or a cache."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from dockerfile_parse import DockerfileParser

FETCHING = frozenset({"fetch.py", "fetch-debs.sh"})
"""Scripts that fetch files, and start an interpreter or apt on the way: no package may be there yet."""
PACKAGES = frozenset({"build-r-packages.sh", "build-wheels.sh", "install-packages.sh", "install-r-library.sh"})
"""Scripts after which code of packages is there."""


@dataclass(frozen=True)
class Step:
    """One RUN."""

    text: str
    stage: str
    below: tuple[str, ...]
    """The stages and images that its own stage is built on."""

    @property
    def scripts(self) -> frozenset[str]:
        """The names of the shipped scripts that it runs."""
        return frozenset(re.findall(r"/(?:r-)?scripts/([\w-]+\.(?:sh|py))", self.text))

    @property
    def offline(self) -> bool:
        """Whether it has no network."""
        return "--network=none" in self.text.split()


def instructions(dockerfile: str) -> list[dict[str, str]]:
    parsed = DockerfileParser(fileobj=io.BytesIO(dockerfile.encode())).structure
    return [item for item in parsed if item["instruction"] != "COMMENT"]


def steps(dockerfile: str) -> list[Step]:
    """Every RUN of `dockerfile`, and where it stands."""
    found: list[Step] = []
    origins: dict[str, tuple[str, ...]] = {}
    stage = ""
    for item in instructions(dockerfile):
        if item["instruction"] == "FROM":
            origin, *rest = item["value"].split()
            stage = rest[1] if rest else origin
            origins[stage] = (origin, *origins.get(origin, ()))
        elif item["instruction"] == "RUN":
            found.append(Step(item["value"], stage, origins[stage]))
    return found


def mixed(dockerfile: str, *, closed: bool = False) -> list[str]:
    """What is wrong with the steps of `dockerfile`, a sentence each; none where all is well.

    A step has no network, no secret and no cache, or it is one of the scripts that fetch. Those are in no stage that
    has a package already; where the build is `closed` there are none.
    """
    problems: list[str] = []
    with_packages: set[str] = set()
    for step in steps(dockerfile):
        has_secret = "type=secret" in step.text or "type=ssh" in step.text
        if with_packages.intersection(step.below):
            with_packages.add(step.stage)
        if "type=cache" in step.text:
            problems.append(f"A cache that other builds write to: {step.text}")
        if step.offline:
            if has_secret:
                problems.append(f"A secret where packages run: {step.text}")
        elif closed or not step.scripts or not step.scripts <= FETCHING:
            problems.append(f"A network where packages run: {step.text}")
        elif step.stage in with_packages:
            problems.append(f"A step with a network above packages: {step.text}")
        elif "fetch.py" in step.scripts and " -I -S " not in step.text:
            problems.append(f"An interpreter with packages: {step.text}")
        if step.scripts & PACKAGES:
            with_packages.add(step.stage)
    return problems


def assert_foreign_code_meets_no_secret(dockerfile: str, *, closed: bool = False) -> None:
    """No step mixes what fetches with what packages run in: see `mixed`."""
    assert steps(dockerfile)
    assert mixed(dockerfile, closed=closed) == []
