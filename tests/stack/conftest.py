"""A sandbox for each of the processes that test, and the command line as a user types it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import dbmirror.runtimes
from dbmirror.sandbox.base import ensure_base

# Its image, which removes what a killed run left, cannot be pulled everywhere; each test removes its own.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

PROGRAM = Path(sys.executable).parent / "dbmirror"
HEAVY = "contourpy fonttools matplotlib* patsy pillow plotly pyarrow scikit-* scipy seaborn statsmodels"
"""What most of the time of a build, a verification and a push goes into."""
LIGHT = "".join(f'[[filters.blacklist]]\nname = "{name}"\nreason = "Takes long."\n' for name in HEAVY.split())
"""The filters, as a dbmirror.toml has them, of a mirror that is not about its packages."""
RUNTIME_LISTS = Path(dbmirror.runtimes.__file__).parent / "packages"


@pytest.fixture(scope="session", autouse=True)
def base_image(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The sandbox's base image, made by one of the processes that test: each makes another one otherwise."""
    with (tmp_path_factory.getbasetemp().parent / "base-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ensure_base()


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """What --json printed."""
        return json.loads(self.stdout)

    def expect(self, code: int) -> Done:
        """This, if the command ended with `code` and without a traceback."""
        assert "Traceback" not in self.stderr, self.stderr
        assert self.code == code, f"exit code {self.code} instead of {code}\n{self.stdout}\n{self.stderr}"
        return self


@dataclass(frozen=True)
class User:
    """Somebody with a home of their own, in a folder of their own."""

    home: Path
    folder: Path
    environment: dict[str, str] = field(repr=False)

    def run(self, *arguments: str, code: int = 0, stdin: str = "", timeout: float = 900, **variables: str) -> Done:
        """Run `dbmirror ARGUMENTS` and expect its exit code."""
        ended = subprocess.run(
            [str(PROGRAM), *arguments],
            cwd=self.folder,
            env=self.environment | variables,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Done(ended.returncode, ended.stdout, ended.stderr).expect(code)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start `dbmirror ARGUMENTS` in a process group of its own."""
        return subprocess.Popen(
            [str(PROGRAM), *arguments],
            cwd=self.folder,
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def in_folder(self, folder: Path) -> User:
        """The same user somewhere else."""
        folder.mkdir(parents=True, exist_ok=True)
        return User(self.home, folder, self.environment)


def interrupt(process: subprocess.Popen[str]) -> Done:
    """Press Ctrl-C: the terminal tells the whole process group."""
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    return Done(process.returncode, stdout, stderr)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def new_user(place: Path) -> User:
    """A user with profiles and keys of their own that dbmirror must not touch."""
    home = place / "home"
    (home / ".ssh").mkdir(mode=0o700, parents=True)
    (home / ".ssh" / "config").write_text("Host *\n  ServerAliveInterval 30\n")
    (home / ".databrickscfg").write_text("[real]\nhost = https://real.example\ntoken = the-users-own\n")
    (place / "work").mkdir()
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("DATABRICKS_", "SSH_AUTH"))}
    # Docker's settings stay the machine's: they say where the engine is.
    docker_settings = os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    environment = ours | {"HOME": str(home), "DBMIRROR_HOME": str(home / "state"), "DOCKER_CONFIG": docker_settings}
    return User(home, place / "work", environment)


def copy_what_is_committed_and_fetched(user: User, other: User) -> None:
    """The mirrors of `user`, and the files that their builds fetched, for another user on another machine."""
    shutil.copytree(user.folder / "mirrors", other.folder / "mirrors")
    shutil.copytree(user.home / "state" / "cache", other.home / "state" / "cache")


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where screenshots are kept after the run: DBMIRROR_TEST_ARTEFACTS, else `artefacts/` of the checkout."""
    folder = Path(os.environ.get("DBMIRROR_TEST_ARTEFACTS") or Path(__file__).parents[2] / "artefacts")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def user_with_sandbox(place: Path, *options: str) -> Iterator[User]:
    """A new user in `place` who has the sandbox up that the `options` of `sandbox up` ask for."""
    user = new_user(place)
    try:
        user.run("sandbox", "up", *options)
        yield user
    finally:
        user.run("sandbox", "down")


@pytest.fixture(scope="session")
def sandbox_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """A user who has the sandbox up."""
    with user_with_sandbox(tmp_path_factory.mktemp("user")) as user:
        yield user


@pytest.fixture(scope="session")
def r_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """A user who has a sandbox with R up."""
    with user_with_sandbox(tmp_path_factory.mktemp("user-of-r"), "--r") as user:
        (user.folder / "dbmirror.toml").write_text(LIGHT)
        yield user


@pytest.fixture(scope="session")
def r_built(r_user: User) -> Iterator[Done]:
    """What the build of that sandbox's mirror said, in the user's folder."""
    built = r_user.run("build", "demo", "--json")
    yield built
    subprocess.run(["docker", "rmi", "--force", built.document["image"]["tag"]], check=False, capture_output=True)


@pytest.fixture(scope="session")
def spark_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """A user who has a sandbox up whose driver runs Spark."""
    with user_with_sandbox(tmp_path_factory.mktemp("user-of-spark"), "--spark") as user:
        yield user


@pytest.fixture(scope="session")
def spark_built(spark_user: User) -> Done:
    """What the build of that sandbox's mirror said, in the user's folder."""
    return spark_user.run("build", "demo", "--json")
