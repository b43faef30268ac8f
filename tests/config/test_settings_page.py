"""docs/configuration.md has every setting, with a default, a text and an example that can be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Struct

from dbmirror.config import load_config
from tests.config.settings_page import PAGE, page, section, sections, settings

ALL = list(sections())


def test_the_page_is_what_the_types_say(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--refresh-golden"):
        PAGE.write_text(page(PAGE.read_text()))
    assert PAGE.read_text() == page(PAGE.read_text()), "run `make golden`"


@pytest.mark.parametrize(("path", "kind"), ALL, ids=[".".join(path) or "top" for path, _ in ALL])
def test_each_setting_has_a_text_and_an_example(path: tuple[str, ...], kind: type[Struct]) -> None:
    for name, (_, text, example) in settings(kind).items():
        assert text.endswith("."), f"{name} of {path} has no sentence under it"
        assert example is not None, f"{name} of {path} has no example: Meta(examples=[…])"


def test_all_examples_together_are_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    blocks = [section(path, kind).partition("```toml\n")[2].removesuffix("```\n") for path, kind in ALL]
    (tmp_path / "project").mkdir()
    file = tmp_path / "project" / "dbmirror.toml"
    file.write_text("\n".join(blocks))
    loaded = load_config(file)
    assert loaded.mirror("team").ssh.port == 2200
    assert loaded.config.registries["acr"].host == "team.azurecr.io"


@pytest.mark.parametrize(
    "name", ["image", "notebook_environment", "capture", "spark_remote", "identity_file", "internal_hosts", "apt_key"]
)
def test_no_setting_stands_nowhere(name: str) -> None:
    assert f"| `{name}` |" in PAGE.read_text()
