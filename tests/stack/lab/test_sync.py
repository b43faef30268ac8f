"""Copies between the notebooks and the driver over the tunnel's connection, with rsync and without."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbmirror.lab import sync as lab_sync
from dbmirror.lab.model import Lab
from dbmirror.pipeline.mirror import Mirror
from tests.stack.conftest import PROGRAM, tree
from tests.stack.lab.stack import container, docker, driver_container, give_to_lab, health, settles

pytestmark = pytest.mark.stack

ODD_NAMES = ["a b", "übergröße 日本", "new\nline", "-dash", "q'uo\"te$(id)\\", "*?[x]"]
NOISE = "echo Welcome to the driver; printf 'half a line'; echo and more >&2"


@pytest.fixture(scope="module", params=["sftp", "rsync"])
def by(request: pytest.FixtureRequest, stack: Path) -> Iterator[str]:
    """How files are copied: the sandbox's driver has no rsync until it is installed."""
    assert health(stack, "lab") == "healthy"
    if request.param == "sftp":
        yield "sftp"
        return
    docker("exec", driver_container(), "sh", "-c", "apt-get -qq update && apt-get -qq install rsync")
    yield "rsync"
    docker("exec", driver_container(), "apt-get", "-qq", "purge", "--auto-remove", "--yes", "rsync")


@pytest.fixture
def lab(mirror: Mirror, stack: Path) -> Lab:
    """The lab that runs, as `dbmirror lab sync` has it."""
    assert mirror.lab.folder == stack
    return mirror.lab


@pytest.fixture
def notebooks(stack: Path) -> Iterator[Path]:
    """A folder `sync` among the notebooks, and nothing at /tmp/sync on the driver."""
    folder = stack / "notebooks" / "sync"
    folder.mkdir()
    give_to_lab(stack, folder)
    yield folder
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    on_driver("rm -rf /tmp/sync ~/sync", user="root")


def on_driver(script: str, *, user: str = "ubuntu") -> str:
    return docker("exec", "--user", user, driver_container(), "bash", "-c", script)


def made(stack: Path, folder: Path, contents: dict[str, bytes]) -> None:
    """Files of the lab's user below `folder`."""
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content)
    for path in (folder, *folder.rglob("*")):
        give_to_lab(stack, path)


def test_odd_names_go_to_the_driver_and_back_and_not_twice(stack: Path, lab: Lab, notebooks: Path, by: str) -> None:
    made(stack, notebooks / "data", {name: name.encode() for name in [*ODD_NAMES, "sub/deeper/x"]})
    (notebooks / "data" / "link").symlink_to("/etc/passwd")
    out = lab_sync.sync(lab, "sync/data", "driver:/tmp/sync/there it's")
    assert (out.by, out.files, out.left_out) == (by, 7, ("link",))
    assert set(out.names) == {*ODD_NAMES, "sub/deeper/x"}
    assert lab_sync.sync(lab, "sync/data", "driver:/tmp/sync/there it's").files == 0
    assert lab_sync.sync(lab, "driver:/tmp/sync/there it's", "sync/back").files == 7
    (notebooks / "data" / "link").unlink()
    assert tree(notebooks / "back") == tree(notebooks / "data") != {}
    assert lab_sync.sync(lab, "driver:/tmp/sync/there it's", "sync/back").files == 0


def test_200_megabytes_are_the_same_on_both_sides(stack: Path, lab: Lab, notebooks: Path, by: str) -> None:
    made(stack, notebooks, {"big": os.urandom(200_000_000)})
    start = time.monotonic()
    out = lab_sync.sync(lab, "sync/big", "driver:/tmp/sync/")
    there = time.monotonic()
    lab_sync.sync(lab, "driver:/tmp/sync/big", "sync/back")
    back = time.monotonic()
    print(f"{by}: {200 / (there - start):.0f} MB/s to the driver, {200 / (back - there):.0f} MB/s from it")
    assert (out.by, out.size) == (by, 200_000_000)
    assert (notebooks / "back").read_bytes() == (notebooks / "big").read_bytes()
    assert on_driver("ls -A /tmp/sync").split() == ["big"]


def test_a_login_shell_may_print_what_it_likes(stack: Path, lab: Lab, notebooks: Path, by: str) -> None:
    made(stack, notebooks / "data", {"one": b"1", "two": os.urandom(300_000)})
    on_driver(f"cp ~/.bashrc ~/.bashrc.kept; {{ cat <<'END'\n{NOISE}\nEND\ncat ~/.bashrc.kept; }} > ~/.bashrc")
    try:
        assert lab_sync.sync(lab, "sync/data", "driver:sync/data").by == by
        assert lab_sync.sync(lab, "driver:~/sync/data", "sync/back").files == 2
    finally:
        on_driver("mv ~/.bashrc.kept ~/.bashrc")
    assert tree(notebooks / "back") == tree(notebooks / "data")


def test_a_dry_run_names_what_it_would_copy_and_writes_nothing(stack: Path, lab: Lab, notebooks: Path, by: str) -> None:
    made(stack, notebooks / "data", {"one": b"1", "sub/two": b"22"})
    done = lab_sync.sync(lab, "sync/data", "driver:/tmp/sync/new/data", dry_run=True)
    assert (done.by, done.files, done.size, sorted(done.names)) == (by, 2, 3, ["one", "sub/two"])
    assert on_driver("ls -d /tmp/sync* || true") == ""


@pytest.mark.usefixtures("by")
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_copied(lab: Lab, notebooks: Path) -> None:
    on_driver("mkdir -p /tmp/sync/sub; cd /tmp/sync; echo 1 > a; echo 2 > secret; echo 3 > sub/c; chmod 0 secret")
    with pytest.raises(lab_sync.SyncFailed) as failed:
        lab_sync.sync(lab, "driver:/tmp/sync", "sync/got")
    assert str(failed.value) == (
        "/tmp/sync/secret could not be read on the driver: Permission denied. All else was copied."
    )
    assert tree(notebooks / "got") == {"a": b"1\n", "sub/c": b"3\n"}


@pytest.mark.usefixtures("by")
def test_a_folder_that_cannot_be_written_is_named(stack: Path, lab: Lab, notebooks: Path) -> None:
    made(stack, notebooks, {"one": b"1"})
    with pytest.raises(lab_sync.SyncFailed, match=r"/etc/one could not be written on the driver: Permission denied"):
        lab_sync.sync(lab, "sync/one", "driver:/etc/")


@pytest.mark.usefixtures("by")
def test_a_full_disk_is_named_and_nothing_is_left(stack: Path, lab: Lab, notebooks: Path) -> None:
    """/dev/shm of the driver's container holds 64 MB."""
    (notebooks / "zeros").touch()
    os.truncate(notebooks / "zeros", 100_000_000)
    give_to_lab(stack, notebooks / "zeros")
    with pytest.raises(lab_sync.SyncFailed, match=r"/dev/shm/zeros could not be written on the driver") as failed:
        lab_sync.sync(lab, "sync/zeros", "driver:/dev/shm/")
    assert "No space left on device" in str(failed.value) or "disk is full" in str(failed.value)
    assert settles(lambda: on_driver("ls -A /dev/shm") == "", 5)


def test_no_path_leaves_the_notebooks_and_no_name_is_run(stack: Path, lab: Lab, notebooks: Path, by: str) -> None:
    (notebooks / "out").symlink_to("/opt")
    (notebooks / "into").mkdir()
    (notebooks / "into" / "file").symlink_to("/opt")
    give_to_lab(stack, notebooks / "into")
    on_driver("mkdir -p /tmp/sync; echo 1 > /tmp/sync/file")
    for source, target in (("sync/out", "driver:/tmp/sync/"), ("driver:/tmp/sync/file", "sync/out/file")):
        with pytest.raises(lab_sync.SyncRefused, match="leads out"):
            lab_sync.sync(lab, source, target)
    assert lab_sync.sync(lab, "driver:/tmp/sync/file", "sync/into").by == by
    assert not (notebooks / "into" / "file").is_symlink()
    with pytest.raises(lab_sync.SyncFailed, match="The driver has no"):
        lab_sync.sync(lab, "driver:/tmp/$(touch /tmp/sync/hacked)", "sync/x")
    assert on_driver("ls /tmp/sync") == "file\n"


@pytest.mark.usefixtures("by")
def test_an_interrupt_leaves_nothing_running_and_no_half_file(stack: Path, notebooks: Path) -> None:
    (notebooks / "endless").touch()
    os.truncate(notebooks / "endless", 20_000_000_000)
    give_to_lab(stack, notebooks / "endless")
    on_driver("mkdir -p /tmp/sync")
    argv = [str(PROGRAM), "lab", "sync", "demo", "sync/endless", "driver:/tmp/sync/"]
    with subprocess.Popen(argv, cwd=stack.parents[1], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as child:
        grows = settles(lambda: on_driver("ls -A /tmp/sync") != "", 20)
        child.send_signal(signal.SIGINT)
        assert child.stderr is not None
        said = child.stderr.read().decode()
        assert child.wait(20) == 130, said
    assert grows, said
    assert settles(lambda: on_driver("ls -A /tmp/sync") == "", 5)
    assert settles(lambda: "dbmirror_lab.sync" not in docker("top", container(stack, "lab"), "-eo", "pid,args"), 5)
    # A full run once saw rsync's half on the driver here with its file already gone; three timed runs did not.
    servers = re.compile(r"rsync --server|sftp-server")
    assert settles(lambda: not servers.search(docker("top", driver_container(), "-eo", "pid,args")), 5)


def test_without_a_tunnel_the_error_says_so(stack: Path, lab: Lab, notebooks: Path) -> None:
    made(stack, notebooks, {"one": b"1"})
    docker("stop", "--time", "1", container(stack, "tunnel"))
    try:
        with pytest.raises(lab_sync.SyncFailed, match=r"The tunnel('s| has no) connection to the driver") as failed:
            lab_sync.sync(lab, "sync/one", "driver:/tmp/sync")
        assert "Copy again when the tunnel is connected" in str(failed.value)
    finally:
        docker("start", container(stack, "tunnel"))
        assert settles(lambda: health(stack, "tunnel") == "healthy", 30)
