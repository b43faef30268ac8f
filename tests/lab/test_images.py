"""A lab's images that are there already: they serve where they were made of the image that the mirror has now."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dbmirror.lab import images
from dbmirror.lab.images import build_images
from dbmirror.lab.model import Lab
from dbmirror.lab.paths import lab_paths
from dbmirror.lab.variables import write_environment
from dbmirror.render.lab import LabFiles, LabSettings, render_lab
from tests.builders import a_lab_lock, a_lock

IMAGE = "dbmirror/demo:15.4-0123456789ab-abcdef"


@dataclass
class Engine:
    """The layers of each image, and which contexts are built."""

    layers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    built: list[str] = field(default_factory=list)

    def inspect_image(self, reference: str) -> SimpleNamespace | None:
        return SimpleNamespace(layers=self.layers[reference]) if reference in self.layers else None

    def build(self, context: Path, **_: Any) -> None:
        self.built.append(context.name)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    folder = tmp_path / "mirrors" / "demo"
    folder.mkdir(parents=True)
    write_environment(lab_paths(folder), {"DBMIRROR_LAB_UID": "1000"})
    return Lab(mirror="demo", folder=folder)


@pytest.fixture
def files() -> LabFiles:
    settings = LabSettings(mirror="demo", cluster="0101-120000-abcdefgh")
    return render_lab(a_lock(), image=IMAGE, settings=settings, lab_lock=a_lab_lock())


@pytest.fixture
def engine(files: LabFiles, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine that has the images of a lab as it should be."""
    engine = Engine()
    monkeypatch.setattr(images, "inspect_image", engine.inspect_image)
    monkeypatch.setattr(images, "build", engine.build)
    monkeypatch.setattr(images, "fetch_files", lambda *_: None)
    base = files.made_of["tunnel"]
    engine.layers = {
        base: ("base",),
        f"{files.tunnel_image}-u1000": ("base", "tunnel"),
        IMAGE: ("base", "packages"),
        f"{files.lab_image}-u1000": ("base", "packages", "jupyterlab"),
    }
    return engine


def test_images_of_this_mirror_are_not_built_again(lab: Lab, files: LabFiles, engine: Engine) -> None:
    build_images(lab, files, None)  # type: ignore[arg-type]  # nothing is fetched
    assert engine.built == []


def test_a_lab_that_was_made_of_another_image_of_that_name_is_built_anew(
    lab: Lab, files: LabFiles, engine: Engine
) -> None:
    # A clone of the repository, with a lock whose six digits are the same, had its own image under this name.
    engine.layers[f"{files.lab_image}-u1000"] = ("base", "packages of a stranger", "jupyterlab")
    build_images(lab, files, None)  # type: ignore[arg-type]
    assert engine.built == ["lab"]


def test_a_tunnel_that_was_made_of_another_base_of_that_name_is_built_anew(
    lab: Lab, files: LabFiles, engine: Engine
) -> None:
    engine.layers[f"{files.tunnel_image}-u1000"] = ("base of a stranger", "tunnel")
    build_images(lab, files, None)  # type: ignore[arg-type]
    assert engine.built == ["tunnel"]
