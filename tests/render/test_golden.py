"""Rendered contexts, byte for byte: `pytest tests/render --refresh-golden` writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmirror.config import Waiver
from dbmirror.render.context import BuildContext
from dbmirror.render.dockerfile_templates import shipped_folder
from dbmirror.render.image import render
from dbmirror.render.image_settings import ImageSettings
from dbmirror.runtimes.lookup import lookup
from tests.supported import debian_lock

GOLDEN = Path(__file__).parent / "golden"
SETTINGS = {
    "everything": ImageSettings(
        waivers=(Waiver(rule="L02", reason='Debian stands in for Ubuntu: "no image of it" costs $0'),)
    ),
}
AS_SHIPPED = ("scripts/", "requirements/environments/", "requirements/build-tools.txt")


def rendered(name, lock) -> dict[str, bytes]:
    context = render(
        lock,
        lookup(lock.runtime),
        mirror="demo",
        settings=SETTINGS.get(name, ImageSettings()),
        debian=debian_lock(lock),
    )
    return {file: content for file, content in context.files.items() if not file.startswith(AS_SHIPPED)}


def test_a_lock_gives_the_files_that_it_gave_before(lock_name, locks, request: pytest.FixtureRequest):
    folder = GOLDEN / lock_name
    files = rendered(lock_name, locks[lock_name])
    if request.config.getoption("--refresh-golden"):
        BuildContext(files).write(folder)
    stored = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert sorted(files) == sorted(stored)
    for file, content in files.items():
        assert content.decode() == stored[file].decode(), file


def test_the_same_lock_gives_the_same_bytes(lock_name, locks):
    assert rendered(lock_name, locks[lock_name]) == rendered(lock_name, locks[lock_name])


def test_scripts_come_as_they_are_shipped(locks):
    context = render(locks["wheels"], lookup("15.4"), mirror="demo")
    shipped = sorted((shipped_folder("images") / "python" / "scripts").iterdir())
    assert [name for name in context.files if name.startswith("scripts/")] == [f"scripts/{p.name}" for p in shipped]
    assert all(context.files[f"scripts/{path.name}"] == path.read_bytes() for path in shipped)


def test_the_runtimes_tools_and_language_server_are_pinned_by_hash(locks):
    context = render(locks["wheels"], lookup("15.4"), mirror="demo")
    for file, pin in (("tools", "virtualenv==20.24.2 --hash="), ("python-lsp", "python-lsp-server==1.10.0 --hash=")):
        assert pin.encode() in context.files[f"requirements/environments/{file}.txt"]
