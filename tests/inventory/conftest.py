"""Miniature environments, made on disk as installers make them, with the odd cases that real ones have."""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

SERIES = f"python{sys.version_info.major}.{sys.version_info.minor}"


class Tree:
    """A virtual environment in a folder: real enough for the collector, and nothing is installed into it."""

    def __init__(self, prefix: Path, *, sees_system: bool = False) -> None:
        self.prefix = prefix
        self.site = prefix / "lib" / SERIES / "site-packages"
        self.site.mkdir(parents=True)
        self.python = prefix / "bin" / "python3"
        self.python.parent.mkdir()
        base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
        self.python.symlink_to(base)
        version = ".".join(map(str, sys.version_info[:3]))
        settings = f"home = {base.parent}\ninclude-system-site-packages = {str(sees_system).lower()}\n"
        (prefix / "pyvenv.cfg").write_text(settings + f"version = {version}\n")

    def install(
        self,
        name: str,
        version: str,
        *,
        files: Mapping[str, str] | None = None,
        metadata: str = "",
        body: str = "The description.\n",
        site: Path | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> Path:
        """Install a distribution as pip does from a wheel: modules, .dist-info, RECORD with hashes."""
        site = self.site if site is None else site
        folder = f"{name.replace('-', '_')}-{version}.dist-info"
        contents = {
            **(files or {f"{name.replace('-', '_')}.py": f"VERSION = {version!r}\n"}),
            f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}\n{body}",
            f"{folder}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{folder}/INSTALLER": "pip\n",
            **{f"{folder}/{file}": content for file, content in (extra or {}).items()},
        }
        rows = []
        for path, content in contents.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{path},sha256={digest},{len(content.encode())}")
        (site / folder / "RECORD").write_text("\n".join([*rows, f"{folder}/RECORD,,"]) + "\n")
        return site / folder


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "environment")
