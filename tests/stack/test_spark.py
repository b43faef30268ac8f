"""The example notebooks on both sides: in a container of the cluster's packages, and on a driver that runs Spark."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from testcontainers.core.container import DockerContainer

from tests.stack.conftest import Done, User
from tests.stack.driver_tunnel import INSIDE, SHIM, Notebook, Tunnel, tunnel_to

pytestmark = pytest.mark.stack

EXAMPLES = Path(__file__).parents[2] / "examples"
PYTHON = "/databricks/python3/bin/python"


@pytest.fixture(scope="module")
def spark_state(spark_user: User) -> dict[str, Any]:
    """A sandbox whose driver runs Spark."""
    found: dict[str, Any] = spark_user.run("sandbox", "status", "--json").document["sandbox"]
    return found


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def tunnel(spark_state: dict[str, Any], port: int) -> Iterator[Tunnel]:
    with tunnel_to(spark_state, forwards=(f"127.0.0.1:{port}:127.0.0.1:15002",)) as tunnel:
        yield tunnel


def installed(name: str, folder: Path) -> Path:
    """The packages of a requirements file of the lab in a folder of their own, for the cluster's Python."""
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    argv = [uv, "pip", "install", "-q", "--python", sys.executable, "--python-version", "3.11", "--target", str(folder)]
    requirements = INSIDE / "requirements" / f"{name}.txt"
    subprocess.run([*argv, "--no-deps", "--require-hashes", "-r", str(requirements)], check=True)
    return folder


@pytest.fixture(scope="module")
def spark_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed("spark-15.4", tmp_path_factory.mktemp("client") / "spark")


@pytest.fixture(scope="module")
def parallel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed("parallel", tmp_path_factory.mktemp("client") / "parallel")


@pytest.fixture(scope="module")
def image(spark_built: Done) -> str:
    """An image with the cluster's packages and nothing of Spark: a mirror."""
    return str(spark_built.document["image"]["tag"])


class Side:
    """A way to run a notebook."""

    def __init__(self, new_manager: Callable[[], AsyncKernelManager]) -> None:
        self.new_manager = new_manager

    def run(self, name: str) -> list[list[Any]]:
        """The outputs of each code cell of the example `name`."""
        notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
        manager = self.new_manager()
        try:
            NotebookClient(notebook, km=manager, timeout=120, startup_timeout=60).execute()
        finally:
            asyncio.run(manager.shutdown_kernel(now=True))
        return [
            [output.get("data") or output.get("text") for output in cell.outputs]
            for cell in notebook.cells
            if cell.cell_type == "code"
        ]


@pytest.fixture
def driver_side(tunnel: Tunnel) -> Side:
    Notebook(tunnel)  # writes the kernel's spec
    specs = KernelSpecManager(kernel_dirs=[str(tunnel.folder / "kernels")])
    return Side(lambda: AsyncKernelManager(kernel_name="driver", kernel_spec_manager=specs))


@pytest.fixture
def engines_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "engines"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.fixture
def mirror_side(
    image: str, port: int, spark_client: Path, parallel: Path, engines_folder: Path, tunnel: Tunnel
) -> Iterator[Side]:
    with tempfile.TemporaryDirectory(prefix="mirror-", dir="/tmp") as folder:
        name = f"scratch-mirror-{secrets.token_hex(4)}"
        argv = [
            "docker",
            "run",
            "--rm",
            "-i",
            "--init",
            "--name",
            name,
            "--network",
            "host",
            "-v",
            f"{folder}:{folder}",
        ]
        argv += ["-v", f"{SHIM}:/shim:ro", "-v", f"{spark_client}:/client/spark:ro"]
        argv += ["-v", f"{parallel}:/client/parallel:ro", "-v", f"{engines_folder}:/run/dbmirror/engines"]
        argv += ["-e", "DBMIRROR_SIDE=mirror", "-e", f"SPARK_REMOTE=sc://127.0.0.1:{port}"]
        argv += ["-e", "DBMIRROR_EXTRA_PATH=/client/spark:/client/parallel"]
        argv += [image, PYTHON, "/shim/start_kernel.py", "-f", "{connection_file}"]
        specs = Path(folder) / "kernels" / "mirror"
        specs.mkdir(parents=True)
        spec = {"argv": argv, "display_name": "Mirror", "language": "python"}
        (specs / "kernel.json").write_text(json.dumps(spec))
        kernels = KernelSpecManager(kernel_dirs=[str(specs.parent)])
        connection_file = f"{folder}/kernel.json"

        def new_manager() -> AsyncKernelManager:
            subprocess.run(["docker", "rm", "-f", name], check=False, capture_output=True)
            return AsyncKernelManager(
                kernel_name="mirror", kernel_spec_manager=kernels, transport="ipc", connection_file=connection_file
            )

        try:
            yield Side(new_manager)
        finally:
            subprocess.run(["docker", "rm", "-f", name], check=False, capture_output=True)


def without_style(output: Any) -> Any:
    return json.loads(re.sub(r" at 0x[0-9a-f]+", "", json.dumps(output)))


def test_the_example_runs_unchanged_on_both_sides_with_the_same_outputs(mirror_side: Side, driver_side: Side) -> None:
    mirror, driver = mirror_side.run("both_sides"), driver_side.run("both_sides")
    assert without_style(mirror) == without_style(driver)
    versions, listing, head, table, html, count, sql, same, removed = mirror
    assert "'numpy': '1.23.5'" in versions[0]["text/plain"]
    assert "squares.csv" in listing[0]["text/plain"]
    assert head == ["n,square\n0,0\n1,1\n"]
    assert "<table" in table[0]["text/html"]
    assert "506" in html[0]["text/html"]
    assert count[0]["text/plain"] == "4"
    assert "126" in sql[0]["text/html"] or "<table" in sql[0]["text/html"]
    assert "True" in same[0]["text/plain"]
    assert removed[0]["text/plain"] == "True"


def test_a_mirror_without_a_spark_server_says_so_in_a_sentence(image: str, spark_client: Path) -> None:
    code = (
        "import sys; sys.path[:0] = ['/shim']; sys.path.append('/client')\n"
        "from dbmirror_shim.session import new_session\n"
        "try: new_session()\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    argv = ["docker", "run", "--rm", "-e", "SPARK_REMOTE=sc://127.0.0.1:1", "-v", f"{SHIM}:/shim:ro"]
    argv += ["-v", f"{spark_client}:/client:ro", image, PYTHON, "-c", code]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert said.startswith("Unavailable spark: no Spark Connect server answers at 127.0.0.1 port 1 ")


def test_the_lab_adds_nothing_in_front_of_what_the_mirror_has(image: str, spark_client: Path, parallel: Path) -> None:
    """Every distribution that both have is found in the mirror's own environment."""
    code = (
        "import sys; sys.path[:0] = ['/shim']; import start_kernel; sys.path[:] = start_kernel.arranged(sys.path)\n"
        "from importlib.metadata import distributions\n"
        "seen = {}\n"
        "for found in distributions():\n"
        "    seen.setdefault(found.metadata['Name'], str(found.locate_file('')))\n"
        "added = sorted(name for name, place in seen.items() if name and place.startswith('/client'))\n"
        "print(added)"
    )
    argv = [
        "docker",
        "run",
        "--rm",
        "-e",
        "DBMIRROR_EXTRA_PATH=/client/spark:/client/parallel",
        "-v",
        f"{SHIM}:/shim:ro",
    ]
    argv += [
        "-v",
        f"{spark_client}:/client/spark:ro",
        "-v",
        f"{parallel}:/client/parallel:ro",
        image,
        PYTHON,
        "-c",
        code,
    ]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert said == "['databricks-connect', 'ipyparallel', 'py4j', 'tqdm']\n"


@pytest.fixture
def engines(image: str, parallel: Path, engines_folder: Path) -> Iterator[list[str]]:
    """Two engines as `docker compose up --scale engine=2` starts them."""
    variables = {"HOME": "/tmp", "DBMIRROR_EXTRA_PATH": "/client/parallel"}
    folders = [
        (str(SHIM), "/shim", "ro"),
        (str(parallel), "/client/parallel", "ro"),
        (str(engines_folder), "/run/dbmirror/engines", "rw"),
    ]
    with ExitStack() as running:
        yield [
            running.enter_context(
                DockerContainer(image, env=variables, volumes=folders)
                .with_command([PYTHON, "/shim/start_engine.py"])
                .with_kwargs(init=True, user="1000:1000", restart_policy={"Name": "unless-stopped"})
            ).get_container_id()
            for _ in range(2)
        ]


def test_the_parallel_example_runs_on_engines_in_containers(mirror_side: Side, engines: list[str]) -> None:
    check(mirror_side.run("parallel"))


def test_engines_find_a_new_controller_when_the_first_one_goes(mirror_side: Side, engines: list[str]) -> None:
    check(mirror_side.run("parallel"))
    for name in engines:
        subprocess.run(["docker", "restart", name], check=True, capture_output=True)
    check(mirror_side.run("parallel"))


def test_the_parallel_example_runs_on_the_driver_where_ipyparallel_is_installed(
    driver_side: Side, tunnel: Tunnel, parallel: Path
) -> None:
    """The cluster's own installation, as an init script makes one: the lab adds nothing."""
    site = "/databricks/python3/lib/python3.11/site-packages/"
    subprocess.run(["docker", "cp", f"{parallel}/.", f"{tunnel.container}:{site}"], check=True, capture_output=True)
    check(driver_side.run("parallel"))
    tunnel.nothing_is_left()


def check(outputs: list[list[Any]]) -> None:
    found, mapped, same, *_ = (output[-1]["text/plain"] if output else "" for output in outputs)
    assert found == "True"
    assert mapped == "[0, 0, 1, 5, 14, 30, 55, 91, 140, 204]"
    assert same == "True"


def test_spark_is_up_when_the_sandbox_is(spark_state: dict[str, Any], tunnel: Tunnel, port: int) -> None:
    assert "/driver:15.4-spark-" in spark_state["driver_image"]
    begin = time.monotonic()
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    assert time.monotonic() - begin < 5
