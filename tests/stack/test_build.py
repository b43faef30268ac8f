"""Real builds with the real buildx, on a base of one static program, so that each takes a second."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbmirror.engine import docker as engine
from dbmirror.engine.buildx import build
from dbmirror.engine.docker import EngineUnavailable
from dbmirror.engine.failures import BuildFailed
from dbmirror.engine.images import ImageUnavailable, ensure_image, image_history, inspect_image
from dbmirror.progress import Observer

pytestmark = pytest.mark.stack

TAG = "scratch-engine-test:built"
COMMANDS = ("[", "sh", "cat", "echo", "env", "false", "head", "ls", "mkdir", "sleep", "touch", "true")


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image that holds Debian's static busybox and nothing else."""
    folder = tmp_path_factory.mktemp("busybox")
    subprocess.run(["apt-get", "download", "busybox-static"], cwd=folder, check=True, capture_output=True)
    package = next(folder.glob("busybox-static_*.deb"))
    subprocess.run(["dpkg-deb", "-x", package, folder / "tree"], check=True)
    program = next(
        path for path in (folder / "tree").rglob("busybox") if path.is_file() and path.stat().st_mode & 0o100
    )
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.add(program, "bin/busybox")
        for name in COMMANDS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    subprocess.run(["docker", "import", "-", "scratch-engine-test:base"], input=content.getvalue(), check=True)
    yield "scratch-engine-test:base"
    subprocess.run(["docker", "rmi", "-f", "scratch-engine-test:base", TAG], check=False, capture_output=True)


@pytest.fixture(autouse=True)
def no_images_left() -> Iterator[None]:
    """Remove what a test built before the next takes its tag over and leaves it nameless."""
    yield
    subprocess.run(["docker", "rmi", "-f", TAG], check=False, capture_output=True)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    return folder


def write(context: Path, base: str, *lines: str) -> Path:
    (context / "Dockerfile").write_text("\n".join([f"FROM {base} AS runtime", *lines]) + "\n")
    return context


class Recorder(Observer):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def started(self, stage: str, *, total: int | None = None) -> None:
        self.calls.append(f"{stage} started {total}")

    def advanced(self, stage: str, text: str = "", *, steps: int = 1) -> None:
        self.calls.append(f"{stage} +{steps} {text}")

    def finished(self, stage: str, text: str = "") -> None:
        self.calls.append(f"{stage} finished {text}")


def test_a_build_gives_an_image_with_its_tag_and_labels_and_tells_its_steps(tiny_base: str, context: Path) -> None:
    recorder = Recorder()
    write(context, tiny_base, "RUN echo 'dbmirror: installing numpy'; echo hello > /greeting")
    result = build(context, tags=[TAG], labels={"a.b": "c $d 'e' f"}, secrets={}, no_cache=True, observer=recorder)
    image = inspect_image(TAG)
    assert image is not None
    assert image.image_id == result.image_id
    assert image.labels["a.b"] == "c $d 'e' f"
    assert (image.os, image.architecture) == ("linux", "amd64")
    assert result.steps == 1
    assert recorder.calls[0] == "build started 1"
    assert "build +0 installing numpy" in recorder.calls
    assert recorder.calls[-1].startswith("build finished 1 steps")


def test_the_same_build_again_comes_from_the_cache_and_no_cache_forbids_that(tiny_base: str, context: Path) -> None:
    write(context, tiny_base, "RUN touch /a", "RUN touch /b")
    first = build(context, tags=[TAG], labels={}, secrets={})
    second = build(context, tags=[TAG], labels={}, secrets={})
    assert second.image_id == first.image_id
    assert second.cached_steps == second.steps == 2
    third = build(context, tags=[TAG], labels={}, secrets={}, no_cache=True)
    assert third.cached_steps == 0


def test_a_secret_reaches_the_step_and_not_the_image(tiny_base: str, context: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    write(context, tiny_base, "RUN --mount=type=secret,id=token [ -s /run/secrets/token ] && cat /run/secrets/token")
    build(context, tags=[TAG], labels={}, secrets={"token": secret}, no_cache=True)
    assert "hunter2" not in "\n".join(image_history(TAG))
    saved = subprocess.run(["docker", "save", TAG], check=True, capture_output=True).stdout
    assert b"hunter2" not in saved


def test_no_step_has_a_proxy_in_its_environment_whoever_configured_it(
    tiny_base: str, context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(context, tiny_base, 'RUN env | head -n 99 > /environment && [ -z "$HTTPS_PROXY$HTTP_PROXY$http_proxy" ]')
    configured = {"proxies": {"default": {"httpProxy": "http://me:hunter2@configured.example:3128"}}}
    (tmp_path / "config.json").write_text(json.dumps(configured))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hunter2@proxy.example:3128")
    build(context, tags=[TAG], labels={}, secrets={}, no_cache=True)
    assert "hunter2" not in "\n".join(image_history(TAG))
    saved = subprocess.run(["docker", "save", TAG], check=True, capture_output=True).stdout
    assert b"hunter2" not in saved


def test_a_named_context_takes_the_place_of_the_stage_of_that_name(
    tiny_base: str, context: Path, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "one").write_text("from the context")
    write(
        context,
        tiny_base,
        "FROM runtime AS files-demo",
        "RUN false",
        "FROM runtime",
        "RUN --mount=type=bind,from=files-demo,target=/given [ \"$(cat /given/one)\" = 'from the context' ]",
    )
    build(context, tags=[TAG], labels={}, secrets={}, contexts={"files-demo": tmp_path / "files"}, no_cache=True)
    with pytest.raises(BuildFailed):
        build(context, tags=[TAG], labels={}, secrets={})


def test_a_build_argument_reaches_the_build(tiny_base: str, context: Path) -> None:
    write(context, tiny_base, "ARG WHAT", "LABEL what=${WHAT}")
    build(context, tags=[TAG], labels={}, secrets={}, build_arguments={"WHAT": "this one"})
    image = inspect_image(TAG)
    assert image is not None
    assert image.labels["what"] == "this one"


def test_a_failing_step_names_the_step_the_package_and_the_remedy(tiny_base: str, context: Path) -> None:
    write(
        context,
        tiny_base,
        "RUN echo 'a.c:1:2: fatal error: sql.h: No such file or directory'; "
        "echo 'dbmirror: failed pyodbc 4.0.38 (build)'; exit 1",
    )
    with pytest.raises(BuildFailed) as caught:
        build(context, tags=[TAG], labels={}, secrets={})
    assert caught.value.package == "pyodbc 4.0.38"
    assert caught.value.step.startswith("image 2/2: echo")
    assert "unixodbc-dev" in caught.value.remedy
    assert caught.value.log[-1] == "dbmirror: failed pyodbc 4.0.38 (build)"


def test_a_step_that_is_killed_is_read_as_lack_of_memory(tiny_base: str, context: Path) -> None:
    write(context, tiny_base, "RUN sh -c 'exit 137'")
    with pytest.raises(BuildFailed) as caught:
        build(context, tags=[TAG], labels={}, secrets={})
    assert caught.value.cause == "memory"


def test_a_base_that_cannot_be_had_is_said_so_with_the_way_out(context: Path) -> None:
    write(context, "localhost:1/no/such:image")
    with pytest.raises(
        BuildFailed, match="registry of the base image localhost:1/no/such:image cannot be reached"
    ) as e:
        build(context, tags=[TAG], labels={}, secrets={})
    assert "--base" in e.value.remedy
    with pytest.raises(ImageUnavailable, match="cannot be reached") as pulled:
        ensure_image("localhost:1/no/such:image", timeout=30)
    assert "--base" in pulled.value.remedy


def test_a_file_that_the_context_lacks_is_named(tiny_base: str, context: Path) -> None:
    write(context, tiny_base, "COPY wheels/a.whl /")
    with pytest.raises(BuildFailed, match="the build context lacks wheels"):
        build(context, tags=[TAG], labels={}, secrets={})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_the_build_and_leaves_nothing_running(
    tiny_base: str, context: Path, tmp_path_factory: pytest.TempPathFactory, number: signal.Signals
) -> None:
    write(context, tiny_base, "RUN --mount=type=secret,id=netrc echo dbmirror: sleeping; sleep 98765")
    program = (
        "from pathlib import Path; from dbmirror.engine.buildx import build; from dbmirror.progress import Observer\n"
        "from dbmirror.cli.interruption import signals_heard\n"
        "from dbmirror.processes.temporary import temporary_folder\n"
        "class Loud(Observer):\n"
        "    def advanced(self, stage, text='', *, steps=1): print(text, flush=True)\n"
        "with signals_heard(), temporary_folder('secrets', in_memory=True) as folder:\n"
        "    (folder / 'netrc').write_text('machine h login u password hunter2')\n"
        f"    build(Path({str(context)!r}), tags=[{TAG!r}], labels={{}}, secrets={{'netrc': folder / 'netrc'}},\n"
        "          no_cache=True, observer=Loud())\n"
    )
    home = tmp_path_factory.mktemp("home")
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DBMIRROR_HOME": str(home)},
    )
    assert parent.stdout is not None
    # The first line names the step before its process exists: the worst moment to cancel it.
    while "sleeping" not in parent.stdout.readline():
        assert parent.poll() is None, parent.stderr
    started = time.monotonic()
    left = f"dbmirror-secrets-{(home / 'runs' / 'home').read_text()}-*"
    assert list(Path("/dev/shm").glob(left))
    parent.send_signal(number)
    _, error = parent.communicate(timeout=30)
    assert "KeyboardInterrupt" in error or "Ended" in error
    assert not list(Path("/dev/shm").glob(left))
    assert time.monotonic() - started < 15
    deadline = time.monotonic() + 10
    while left := running(b"98765") + running(str(context).encode()):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def running(word: bytes) -> list[str]:
    """The command lines of this machine's processes that have `word` in them, this test's own left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if word in line and int(path.parent.name) != os.getpid():
            found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_the_engine_states_its_facts() -> None:
    facts = engine.facts()
    assert facts.version
    assert facts.buildx is not None
    engine.require_buildx(facts.buildx)
    assert facts.free_bytes is None or facts.free_bytes > 0


@pytest.mark.parametrize("host", ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:9"])
def test_an_engine_that_does_not_run_is_one_clear_message(
    host: str, monkeypatch: pytest.MonkeyPatch, context: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(EngineUnavailable, match="does not answer") as caught:
        engine.client()
    assert "DOCKER_HOST" in caught.value.remedy
    write(context, "scratch")
    with pytest.raises(EngineUnavailable, match="does not answer"):
        build(context, tags=[TAG], labels={}, secrets={})


def test_a_context_of_the_command_line_is_honoured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    subprocess.run(
        ["docker", "context", "create", "elsewhere", "--docker", "host=unix:///nonexistent/elsewhere.sock"],
        check=True,
        capture_output=True,
    )
    engine.client().close()
    subprocess.run(["docker", "context", "use", "elsewhere"], check=True, capture_output=True)
    with pytest.raises(EngineUnavailable):
        engine.client()


def test_an_image_that_is_not_there_is_none() -> None:
    assert inspect_image("scratch-engine-test:no-such") is None
