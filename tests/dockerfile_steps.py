"""The steps of a rendered Dockerfile, and those among them in which foreign code would meet a secret or the network."""

from __future__ import annotations

import re
from dataclasses import dataclass

FETCHING = frozenset({"create-lab.sh", "fetch.py", "install-beside.sh", "install-uv.sh"})
"""Scripts that bring files from an index, and start an interpreter on the way: nothing foreign may be there yet."""
APT = frozenset({"install-apt.sh", "install-irkernel.sh", "install-missing.sh", "install-r.sh"})
"""Scripts that install what the distribution signed. They start no environment that packages were put into."""


@dataclass(frozen=True)
class Step:
    """One RUN."""

    text: str
    stage: str
    below: tuple[str, ...]
    """The stages and images that its own stage is built on."""

    @property
    def scripts(self) -> set[str]:
        """The names of the shipped scripts that it runs."""
        return set(re.findall(r"/(?:r-)?scripts/([\w-]+\.(?:sh|py))", self.text))

    @property
    def offline(self) -> bool:
        """Whether it has no network."""
        return "--network=none" in self.text.split()


def steps(dockerfile: str) -> list[Step]:
    """Every RUN of `dockerfile`, with continuation lines joined."""
    joined = re.sub(r"\\\n(\s*#[^\n]*\n)*", " ", dockerfile)
    found: list[Step] = []
    origins: dict[str, tuple[str, ...]] = {}
    stage = ""
    for line in joined.splitlines():
        if line.startswith("FROM "):
            _, origin, *rest = line.split()
            stage = rest[1] if rest else origin
            origins[stage] = (origin, *origins.get(origin, ()))
        elif line.startswith("RUN "):
            found.append(Step(line, stage, origins[stage]))
    return found


def mixed(dockerfile: str, *, foreign_images: tuple[str, ...] = ()) -> list[str]:
    """What is wrong with the steps of `dockerfile`, a sentence each; none where all is well.

    A step has no network, no secret and no cache, or it is one of the scripts that fetch or install from apt. Those
    that fetch are in no stage that is built on one of `foreign_images`, or in which a package was installed before.
    """
    problems: list[str] = []
    tainted: set[str] = set(foreign_images)
    for step in steps(dockerfile):
        if "type=cache" in step.text:
            problems.append(f"A cache that other builds write to: {step.text}")
        if tainted.intersection(step.below):
            tainted.add(step.stage)
        if step.offline:
            if "type=secret" in step.text or "type=ssh" in step.text:
                problems.append(f"A secret where packages run: {step.text}")
            if step.scripts:
                tainted.add(step.stage)
        elif not step.scripts:
            if "type=secret" in step.text:
                problems.append(f"A secret for no script: {step.text}")
        elif not step.scripts <= FETCHING | APT:
            problems.append(f"A network where packages run: {step.text}")
        elif step.scripts & FETCHING and step.stage in tainted:
            problems.append(f"A step that fetches, above packages: {step.text}")
    return problems
