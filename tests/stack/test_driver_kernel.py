"""Notebooks whose kernel is a process on the sandbox's driver, over a control socket as the lab's tunnel has one."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.stack.conftest import User
from tests.stack.driver_tunnel import (
    BARE_KERNEL,
    INSIDE,
    READY_RATIO,
    Notebook,
    Tunnel,
    await_that,
    duration,
    tunnel_to,
)

pytestmark = pytest.mark.stack

KEY_PARTS = ("hmac-sha256", '"key"')


@pytest.fixture(scope="module")
def state(sandbox_user: User) -> dict[str, Any]:
    found: dict[str, Any] = sandbox_user.run("sandbox", "status", "--json").document["sandbox"]
    return found


@pytest.fixture
def tunnel(state: dict[str, Any]) -> Iterator[Tunnel]:
    with tunnel_to(state) as tunnel:
        yield tunnel
        tunnel.nothing_is_left()


@pytest.fixture
def notebook(tunnel: Tunnel) -> Iterator[Notebook]:
    with Notebook(tunnel) as notebook:
        yield notebook


def test_a_notebook_is_ready_soon_after_its_kernels_python_is(tunnel: Tunnel) -> None:
    """Each pair is taken at one time, and what slows down this machine does so to both."""
    ratios = []
    for _ in range(3):
        bare = duration(lambda: tunnel.on_driver(shlex.join(BARE_KERNEL)))
        begin = time.monotonic()
        with Notebook(tunnel) as notebook:
            ratios.append((time.monotonic() - begin) / bare)
            assert notebook.run("1 + 1").data[0]["text/plain"] == "2"
    assert min(ratios) < READY_RATIO, ratios


def test_it_runs_in_the_clusters_own_python_with_the_clusters_libraries_first(notebook: Notebook) -> None:
    reply = notebook.run(
        "import sys, os, certifi, numpy\n"
        "print(sys.executable, os.getcwd(), numpy.__version__, certifi.__version__, is_remote())"
    )
    # certifi is in the runtime at 2023.07.22, and nearer among the cluster's libraries.
    assert reply.text == "/databricks/python3/bin/python /databricks/driver 1.23.5 2024.07.04 True\n"


def test_only_the_variables_that_it_needs_come_from_the_lab(notebook: Notebook) -> None:
    ours = "('PYTEST', 'DOCKER', 'DBMIRROR')"
    reply = notebook.run(f"import os; print([name for name in os.environ if name.startswith({ours})])")
    assert reply.text == "['DBMIRROR_SIDE']\n"


def test_output_is_as_rich_as_elsewhere(notebook: Notebook) -> None:
    reply = notebook.run("import pandas\ndisplay(pandas.DataFrame({'n': [1]}))\ndisplayHTML('<b>bold</b>')")
    assert "<table" in reply.data[0]["text/html"]
    assert reply.data[1]["text/html"] == "<b>bold</b>"


def test_an_error_comes_with_its_name(notebook: Notebook) -> None:
    reply = notebook.run("1 / 0")
    assert (reply.status, reply.error) == ("error", "ZeroDivisionError: division by zero")


def test_a_cell_can_ask_for_a_line(notebook: Notebook) -> None:
    assert notebook.run("print(input('name? ').upper())", answer="ada").text == "ADA\n"


@pytest.mark.parametrize(
    "code", ["for _ in range(1000): print('x' * 99_999)", "print('x' * 99_999_999)"], ids=["lines", "at-once"]
)
def test_a_hundred_megabytes_of_output_arrive_whole(notebook: Notebook, code: str) -> None:
    reply = notebook.run(code, timeout=90)
    assert reply.status == "ok"
    assert len(reply.text) == 100_000_000


def test_an_interrupt_reaches_a_running_cell(notebook: Notebook) -> None:
    timer = threading.Timer(1, notebook.manager.interrupt_kernel)
    timer.start()
    begin = time.monotonic()
    reply = notebook.run("import time; time.sleep(50)")
    assert reply.error.startswith("KeyboardInterrupt")
    assert time.monotonic() - begin < 25
    # A kernel drops what comes in while an error still stops its queue, as it does for Jupyter's "run all".
    replies = (notebook.run("'still here'") for _ in range(20))
    assert next(reply for reply in replies if reply.status != "aborted").status == "ok"


def test_a_restart_gives_a_fresh_kernel_to_the_same_client(notebook: Notebook) -> None:
    before = notebook.run("x = 1; import os; print(os.getpid())").text
    notebook.manager.restart_kernel()
    notebook.client.wait_for_ready(timeout=30)
    assert notebook.run("print(os.getpid())").error.startswith("NameError")
    assert notebook.run("import os; print(os.getpid())").text != before


def test_a_shutdown_leaves_nothing_on_the_driver(tunnel: Tunnel, notebook: Notebook) -> None:
    notebook.run("import subprocess; subprocess.Popen(['setsid', 'sleep', '600'])")
    assert any("sleep" in line for line in tunnel.left_on_driver())
    notebook.manager.shutdown_kernel()
    tunnel.nothing_is_left()


def test_a_notebook_changes_no_file_of_the_driver(tunnel: Tunnel) -> None:
    snapshot = "find / -xdev -type f -newer /etc/ssh/ssh_host_ed25519_key -print | sort"
    before = tunnel.on_driver(snapshot)
    with Notebook(tunnel) as notebook:
        notebook.run("import pandas, matplotlib.pyplot as plt\nplt.plot([1, 2]); display(plt.gcf())")
    tunnel.nothing_is_left()
    assert tunnel.on_driver(snapshot) == before


def test_two_notebooks_do_not_know_of_each_other(tunnel: Tunnel) -> None:
    with Notebook(tunnel) as one, Notebook(tunnel) as two:
        one.run("x = 'one'")
        two.run("x = 'two'")
        replies: list[str] = []
        waits = (
            "import os, time\nwhile not os.path.exists('/tmp/over'): time.sleep(0.05)\nos.remove('/tmp/over'); print(x)"
        )
        thread = threading.Thread(target=lambda: replies.append(one.run(waits).text))
        thread.start()
        assert two.run("print(x)").text == "two\n"
        assert replies == []
        two.run("open('/tmp/over', 'w').close()")
        thread.join()
        assert replies == ["one\n"]


def test_twelve_notebooks_fit_one_connection(tunnel: Tunnel) -> None:
    """sshd's MaxSessions is ten: a kernel holds none of them."""
    notebooks = [Notebook(tunnel) for _ in range(12)]
    try:
        for notebook in notebooks:
            notebook.start()
        assert {notebook.run("1").status for notebook in notebooks} == {"ok"}
    finally:
        for notebook in notebooks:
            if notebook.manager.has_kernel:
                notebook.client.stop_channels()
                notebook.manager.shutdown_kernel(now=True)


def test_a_connection_that_is_lost_and_restored_while_a_cell_runs_loses_no_output(
    tunnel: Tunnel, notebook: Notebook
) -> None:
    def interrupt() -> None:
        time.sleep(1)
        tunnel.cut()
        time.sleep(3)
        tunnel.connect()

    thread = threading.Thread(target=interrupt)
    thread.start()
    reply = notebook.run("import time\nfor n in range(40):\n    print(n, flush=True); time.sleep(0.2)")
    thread.join()
    assert reply.status == "ok"
    assert reply.text == "".join(f"{n}\n" for n in range(40))
    assert notebook.run("n").data[0]["text/plain"] == "39"


def test_a_cell_that_ends_while_the_connection_is_lost_is_seen_to_have_ended(
    tunnel: Tunnel, notebook: Notebook
) -> None:
    def interrupt() -> None:
        time.sleep(0.5)
        tunnel.cut()
        time.sleep(4)
        tunnel.connect()

    thread = threading.Thread(target=interrupt)
    thread.start()
    reply = notebook.run("import time; time.sleep(2); print('done meanwhile')")
    thread.join()
    assert (reply.status, reply.text) == ("ok", "done meanwhile\n")


def test_a_connection_that_falls_silent_is_made_anew(tunnel: Tunnel, notebook: Notebook) -> None:
    """The master's process stands still, as a network does that drops every packet, and goes on later."""
    master = tunnel.pid
    os.kill(master, signal.SIGSTOP)
    timer = threading.Timer(15, os.kill, (master, signal.SIGCONT))
    timer.start()
    assert notebook.run("print('through')", timeout=60).text == "through\n"


def test_a_kernel_that_no_one_comes_back_to_ends_after_the_grace_period(tunnel: Tunnel) -> None:
    with Notebook(tunnel, grace=3) as notebook:
        tunnel.cut()
        time.sleep(1)
        assert any("start_kernel" in line for line in tunnel.left_on_driver())
        tunnel.nothing_is_left()
        await_that(lambda: not notebook.manager.is_alive(), 10)
        tunnel.connect()


def test_a_notebook_whose_kernel_was_lost_can_be_restarted(tunnel: Tunnel) -> None:
    with Notebook(tunnel, grace=2) as notebook:
        tunnel.cut()
        await_that(lambda: not notebook.manager.is_alive(), 15)
        tunnel.connect()
        notebook.manager.restart_kernel(now=True)
        notebook.client.wait_for_ready(timeout=30)
        assert notebook.run("print('new')").text == "new\n"


def test_a_kernel_whose_cluster_has_ended_is_dead_at_once_and_not_idle_for_the_grace_period(tunnel: Tunnel) -> None:
    with Notebook(tunnel, grace=12) as notebook:
        (tunnel.folder / "state.json").write_text('{"state": "cluster-down", "text": "The cluster is terminated."}')
        tunnel.cut()
        await_that(lambda: not notebook.manager.is_alive(), 8)
        with pytest.raises(RuntimeError, match=r"no connection to the driver \(cluster-down\)"):
            notebook.manager.restart_kernel(now=True)
        (tunnel.folder / "state.json").unlink()
        tunnel.connect()
        tunnel.nothing_is_left(20)


def test_without_a_connection_a_start_fails_with_a_sentence(tunnel: Tunnel) -> None:
    (tunnel.folder / "state.json").write_text('{"state": "unreachable", "text": "The driver does not answer."}')
    tunnel.cut()
    notebook = Notebook(tunnel)
    with pytest.raises(
        RuntimeError, match=r"no connection to the driver \(unreachable\)\.\sThe driver does not answer"
    ):
        notebook.manager.start_kernel()
    assert not Path(notebook.manager.ip).parent.exists()
    tunnel.connect()


LAB = """
import sys, time
from pathlib import Path
from tests.stack.driver_tunnel import Notebook, Tunnel
notebook = Notebook(Tunnel("", Path(), "", Path(sys.argv[1])), grace=float(sys.argv[2]))
print("starting", flush=True)
notebook.start()
notebook.run("import subprocess; subprocess.Popen(['setsid', 'sleep', '600'])")
print("running", flush=True)
time.sleep(600)
"""


@contextmanager
def lab(tunnel: Tunnel, *, grace: float) -> Iterator[Callable[[str], None]]:
    """A lab with one notebook, in processes of its own; the value waits until it is `starting` or `running`.

    When this ends, the lab is killed with all that it started, as a container is.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", LAB, str(tunnel.folder), str(grace)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(INSIDE), "TMPDIR": str(tunnel.folder)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None

    def comes_to(wanted: str) -> None:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{wanted}\n"

    try:
        yield comes_to
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_a_lab_that_is_killed_leaves_nothing_on_the_driver(tunnel: Tunnel) -> None:
    with tunnel.minded():
        with lab(tunnel, grace=600) as comes_to:
            comes_to("starting")
            comes_to("running")
            assert any("sleep" in line for line in tunnel.left_on_driver())
        tunnel.nothing_is_left()
        await_that(lambda: tunnel.leases() == [], 10)


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.2, 0.4, 0.8, 1.6])
def test_a_lab_that_is_killed_while_it_starts_a_kernel_leaves_nothing_on_the_driver(
    tunnel: Tunnel, seconds: float
) -> None:
    """Wherever it is hit: before the driver hears of the kernel, while it is sent, or before it is spoken to."""
    with tunnel.minded():
        with lab(tunnel, grace=600) as comes_to:
            comes_to("starting")
            await_that(tunnel.leases, 10)
            time.sleep(seconds)
        time.sleep(3)
        tunnel.nothing_is_left()


def test_a_lab_that_is_killed_while_the_connection_is_lost_leaves_nothing_once_it_is_back(tunnel: Tunnel) -> None:
    with tunnel.minded():
        with lab(tunnel, grace=600) as comes_to:
            comes_to("starting")
            comes_to("running")
            tunnel.cut()
        time.sleep(1)
        assert tunnel.left_on_driver()
        tunnel.connect()
        tunnel.nothing_is_left()


def test_a_lab_and_a_tunnel_that_are_killed_together_leave_nothing_after_the_grace_period(tunnel: Tunnel) -> None:
    with lab(tunnel, grace=3) as comes_to:
        comes_to("starting")
        comes_to("running")
    assert tunnel.left_on_driver()
    tunnel.nothing_is_left(10)


def test_a_notebook_that_is_closed_while_the_connection_is_lost_leaves_nothing_once_it_is_back(
    tunnel: Tunnel,
) -> None:
    with tunnel.minded():
        with Notebook(tunnel, grace=600):
            tunnel.cut()
        assert tunnel.left_on_driver()
        tunnel.connect()
        tunnel.nothing_is_left()
        await_that(lambda: tunnel.leases() == [], 10)


def test_a_kernel_outlives_a_lost_connection_as_long_as_its_lab_lives(tunnel: Tunnel) -> None:
    with tunnel.minded(), Notebook(tunnel) as notebook:
        notebook.run("x = 1")
        tunnel.cut()
        time.sleep(5)
        tunnel.connect()
        assert notebook.run("x").data[0]["text/plain"] == "1"


def test_a_notebook_that_is_restarted_and_closed_leaves_no_lease(tunnel: Tunnel) -> None:
    with Notebook(tunnel) as notebook:
        notebook.manager.restart_kernel()
        notebook.client.wait_for_ready(timeout=30)
        assert len(tunnel.leases()) == 1
    assert tunnel.leases() == []


def test_no_key_is_on_a_command_line_of_either_side(tunnel: Tunnel, notebook: Notebook) -> None:
    key = notebook.manager.session.key.decode()
    here = subprocess.run(["ps", "-eww", "-o", "args", "e"], capture_output=True, text=True, check=True).stdout
    there = tunnel.on_driver("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; true")
    assert key not in here
    assert key not in there
    assert not [part for part in KEY_PARTS if part in there]


def test_no_port_is_opened_on_the_driver(tunnel: Tunnel) -> None:
    listening = "cat /proc/net/tcp /proc/net/tcp6 | awk '$4 == \"0A\" { print $2 }' | sort"
    before = tunnel.on_driver(listening)
    with Notebook(tunnel) as notebook:
        notebook.run("1")
        assert tunnel.on_driver(listening) == before
