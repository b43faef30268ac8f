"""JupyterLab in the browser: the token is on no command line."""

from __future__ import annotations

import re
import stat
import webbrowser
from pathlib import Path

import pytest

from dbmirror.lab.browser import NoBrowser, open_lab
from dbmirror.lab.model import Lab
from dbmirror.lab.paths import lab_paths
from dbmirror.lab.status import url
from dbmirror.lab.tokens import ensure_token
from dbmirror.lab.variables import write_environment

RECORDER = """#!/bin/sh
printf '%s ' "$@" > {record}
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    folder = tmp_path / "mirrors" / "demo"
    folder.mkdir(parents=True)
    ensure_token(lab_paths(folder), user=folder.stat().st_uid)
    write_environment(lab_paths(folder), {"DBMIRROR_LAB_PORT": "8890"})
    return Lab(mirror="demo", folder=folder)


def test_the_browser_is_given_a_page_that_leads_to_the_lab(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, record = tmp_path / "browser", tmp_path / "arguments"
    browser.write_text(RECORDER.format(record=record))
    browser.chmod(0o755)
    monkeypatch.setattr(webbrowser, "open", webbrowser.GenericBrowser(str(browser)).open)
    open_lab(lab)
    (page,) = re.findall(r"file://(\S+)", record.read_text())
    token = lab_paths(lab.folder).token.read_text().strip()
    assert token not in record.read_text()
    assert f'url={url(lab)}"' in Path(page).read_text()
    assert stat.S_IMODE(Path(page).stat().st_mode) == 0o600


def test_a_machine_without_a_browser_says_so(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    with pytest.raises(NoBrowser, match="dbmirror lab url demo"):
        open_lab(lab)
