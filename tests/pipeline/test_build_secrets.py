"""What a build is handed beside its files: nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dbmirror.build import image
from dbmirror.config import Config, LoadedConfig, RConfig
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.pipeline import stages
from dbmirror.pipeline.mirror import Mirror
from tests.builders import a_lock

NETRC = "machine index.example login me password hunter2\nmachine other.example login me password hunter2\n"


def test_no_login_and_no_proxy_of_the_user_reaches_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text(NETRC)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://me:hunter2@index.example/simple")
    monkeypatch.setenv("UV_INDEX", "https://other.example/simple")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    (tmp_path / "ca.pem").write_text("an authority")
    handed: list[Mapping[str, Path]] = []

    def build(_: Path, *, secrets: Mapping[str, Path], **__: Any) -> SimpleNamespace:
        handed.append(secrets)
        return SimpleNamespace(image_id=f"sha256:{'a' * 64}")

    monkeypatch.setattr(image, "build", build)
    monkeypatch.setattr(stages, "build_files", lambda *_: {})
    loaded = LoadedConfig(
        config=Config(r=RConfig(repositories=("https://index.example/cran",))), origin=None, root=tmp_path
    )
    mirror = Mirror("demo", loaded)
    mirror.__dict__["ca_bundle"] = tmp_path / "ca.pem"
    stages.build(mirror, MirrorLock(python=a_lock()))
    assert handed == [{}]
