"""Progress never passes its end, and the names of stages stay whole in a narrow terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from dbmirror.cli.output import Output
from dbmirror.progress import Observer


def longer_than_announced(observer: Observer) -> None:
    observer.started("build", total=18)
    for number in range(20):
        observer.advanced("build", f"step {number} " + "of a long description " * 10)
    observer.started("lock", total=0)
    observer.finished("lock", "nothing to ask for")


def shown(monkeypatch: pytest.MonkeyPatch, *, width: int) -> str:
    output, file = Output("build", as_json=False), io.StringIO()
    output.stderr = Console(file=file, force_terminal=True, color_system=None, width=width)  # type: ignore[assignment]
    with output.observing() as observer:
        longer_than_announced(observer)
    return file.getvalue()


def test_a_bar_ends_at_its_end_though_the_stage_had_more_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, width=80)
    assert "20/20" in text
    assert "20/18" not in text
    assert "0/0" not in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_name_of_a_stage_stays_whole(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    lines = shown(monkeypatch, width=width).splitlines()
    assert any("build  " in line for line in lines)
    assert any("lock  " in line for line in lines)


def test_without_a_terminal_the_count_stays_within_its_total(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dbmirror.cli.progress_display._QUIET_PERIOD", 0.0)
    with Output("build", as_json=False).observing() as observer:
        longer_than_announced(observer)
    said = capsys.readouterr().err
    assert "build: 20/20 step 19" in said
    assert "20/18" not in said
