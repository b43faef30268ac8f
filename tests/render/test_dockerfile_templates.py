"""Templates are found in a checkout and in an installed wheel."""

from __future__ import annotations

import pytest

import dbmirror
from dbmirror.render.dockerfile_templates import shipped_folder
from dbmirror.render.errors import RenderError


def test_a_checkout_has_them_beside_the_package():
    assert (shipped_folder("images") / "python" / "Dockerfile.j2").is_file()


def test_an_installed_wheel_has_them_inside_the_package(tmp_path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "dbmirror" / "_shipped" / "images").mkdir(parents=True)
    (tmp_path / "images").mkdir()
    monkeypatch.setattr(dbmirror, "__file__", str(tmp_path / "dbmirror" / "__init__.py"))
    assert shipped_folder("images") == tmp_path / "dbmirror" / "_shipped" / "images"


def test_an_installation_without_them_says_so(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dbmirror, "__file__", str(tmp_path / "dbmirror" / "__init__.py"))
    with pytest.raises(RenderError, match="lacks its images/ folder"):
        shipped_folder("images")
