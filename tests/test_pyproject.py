"""What pyproject.toml depends on: each with its reason, and bounded above while its minor releases may break it."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(TEXT)
ALL = [
    *PROJECT["project"]["dependencies"],
    *PROJECT["project"]["optional-dependencies"]["azure"],
    *PROJECT["dependency-groups"]["dev"],
]


def test_a_dependency_says_what_it_is_for() -> None:
    for written in ALL:
        lines = [line for line in TEXT.splitlines() if f'"{written}"' in line]
        assert all(re.search(r"#\s+\S.{4,}", line) for line in lines), f"no reason behind {written}"


def test_what_is_before_its_version_1_has_an_upper_bound() -> None:
    for requirement in map(Requirement, ALL):
        bounded = any(specifier.operator in {"<", "<=", "~="} for specifier in requirement.specifier)
        assert bounded or Version(version(requirement.name)) >= Version("1"), requirement


def test_the_locked_environment_has_every_dependency_with_hashes() -> None:
    locked = (ROOT / "tools" / "development.txt").read_text()
    pinned = {line.partition("==")[0].lower() for line in locked.splitlines() if "==" in line}
    assert {Requirement(written).name.lower() for written in ALL} <= pinned
    assert re.search(r"^[A-Za-z].*==[^\\]*$", locked, flags=re.MULTILINE) is None, "a pin without a hash"


def test_pre_commit_runs_the_tools_of_make_check() -> None:
    rule = (ROOT / "Makefile").read_text().partition("check: $(READY)")[2].partition("\n\n")[0]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    for tool in ("ruff format", "ruff check", "bin/mypy", "types-inside", "lint-imports"):
        assert tool in rule, tool
        assert tool in hooks, tool
