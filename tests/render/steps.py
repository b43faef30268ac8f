"""The steps of a Dockerfile, and what each of them may see."""

from __future__ import annotations

import io
import re

from dockerfile_parse import DockerfileParser

FETCHES = re.compile(r"\S+ -I -S /run/dbmirror/scripts/fetch\.py \S+ \S+")
"""Runs nothing of what it fetches."""
APT = re.compile(r"bash /run/dbmirror/(scripts/install-apt|r-scripts/install-r)\.sh \S+")
"""Runs what the base's own distribution has, before a mirrored package is there."""


def instructions(dockerfile: str) -> list[dict[str, str]]:
    parsed = DockerfileParser(fileobj=io.BytesIO(dockerfile.encode())).structure
    return [item for item in parsed if item["instruction"] != "COMMENT"]


def steps(dockerfile: str) -> list[tuple[list[str], str]]:
    """The options and the command of each RUN."""
    found = []
    for item in instructions(dockerfile):
        if item["instruction"] == "RUN":
            words = item["value"].split()
            options = [word for word in words if word.startswith("--")]
            found.append((options, " ".join(words[len(options) :])))
    return found


def assert_foreign_code_meets_no_secret(dockerfile: str) -> None:
    """Secrets are where files are fetched and where apt works; all other steps have neither network nor cache."""
    for options, command in steps(dockerfile):
        assert not [option for option in options if "type=cache" in option], command
        if any("type=secret" in option for option in options):
            assert FETCHES.fullmatch(command) or APT.fullmatch(command), command
        elif "/run/dbmirror" in command:
            assert "--network=none" in options, command
