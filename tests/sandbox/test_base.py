from pathlib import Path

import pytest

from dbmirror.engine.images import ImageUnavailable
from dbmirror.progress import SILENT
from dbmirror.sandbox import base
from dbmirror.sandbox.errors import SandboxNotBuilt

DEB822 = """\
Types: deb
# A snapshot of the archive
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main contrib

Types: deb
URIs: http://mirror.example/debian
Suites: trixie
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""

ONE_LINE = """\
# deb http://old.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib  # the archive
deb-src http://mirror.example/debian bookworm main
deb http://node.example/node nodistro main
"""


def apt_folder(root: Path, **files: str) -> Path:
    (root / "sources.list.d").mkdir(parents=True)
    for name, text in files.items():
        (root / "sources.list.d" / name.replace("_", ".")).write_text(text)
    return root


def test_the_mirror_and_the_suites_of_debian_12_come_from_this_machines_sources(tmp_path: Path) -> None:
    assert base.debian_sources(apt_folder(tmp_path, debian_sources=DEB822)) == [
        "deb http://mirror.example/debian bookworm main",
        "deb http://mirror.example/debian bookworm-updates main",
        "deb http://mirror.example/debian-security bookworm-security main",
    ]


def test_the_one_line_format_is_read_too(tmp_path: Path) -> None:
    assert base.debian_sources(apt_folder(tmp_path, debian_list=ONE_LINE)) == [
        "deb http://mirror.example/debian bookworm main"
    ]


def test_a_machine_without_debian_12_has_no_such_sources(tmp_path: Path) -> None:
    ubuntu = "deb http://archive.example/ubuntu noble main universe\n"
    assert base.debian_sources(apt_folder(tmp_path, ubuntu_list=ubuntu)) == []


@pytest.fixture
def without_docker_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The one folder that programs are found in; no image is there, and none can be pulled."""

    def unreachable(*_: object, **__: object) -> None:
        raise ImageUnavailable("debian:bookworm-slim cannot be pulled: its registry cannot be reached.")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(base, "ensure_image", unreachable)
    monkeypatch.setattr(base, "inspect_image", lambda _: None)
    return tmp_path


@pytest.mark.usefixtures("without_docker_hub")
def test_without_docker_hub_and_without_mmdebstrap_the_message_says_what_to_install() -> None:
    with pytest.raises(SandboxNotBuilt) as caught:
        base.ensure_base(observer=SILENT)
    assert "mmdebstrap" in caught.value.message
    assert "apt-get install mmdebstrap" in caught.value.remedy
    assert caught.value.exit_code == 4


def test_a_user_who_is_not_root_is_told_what_mmdebstrap_needs_for_them(
    without_docker_hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (without_docker_hub / "mmdebstrap").write_text("#!/bin/sh\n")
    (without_docker_hub / "mmdebstrap").chmod(0o755)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SandboxNotBuilt) as caught:
        base.ensure_base(observer=SILENT)
    assert "apt-get install uidmap" in caught.value.remedy
