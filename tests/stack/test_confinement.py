"""Packages whose authors are hostile, run by verification and inspection: what they try does not come about."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import docker
import pytest

from dbmirror.build.image import Built
from dbmirror.engine.buildx import build
from dbmirror.hosts.container import ContainerHost
from dbmirror.hosts.container_errors import ContainerHostError
from dbmirror.hosts.containment import SCRATCH
from dbmirror.processes.programs import LARGEST_OUTPUT
from dbmirror.publish.gate import NotVerified, require_verified
from dbmirror.verify import attempts as attempting
from dbmirror.verify.errors import VerificationFailed
from dbmirror.verify.model import Report
from tests.stack.bases import with_environment
from tests.stack.test_verify import SITE_PACKAGES, TINY, VERSIONS, make, verified

pytestmark = pytest.mark.stack

FORK_BOMB = "import os\nwhile True:\n    try:\n        os.fork() or os.setsid()\n    except OSError:\n        pass\n"
LEAVES_A_CHILD = """
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(3600)
print("x" * 100_000_000)
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("base")
    (folder / "Dockerfile").write_text(with_environment())
    build(folder, tags=["scratch-confinement-base:python"], labels={}, secrets={})
    yield "scratch-confinement-base:python"
    subprocess.run(["docker", "rmi", "-f", "scratch-confinement-base:python"], check=False, capture_output=True)


@pytest.fixture(scope="module")
def image(base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Makes images of the three packages, `beta` with the code of the attacker."""
    folder = tmp_path_factory.mktemp("images")
    made: list[str] = []

    def of(name: str, beta: str, *lines: str) -> str:
        content = {"alpha": "", "beta": beta, "gamma": "import pyspark\n"}
        name = f"{name}-{len(made)}"
        made.append(make(base, folder, name=name, versions=VERSIONS, content=content, lines=list(lines)))
        return made[-1]

    yield of
    subprocess.run(["docker", "rmi", "-f", *made], check=False, capture_output=True)


def of_beta(report: Report) -> str | None:
    return next(attempt.error for attempt in report.imports if attempt.module == "beta")


def left_over(engine: docker.DockerClient, image: str) -> list[str]:
    return [str(found.name) for found in engine.containers.list(all=True, filters={"ancestor": image})]


REACHES_OUT = """
import os, socket
routes = open("/proc/net/route").read().splitlines()[1:]
interfaces = sorted(os.listdir("/sys/class/net"))
assert interfaces == ["lo"] and not routes, (interfaces, routes)
try:
    socket.create_connection(("1.1.1.1", 53), timeout=3)
except OSError as error:
    assert error.errno == 101, error  # the network is unreachable
else:
    raise RuntimeError("it reached the network")
"""
WRITES = """
import os, pathlib
for place in ("/evil", "/usr/bin/evil", "/etc/evil", "/databricks/python3/evil", "/root/evil", "/var/lib/evil",
              "/data/evil", os.path.dirname(__file__) + "/evil.py"):
    try:
        pathlib.Path(place).write_text("x")
    except OSError as error:
        assert error.errno in (13, 30), error
    else:
        raise RuntimeError("it wrote " + place)
pathlib.Path("/tmp/fine").write_text("as a cluster lets it")
"""
TAKES_RIGHTS = """
import ctypes, os
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
    assert int(status[kind], 16) == 0, (kind, status[kind])
assert 0 not in map(int, status["Uid"].split() + status["Gid"].split() + status["Groups"].split()), status
assert status["NoNewPrivs"].strip() == "1"
assert ctypes.CDLL(None).mount(b"none", b"/", None, 32 | 4096, None) == -1
for call in (lambda: os.setuid(1000), lambda: os.chroot("/tmp"), lambda: os.mknod("/tmp/sda", 0o60600, 0x800)):
    try:
        call()
    except PermissionError:
        continue
    raise RuntimeError("it has rights")
mounted = [line.split()[1] for line in open("/proc/mounts")]
assert not [place for place in mounted if place.startswith("/run/secrets")]
assert not os.path.exists("/var/run/docker.sock")
"""


@pytest.mark.parametrize("attack", [REACHES_OUT, WRITES, TAKES_RIGHTS], ids=["network", "files", "rights"])
def test_a_module_reaches_no_network_writes_no_file_and_has_no_rights(image: Callable[..., str], attack: str) -> None:
    report = verified(image("attack", attack, "VOLUME /data"), *TINY)

    assert of_beta(report) is None
    assert report.passed


@pytest.mark.alone
def test_a_fork_bomb_ends_with_the_verification(
    image: Callable[..., str], engine: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempting, "ATTEMPT_SECONDS", 1.0)
    monkeypatch.setattr(attempting, "_ALL_SECONDS", 60.0)
    tag = image("bomb", FORK_BOMB)

    started = time.monotonic()
    # Either each import that finds no room is named, or the container's time is over.
    with suppress(ContainerHostError, VerificationFailed):
        assert not verified(tag, *TINY).passed
    assert time.monotonic() - started < 120
    assert left_over(engine, tag) == []


def test_a_child_and_endless_words_hold_nothing_up(image: Callable[..., str], engine: docker.DockerClient) -> None:
    tag = image("child", LEAVES_A_CHILD)

    started = time.monotonic()
    assert verified(tag, *TINY).passed
    assert time.monotonic() - started < 60
    assert left_over(engine, tag) == []


def test_a_module_that_hangs_is_named(image: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempting, "ATTEMPT_SECONDS", 0.5)

    assert of_beta(verified(image("hangs", "while True: pass\n"), *TINY)) == "it did not end within 0.5 s"


@pytest.mark.parametrize(
    "line",
    ["import sys; [sys.stdout.write('x' * 65536) for _ in iter(int, 1)]", "import time; time.sleep(3600)"],
    ids=["prints for ever", "hangs"],
)
def test_code_that_runs_whenever_python_starts_is_stopped(
    image: Callable[..., str], engine: docker.DockerClient, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """A `.pth` file runs in an attempt alone: not where the attempts are started, not where the files are read."""
    monkeypatch.setattr(attempting, "ATTEMPT_SECONDS", 0.5)
    tag = image("pth", "", f'RUN echo "{line}" >/{SITE_PACKAGES}/evil.pth')

    report = verified(tag, *TINY)

    assert all(comparison.equal for comparison in report.comparisons)
    assert of_beta(report) == "it did not end within 0.5 s"
    assert not report.passed
    assert left_over(engine, tag) == []


FORGES = """
import ctypes, json, os, signal, sys
main = sys.modules["__main__"]
nonce, wanted = getattr(main, "NONCE", ""), json.loads(getattr(main, "WANTED", "{}"))
forged = {"imports": dict.fromkeys(wanted.get("imports", ())), "programs": {n: [0, "fine"] for n in wanted["programs"]}}
answer = ("\\n" + nonce + json.dumps(forged) + "\\n").encode()
done = []
for number in range(256):
    try:
        os.write(number, answer)
    except OSError:
        pass
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) in (os.getpid(), 1):
        continue
    for number in range(16):
        try:
            with open(f"/proc/{pid}/fd/{number}", "wb") as stream:
                stream.write(answer)
            done.append(f"wrote to {number} of {pid}")
        except OSError:
            pass
    for path in ("mem", "environ", "maps"):
        try:
            # Of a process that has just ended, nothing is left to read.
            if open(f"/proc/{pid}/{path}", "rb").read(1):
                done.append(f"read {path} of {pid}")
        except OSError:
            pass
    if ctypes.CDLL(None, use_errno=True).ptrace(16, int(pid), 0, 0) == 0:
        done.append(f"traces {pid}")
    try:
        os.kill(int(pid), signal.SIGSTOP)
        done.append(f"stopped {pid}")
    except OSError:
        pass
import importlib, importlib.metadata
importlib.metadata.version = lambda name: "1.0"
if done:
    raise RuntimeError(str(done))
"""
"""Answers for the others, in every way that a process has to reach another."""
WRONG = (
    f"RUN sed -i 's/^Version: 1.0/Version: 9.9/' /{SITE_PACKAGES}/alpha-1.0.dist-info/METADATA",
    f"RUN echo 'raise ValueError(1)' >/{SITE_PACKAGES}/gamma.py",
)


def is_red(report: Report) -> None:
    """`push` does not take the image: alpha is another, gamma does not import."""
    assert [(c.name, c.found) for c in report.comparisons if not c.equal] == [("alpha", "9.9")]
    assert next(a.error for a in report.imports if a.module == "gamma") == "ValueError: 1"
    assert not report.passed
    built = Built(image_id=report.image_id, tags=("demo:1",), snapshot="sha256:0", lock=report.lock)
    with pytest.raises(NotVerified):
        require_verified(built, report, mirror="demo", allow_unverified=False)


@pytest.mark.parametrize("when", ["import", "start"])
def test_a_package_answers_for_no_other_one(image: Callable[..., str], when: str) -> None:
    """Neither as it is imported, nor by a `.pth` file whenever a Python starts."""
    hook = f"RUN echo 'import beta' >/{SITE_PACKAGES}/evil.pth"
    report = verified(image("forger", FORGES, *WRONG, *([hook] if when == "start" else [])), *TINY)

    assert of_beta(report) is None
    is_red(report)


def test_an_interpreter_that_lies_changes_no_version(image: Callable[..., str]) -> None:
    """A wheel may bring a file of that name: what the image has is read from its files, and nothing of it is run."""
    lies = "#!/bin/sh\\necho Python 3.11.2\\nexit 0\\n"
    tag = image(
        "liar",
        "",
        *WRONG,
        f"RUN rm -f /databricks/python3/bin/python* && printf '{lies}' "
        ">/databricks/python3/bin/python && chmod +x /databricks/python3/bin/python",
    )
    try:
        report = verified(tag, *TINY)
    except VerificationFailed:
        return
    assert [(c.name, c.found) for c in report.comparisons if not c.equal] == [("alpha", "9.9")]
    assert not report.passed


def test_memory_has_an_end(image: Callable[..., str], engine: docker.DockerClient) -> None:
    tag = image("plain", "")
    with ContainerHost(tag, writable=SCRATCH) as host:
        (name,) = left_over(engine, tag)
        limits = engine.containers.get(name).attrs["HostConfig"]
        full = host.run(["sh", "-c", "head -c 600000000 /dev/zero >/tmp/full"], timeout=120)

    assert 0 < limits["Memory"] == limits["MemorySwap"] <= engine.info()["MemTotal"]
    assert b"No space left" in full.stderr


def test_the_images_own_start_up_does_not_run(image: Callable[..., str], engine: docker.DockerClient) -> None:
    tag = image(
        "startup",
        "",
        'ENTRYPOINT ["sh", "-c", "touch /tmp/started; exec sleep 3600"]',
        'CMD ["touch", "/tmp/started"]',
        "HEALTHCHECK --interval=1s CMD touch /tmp/started",
    )
    with ContainerHost(tag, writable=SCRATCH) as host:
        time.sleep(3)
        assert host.run(["ls", "/tmp"]).stdout == b""
        running = host.run(["sh", "-c", "cat /proc/[0-9]*/comm"]).stdout.split()
    assert b"sleep" not in running
    assert left_over(engine, tag) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_container_ends_with_the_process_that_made_it(
    image: Callable[..., str], engine: docker.DockerClient, number: signal.Signals
) -> None:
    tag = image(f"signal{number.value}", "")
    program = (
        "from dbmirror.hosts.container import ContainerHost\n"
        f"with ContainerHost({tag!r}) as host:\n"
        "    print('up', flush=True)\n"
        "    host.run(['sleep', '300'], timeout=300)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        assert left_over(engine, tag)
        process.send_signal(number)
        process.wait(timeout=20)
    until = time.monotonic() + 20
    while left_over(engine, tag) and time.monotonic() < until:
        time.sleep(0.2)
    assert left_over(engine, tag) == []


def test_after_a_command_that_went_too_far_the_next_one_runs(image: Callable[..., str]) -> None:
    with ContainerHost(image("again", "")) as host:
        with pytest.raises(ContainerHostError, match="did not end within 1 seconds"):
            host.run(["sleep", "60"], timeout=1)
        with pytest.raises(ContainerHostError, match=f"more than {LARGEST_OUTPUT >> 20} MiB"):
            host.run(["cat", "/dev/zero"])
        assert host.run(["echo", "here"]).stdout == b"here\n"
