"""The path of a notebook's kernel: what the cluster has comes first, what the lab adds comes last."""

from __future__ import annotations

from pathlib import Path

import pytest
import start_kernel


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders of a driver."""
    import sys

    series = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for folder in (
        "spark/python/lib",
        f"libraries/lib/{series}/site-packages",
        f"notebook/lib/{series}/site-packages",
        "runtime/site-packages",
        "system/dist-packages",
        "edge",
        "extra",
        "stdlib",
        "by-pth",
    ):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "spark/python/lib/py4j-0.10-src.zip").write_bytes(b"")
    (tmp_path / f"libraries/lib/{series}/site-packages/more.pth").write_text(f"{tmp_path}/by-pth\n")
    monkeypatch.setattr(start_kernel, "SPARK", str(tmp_path / "spark"))
    monkeypatch.setattr(start_kernel, "CLUSTER_LIBRARIES", str(tmp_path / "libraries"))
    monkeypatch.setattr(start_kernel, "EDGE_LIBRARIES", str(tmp_path / "edge"))
    monkeypatch.setenv("DBMIRROR_EXTRA_PATH", f"{tmp_path}/extra:{tmp_path}/missing")
    return tmp_path


def arranged(cluster: Path) -> list[str]:
    own = [f"{cluster}/stdlib", f"{cluster}/runtime/site-packages", f"{cluster}/system/dist-packages"]
    return [path.replace(f"{cluster}/", "") for path in start_kernel.arranged(own)]


def test_the_order_is_the_one_of_databricks_notebooks(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBMIRROR_NOTEBOOK_ENVIRONMENT", f"{cluster}/notebook")
    kinds = [path.partition("/lib/python3")[0] for path in arranged(cluster)]
    assert kinds == [
        "stdlib",
        "spark/python",
        "spark/python/lib/py4j-0.10-src.zip",
        "notebook",
        "libraries",
        "by-pth",
        "runtime/site-packages",
        "system/dist-packages",
        "edge",
        start_kernel.HERE,
        "extra",
    ]


def test_a_machine_without_any_of_it_keeps_its_own_path(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPARK", "CLUSTER_LIBRARIES", "EDGE_LIBRARIES"):
        monkeypatch.setattr(start_kernel, name, "/nowhere")
    monkeypatch.delenv("DBMIRROR_EXTRA_PATH")
    assert arranged(cluster) == ["stdlib", "runtime/site-packages", "system/dist-packages", start_kernel.HERE]
