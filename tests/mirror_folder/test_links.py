"""A stranger's links in a cloned folder: no command deletes, writes, reads, copies or gives away through one."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dbmirror.config import Config, ConfigError, LoadedConfig
from dbmirror.lab.paths import lab_paths
from dbmirror.lab.user import lab_user, unused_user
from dbmirror.lab.variables import write_environment
from dbmirror.lock.python.lock_files import remove_unnamed
from dbmirror.lock.r.lock_files import remove_r_lock
from dbmirror.mirror_folder.opening import NotPlain
from dbmirror.pipeline import stages
from dbmirror.pipeline.mirror import Mirror
from dbmirror.render.context import BuildContext


def state(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Owner, mode and content of all that lies in `folder`."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_uid,
            path.lstat().st_mode,
            path.read_text() if path.is_file() else "",
        )
        for path in sorted((folder, *folder.rglob("*")))
    }


@pytest.fixture(autouse=True)
def untouched(outside: Path) -> object:
    """Whatever a test does, what lies outside is afterwards as it was before."""
    before = state(outside)
    yield
    assert state(outside) == before


@pytest.mark.parametrize("place", ["image", "lab", "tunnel", "notebooks"])
def test_a_context_is_not_written_through_a_link(folder: Path, outside: Path, place: str) -> None:
    (folder / place).symlink_to(outside)
    with pytest.raises(NotPlain) as caught:
        BuildContext({"Dockerfile": b"FROM scratch\n"}).write(folder / place)
    assert str(folder / place) in caught.value.message
    assert "symbolic link" in caught.value.message
    assert f"rm {folder / place}" in caught.value.remedy


def test_render_stops_at_a_link_in_place_of_the_context(mirror: Mirror, folder: Path, outside: Path) -> None:
    (folder / "image").symlink_to(outside)
    with pytest.raises(NotPlain):
        stages.render_files(mirror, mirror.lock())


def test_a_link_anywhere_in_a_context_leaves_all_as_it_is(folder: Path, outside: Path) -> None:
    context = BuildContext({"Dockerfile": b"FROM scratch\n"})
    context.write(folder / "image")
    (folder / "image" / "old").write_text("of an earlier context")
    (folder / "image" / "scripts").symlink_to(outside / "deep")
    with pytest.raises(NotPlain):
        BuildContext({"Dockerfile": b"FROM other\n"}).write(folder / "image")
    assert (folder / "image" / "Dockerfile").read_bytes() == b"FROM scratch\n"
    assert (folder / "image" / "old").exists()


@pytest.mark.parametrize("place", ["sources", "wheels", "r-sources"])
def test_archives_are_not_cleared_through_a_link(folder: Path, outside: Path, place: str) -> None:
    (folder / place).symlink_to(outside)
    clear = partial(remove_r_lock, folder) if place == "r-sources" else partial(remove_unnamed, None, folder)
    with pytest.raises(NotPlain):
        clear()


@pytest.mark.parametrize("name", ["snapshot.json", "pylock.toml", "fates.json", "verification.json", "build.json"])
def test_no_record_is_read_through_a_link(mirror: Mirror, folder: Path, outside: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside / "thesis.txt")
    readers: dict[str, Callable[[], object]] = {"verification.json": mirror.report, "build.json": mirror.built}
    with pytest.raises(NotPlain, match=name):
        readers.get(name, mirror.lock)()


def test_nothing_is_written_where_a_link_stands_for_the_file(mirror: Mirror, folder: Path, outside: Path) -> None:
    lock = mirror.lock()
    stages.render_files(mirror, lock)
    (folder / "image" / "Dockerfile").unlink()
    (folder / "image" / "Dockerfile").symlink_to(outside / "thesis.txt")
    with pytest.raises(NotPlain):
        stages.render_files(mirror, lock)


def fill_with_links_in_a_circle(folder: Path) -> None:
    (folder / "wheels").mkdir()
    for name in "abcdefgh":
        (folder / "wheels" / name).symlink_to("..", target_is_directory=True)


def fill_with_a_fifo(folder: Path) -> None:
    (folder / "sources").mkdir()
    os.mkfifo(folder / "sources" / "fifo")


def fill_with_a_socket(folder: Path) -> None:
    (folder / "wheels").mkdir()
    with socket.socket(socket.AF_UNIX) as one:
        here = os.open(folder / "wheels", os.O_RDONLY)
        one.bind(f"/proc/self/fd/{here}/s")
        os.close(here)


def fill_with_something_huge(folder: Path) -> None:
    (folder / "wheels").mkdir()
    with (folder / "wheels" / "huge.whl").open("wb") as stream:
        stream.truncate(1 << 42)


def fill_with_holes(folder: Path) -> None:
    """It would all fit, and take a while, and the memory of a machine."""
    with (folder / "build.json").open("wb") as stream:
        stream.truncate(8 << 30)


def fill_with_depth(folder: Path) -> None:
    (folder / "/".join(("wheels", *("d" * 100)))).mkdir(parents=True)


@pytest.mark.parametrize(
    "fill",
    [
        fill_with_links_in_a_circle,
        fill_with_a_fifo,
        fill_with_a_socket,
        fill_with_something_huge,
        fill_with_holes,
        fill_with_depth,
    ],
)
def test_a_rehearsal_copies_no_more_than_a_mirror_has(
    project: LoadedConfig, folder: Path, fill: Callable[[Path], None]
) -> None:
    fill(folder)
    with Mirror("demo", project, dry_run=True) as mirror, pytest.raises(NotPlain):
        mirror.lock()


def test_a_rehearsal_leaves_out_what_no_stage_reads(project: LoadedConfig, folder: Path, outside: Path) -> None:
    """Notebooks and Terraform's folder may have links of the user's own."""
    for place in ("notebooks", "deploy"):
        (folder / place).mkdir()
        (folder / place / "link").symlink_to(outside)
    with Mirror("demo", project, dry_run=True) as mirror:
        copy = mirror.folder
        assert copy != mirror.own_folder == folder
        assert mirror.lock().runtime == "15.4"
        assert not (copy / "notebooks").exists()
    assert not copy.exists()


def test_the_mirrors_folder_itself_is_no_link(project: LoadedConfig, outside: Path) -> None:
    (project.root / "mirrors" / "other").symlink_to(outside)
    with pytest.raises(NotPlain, match="other"):
        project.mirror_folder("other")


def test_the_folder_of_all_mirrors_is_no_link(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "cloned").mkdir()
    (tmp_path / "cloned" / "mirrors").symlink_to(outside)
    with pytest.raises(NotPlain, match="mirrors"):
        LoadedConfig(config=Config(), origin=None, root=tmp_path / "cloned").mirror_folder("deep")


def test_a_project_that_the_user_reaches_by_a_link_is_the_users(project: LoadedConfig, tmp_path: Path) -> None:
    (tmp_path / "short").symlink_to(project.root)
    short = LoadedConfig(config=Config(), origin=None, root=tmp_path / "short")
    assert Mirror("demo", short).lock().runtime == "15.4"


@pytest.mark.parametrize("folder", ["../outside", "/etc", "mirrors/../../outside", ".."])
def test_a_cloned_configuration_names_no_folder_outside_the_project(project: LoadedConfig, folder: str) -> None:
    loaded = LoadedConfig(config=Config(folder=Path(folder)), origin=project.root / "dbmirror.toml", root=project.root)
    with pytest.raises(ConfigError, match="out of the project"):
        loaded.mirror_folder("demo")


def test_notebooks_are_not_mounted_through_a_link(folder: Path, outside: Path) -> None:
    (folder / "notebooks").symlink_to(outside)
    with pytest.raises(NotPlain, match="notebooks"):
        lab_user(lab_paths(folder))


def test_what_the_lab_is_given_lies_in_the_notebooks_alone(folder: Path, outside: Path) -> None:
    """Links of the user's own in the notebooks are left; a second name of a file elsewhere stays with its owner."""
    notebooks = folder / "notebooks"
    (notebooks / "work").mkdir(parents=True)
    (notebooks / "work" / "mine.ipynb").write_text("{}")
    (notebooks / "elsewhere").symlink_to(outside)
    os.link(outside / "thesis.txt", notebooks / "second-name")
    os.mkfifo(notebooks / "fifo")
    user = lab_user(lab_paths(folder))
    assert (notebooks / "work" / "mine.ipynb").stat().st_uid == user
    assert user == unused_user() or os.geteuid() != 0


def test_the_environment_of_compose_is_no_link(folder: Path, outside: Path) -> None:
    (folder / ".env").symlink_to(outside / "thesis.txt")
    with pytest.raises(NotPlain):
        write_environment(lab_paths(folder), {"DBMIRROR_LAB_UID": "1000"})
