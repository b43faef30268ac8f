"""The pages lead where they say, and the README stays short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from dbmirror.cli import main
from dbmirror.config import load_config

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_page_and_a_heading_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        assert other.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(other), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"`((?:dbmirror|images|compose|docs|tests|tools)/[\w./*-]+)", page.read_text())
    # dbmirror/NAME is the name of an image.
    assert [name for name in named if name != "dbmirror/NAME" and not list(ROOT.glob(name.rstrip("/")))] == []


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 150
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"docs/{page.name}" not in text] == []


def test_every_command_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"^(?:\S+/)?dbmirror ((?:ssh |lab |sandbox |filter )?[a-z]+)", _code(), flags=re.MULTILINE))
    assert {"doctor", "build", "ssh setup", "lab up"} <= named
    for command in sorted(named):
        assert CliRunner().invoke(main, [*command.split(), "--help"]).exit_code == 0, command


def _code() -> str:
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    return "\n".join(blocks)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_configuration_that_a_page_shows_is_one(page: Path, tmp_path: Path) -> None:
    for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL):
        file = tmp_path / "dbmirror.toml"
        file.write_text(block)
        load_config(file)


def test_each_proof_that_the_page_on_trust_names_exists() -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if "::test_" in line]
    assert len(rows) >= 16
    for row in rows:
        for file, name in re.findall(r"`(tests/[a-z_/0-9]+\.py)::(test_[a-z_0-9]+)`", row):
            assert f"def {name}(" in (ROOT / file).read_text("utf-8"), f"{file} has no {name}"


@pytest.mark.parametrize(
    "said",
    [
        "has a shell on the cluster's driver as the\n  user of your SSH key",
        "Ports on 127.0.0.1 are open to every account of the machine",
        "A signature of an image says that somebody with the key pushed these bytes",
        "It does not say that the packages in it are\nharmless",
    ],
)
def test_what_is_by_design_is_written_down(said: str) -> None:
    assert said in (ROOT / "docs" / "security.md").read_text("utf-8")
