"""The scripts that examine an image as root: run for real, on a PATH where a package has programs of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dbmirror.verify.sent_programs import sent
from dbmirror.verify.system_facts import parse_answers

TOOLS = ("cat", "grep", "id", "ls", "find", "xargs", "timeout", "head", "rm", "su", "passwd", "test")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The first folder of the PATH: each program of a system's tools in it says that it ran."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in (*TOOLS, "conda"):
        (folder / tool).write_text(f"#!/bin/sh\necho {tool} >> {tmp_path}/ran\n")
        (folder / tool).chmod(0o755)
    return folder


@pytest.mark.parametrize("script", ["system.sh", "secrets.sh"])
def test_no_program_of_a_package_is_started_by_the_name_of_a_tool(path: Path, script: str) -> None:
    program = sent("secrets.sh") if script == "secrets.sh" else sent("answer.sh") + sent("system.sh")
    done = subprocess.run(
        ["/bin/sh", "-s", "--", "1"],
        input=program,
        env={"PATH": f"{path}:/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert not (path.parent / "ran").exists(), (path.parent / "ran").read_text()
    if script == "system.sh":
        answers = parse_answers(done.stdout.decode(errors="replace"))
        assert answers["os-release"].good
        # What the image has is still what its own PATH leads to.
        assert answers["command:conda"].output.strip() == str(path / "conda")
