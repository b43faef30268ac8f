"""What JupyterLab's own start gives to kernels: the certificate authorities that the lab was built with."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SERVE = Path(__file__).parents[2] / "compose" / "lab" / "server" / "serve.py"


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, with the container's files below `tmp_path`."""
    specification = importlib.util.spec_from_file_location("serve", SERVE)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    for name in ("GIVEN", "USED", "NOTEBOOKS", "LEFT_OUT", "CA_BUNDLE"):
        monkeypatch.setattr(module, name, tmp_path / name)
    (tmp_path / "GIVEN").write_text("token\n")
    (tmp_path / "NOTEBOOKS").mkdir()
    monkeypatch.delenv("PIP_CERT", raising=False)
    return module


def kernels_get(serve: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    given: dict[str, str] = {}
    monkeypatch.setattr(serve.os, "execve", lambda program, argv, environment: given.update(environment))
    serve.main()
    return given


def test_pip_in_a_notebook_trusts_the_authorities_that_the_lab_was_built_with(
    serve: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "CA_BUNDLE").write_text("-----BEGIN CERTIFICATE-----\n")
    assert kernels_get(serve, monkeypatch)["PIP_CERT"] == str(tmp_path / "CA_BUNDLE")


def test_where_none_are_named_pip_trusts_its_own(
    serve: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "CA_BUNDLE").touch()
    assert "PIP_CERT" not in kernels_get(serve, monkeypatch)
