"""A driver read through the command-execution API: the real SDK, the stand-in's contexts, a real Python behind them."""

from __future__ import annotations

import _thread
import base64
import hashlib
import json
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.errors import DatabricksError
from databricks.sdk.service.compute import CommandStatus, Language, ResultType

from dbmirror.files import canonical_json
from dbmirror.hosts.context import FIRST_LETTERS, ContextHost, _Cut, read_piece
from dbmirror.hosts.context_errors import (
    AnswerGarbled,
    CommandCancelled,
    CommandLate,
    CommandRaised,
    CommandsForbidden,
    ContextError,
    ContextLost,
    TooManyContexts,
)
from dbmirror.hosts.interface import HostError
from dbmirror.hosts.local import LocalHost
from dbmirror.inventory.collect import collect
from dbmirror.sandbox.workspace import contexts as stand_in
from dbmirror.sandbox.workspace.contexts import Contexts
from dbmirror.sandbox.workspace.fleet import Fleet
from dbmirror.workspace import bounded_answers
from dbmirror.workspace.command_execution import NotebookContext
from dbmirror.workspace.patience import with_patience

DEMO = "1-2-first"
Until = Callable[[Callable[[], bool]], None]


@pytest.fixture
def host(client: WorkspaceClient, fleet: Fleet) -> Iterator[ContextHost]:
    fleet.open()
    with ContextHost(NotebookContext(client, DEMO, cluster_name="demo")) as made:
        yield made


def cluster(fleet: Fleet, name: str) -> str:
    return str(next(each["cluster_id"] for each in fleet.listed() if each["cluster_name"] == name))


# The stand-in, as the SDK's own calls see it.


def test_a_context_keeps_its_state_and_shows_its_last_expression(client: WorkspaceClient, fleet: Fleet) -> None:
    fleet.open()
    made = client.command_execution.create(cluster_id=DEMO, language=Language.PYTHON).result()
    ran = [
        client.command_execution.execute(
            cluster_id=DEMO, context_id=made.id, language=Language.PYTHON, command=command
        ).result()
        for command in ("x = 20", "print('to', end=' ')\nx + 1", "1 / 0", "print('x' * 60_000)")
    ]
    assert [each.status for each in ran] == [CommandStatus.FINISHED] * 4
    said = [each.results for each in ran]
    assert [each.data for each in said if each][1] == "to 21\n"
    assert [each.result_type for each in said if each][2] is ResultType.ERROR
    assert "division by zero" in str([each.cause for each in said if each][2])
    assert [each.truncated for each in said if each] == [None, None, None, True]
    assert "skipping output" in str([each.data for each in said if each][3])
    client.command_execution.destroy(DEMO, str(made.id))
    with pytest.raises(DatabricksError, match="ContextNotFound"):
        client.command_execution.context_status(DEMO, str(made.id))


# A host.


def test_a_command_gets_its_input_and_gives_back_output_and_code(host: ContextHost) -> None:
    done = host.run(["sh", "-c", 'cat; echo "$1" >&2; exit 3', "sh", "it's"], stdin=b"a\0b" * 50_000)
    assert (done.code, done.stdout, done.stderr) == (3, b"a\0b" * 50_000, b"it's\n")
    assert host.run(["sh", "-c", "kill -9 $$"]).code == 137
    assert host.run(["true"]).argv == ("true",)


NOISE = "import hashlib, sys; sys.stdout.buffer.write(b''.join(hashlib.sha256(b'%d' % n).digest() for n in range({})))"
"""What no compression makes smaller."""


def noise(blocks: int) -> bytes:
    return b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(blocks))


def test_output_that_no_command_may_print_at_once_comes_whole(host: ContextHost) -> None:
    assert host.run([sys.executable, "-c", NOISE.format(20_000)]).stdout == noise(20_000)


def test_a_smaller_limit_than_is_known_only_makes_the_pieces_smaller(host: ContextHost) -> None:
    context = host._context
    assert isinstance(context, NotebookContext)
    cut = "import builtins; old = print\ndef print(text): old(text[:9000])\nbuiltins.print = print"
    context.execute(cut, timeout=5)
    assert host.run([sys.executable, "-c", NOISE.format(1500)]).stdout == noise(1500)


def test_a_program_waits_at_its_pipe_until_its_output_is_asked_for(host: ContextHost, tmp_path: Path) -> None:
    progress = tmp_path / "progress"
    script = (
        "import os, sys\n"
        f"for number in range(400): os.write(1, os.urandom(10_000)); open({str(progress)!r}, 'w').write(str(number))"
    )
    with pytest.raises(HostError, match="printed more than 0 MiB"):
        host.run([sys.executable, "-c", script], limit=500_000)
    assert int(progress.read_text()) < 399


def test_the_inventory_is_the_one_that_is_collected_here(host: ContextHost) -> None:
    there = collect(host, interpreter=sys.executable)
    with LocalHost() as here:
        expected = collect(here, interpreter=sys.executable)
    assert there.distributions == expected.distributions
    assert there.debian_packages == expected.debian_packages
    without: dict[str, Any] = {"environment_variables": (), "environment_values": ()}
    assert canonical_json(replace(there, **without)) == canonical_json(replace(expected, **without))


def test_a_file_is_fetched_and_a_missing_one_is_named(host: ContextHost, tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.write_bytes(bytes(range(256)) * 1000)
    assert host.fetch(str(file)) == file.read_bytes()
    with pytest.raises(HostError, match="more than 0 MiB"):
        host.fetch(str(file), limit=1000)
    with pytest.raises(HostError, match="No such file"):
        host.fetch("/nowhere/at/all")
    with pytest.raises(HostError, match="no absolute path"):
        host.fetch("relative")


def test_nothing_is_left_behind(client: WorkspaceClient, fleet: Fleet, contexts: Contexts) -> None:
    fleet.open()
    with ContextHost(NotebookContext(client, DEMO, cluster_name="demo")) as made:
        made.run(["true"])
        assert contexts.open_on(DEMO) == 1
    assert contexts.open_on(DEMO) == 0


def test_ctrl_c_cancels_the_command_ends_the_program_and_destroys_the_context(
    client: WorkspaceClient, fleet: Fleet, contexts: Contexts, tmp_path: Path, until: Until
) -> None:
    fleet.open()
    pid = tmp_path / "pid"

    def interrupt() -> None:
        until(lambda: pid.exists() and pid.read_text().strip() != "")
        _thread.interrupt_main()

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt), ContextHost(NotebookContext(client, DEMO, cluster_name="demo")) as made:
        made.run(["sh", "-c", f"echo $$ > {pid}; exec sleep 300"], timeout=60)
    assert contexts.open_on(DEMO) == 0
    until(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists())


def test_ctrl_c_while_a_context_is_being_opened_leaves_none(
    client: WorkspaceClient,
    fleet: Fleet,
    contexts: Contexts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet.open()
    start = contexts._start

    def slowly(cluster_id: str, driver: str) -> Any:
        _thread.interrupt_main()
        time.sleep(0.5)
        return start(cluster_id, driver)

    monkeypatch.setattr(contexts, "_start", slowly)
    with pytest.raises(KeyboardInterrupt):
        NotebookContext(client, DEMO, cluster_name="demo")
    assert contexts.open_on(DEMO) == 0


# Clear ends.


def test_a_command_that_takes_too_long_is_ended(host: ContextHost, tmp_path: Path, until: Until) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(CommandLate, match=r"driver of demo \(workspace API\).* within 1 s|within"):
        host.run(["sh", "-c", f"echo $$ > {pid}; exec sleep 300"], timeout=1)
    until(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists())
    assert host.run(["echo", "still here"]).stdout == b"still here\n"


def test_an_access_mode_without_commands_is_named(client: WorkspaceClient, fleet: Fleet, until: Until) -> None:
    team = cluster(fleet, "team")
    fleet.start(team)
    until(lambda: fleet.get(team)["state"] == "RUNNING")
    with pytest.raises(CommandsForbidden, match="USER_ISOLATION") as caught:
        NotebookContext(client, team, cluster_name="team")
    assert "--cell" in caught.value.remedy


def test_another_ones_dedicated_cluster_is_named(client: WorkspaceClient, fleet: Fleet) -> None:
    fleet._clusters[DEMO].specification["single_user_name"] = "somebody@else.example"
    fleet.open()
    with pytest.raises(CommandsForbidden, match=r"somebody@else\.example"):
        NotebookContext(client, DEMO, cluster_name="demo")


def test_a_full_cluster_says_so(client: WorkspaceClient, host: ContextHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in, "MOST_CONTEXTS", 1)
    with pytest.raises(TooManyContexts, match=r"Too many execution contexts are open right now\.\(Limit set to 1\)"):
        NotebookContext(client, DEMO, cluster_name="demo")


def test_a_cluster_that_is_terminated_runs_no_command(client: WorkspaceClient) -> None:
    with pytest.raises(ContextLost, match="not running"):
        NotebookContext(client, DEMO, cluster_name="demo")


def test_a_command_that_somebody_cancels_in_the_workspace(
    client: WorkspaceClient, fleet: Fleet, contexts: Contexts
) -> None:
    fleet.open()
    with ContextHost(NotebookContext(client, DEMO, cluster_name="demo")) as made:

        def cancel() -> None:
            until = time.monotonic() + 10
            while time.monotonic() < until:
                for identifier, context in list(contexts._contexts.items()):
                    if context.now is not None and len(context.commands) == 2:
                        contexts.cancel({"clusterId": DEMO, "contextId": identifier, "commandId": context.now})
                        return
                time.sleep(0.01)

        threading.Thread(target=cancel, daemon=True).start()
        with pytest.raises(CommandCancelled):
            made.run(["sleep", "30"], timeout=20)


@pytest.mark.parametrize("order", ["restart", "terminate"])
def test_a_cluster_that_stops_in_between(host: ContextHost, fleet: Fleet, order: str) -> None:
    timer = threading.Timer(0.3, getattr(fleet, order), [DEMO])
    timer.start()
    with pytest.raises(ContextLost, match="nothing was changed on it"):
        host.run(["sleep", "30"], timeout=20)


def test_a_python_that_cannot_do_it_is_quoted(host: ContextHost) -> None:
    missing = host.run(["/no-such-program"])
    assert (missing.code, missing.stdout) == (127, b"")
    context = host._context
    assert isinstance(context, NotebookContext)
    with pytest.raises(CommandRaised, match=r"FileNotFoundError: .*no-such-file"):
        context.execute("open('/no-such-file')", timeout=5)
    with pytest.raises(CommandRaised, match="SystemExit"):
        context.execute("raise SystemExit(3)", timeout=5)


# Hostile answers: a server that says what it likes.


class Liar:
    """A workspace that answers each path with what it is told to."""

    def __init__(self) -> None:
        self.says: dict[str, Any] = {
            "/api/1.2/contexts/create": {"id": "c"},
            "/api/1.2/contexts/status": {"id": "c", "status": "Running"},
            "/api/1.2/commands/execute": {"id": "d"},
            "/api/1.2/commands/status": {
                "id": "d",
                "status": "Finished",
                "results": {"resultType": "text", "data": ""},
            },
            "/api/1.2/contexts/destroy": {"id": "c"},
            "/api/1.2/commands/cancel": {"id": "d"},
        }
        self.asked: list[str] = []


@pytest.fixture
def liar(tmp_path: Path) -> Iterator[tuple[Liar, WorkspaceClient]]:
    lies = Liar()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            path = self.path.partition("?")[0]
            lies.asked.append(path)
            said = lies.says.get(path, {})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            if callable(said):
                said(self.wfile)
            else:
                self.wfile.write(said if isinstance(said, bytes) else json.dumps(said).encode())

        do_POST = do_GET  # noqa: N815 - the name that the server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    file = tmp_path / "liar"
    file.write_text(f"[liar]\nhost = http://127.0.0.1:{server.server_address[1]}\ntoken = t\n")
    config = Config(profile="liar", config_file=str(file), retry_timeout_seconds=1)
    yield lies, with_patience(WorkspaceClient(config=config))
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "answer",
    [
        [],
        "text",
        {"status": 7},
        {"status": "Finished"},
        {"status": "Error"},
        {"status": "Finished", "results": {"resultType": "table", "data": [[1]]}},
        {"status": "Finished", "results": {"resultType": "text", "data": {"a": 1}}},
        {"status": "Finished", "results": {"resultType": "text", "data": "nothing of ours"}},
        {"status": "\u001b[2J" * 1000},
        b"<html>log in</html>",
        b"",
    ],
    ids=str,
)
def test_garbage_is_one_clear_error(liar: tuple[Liar, WorkspaceClient], answer: Any) -> None:
    lies, w = liar
    lies.says["/api/1.2/commands/status"] = answer
    with pytest.raises(ContextError) as caught, ContextHost(NotebookContext(w, "c", cluster_name="demo")) as made:
        made.run(["true"], timeout=20)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 1500
    assert lies.asked[-1] == "/api/1.2/contexts/destroy"


def test_an_answer_without_an_end_is_left(liar: tuple[Liar, WorkspaceClient], monkeypatch: pytest.MonkeyPatch) -> None:
    lies, w = liar
    monkeypatch.setattr(bounded_answers, "LARGEST_ANSWER", 1 << 20)
    sent: list[int] = []

    def endless(stream: Any) -> None:
        for _ in range(10_000):
            stream.write(b"x" * 65536)
            sent.append(65536)

    lies.says["/api/1.2/commands/status"] = endless
    with (
        pytest.raises(AnswerGarbled, match="larger than 1 MiB"),
        ContextHost(NotebookContext(w, "c", cluster_name="demo")) as made,
    ):
        made.run(["true"], timeout=20)
    assert sum(sent) < 100 << 20


def test_a_piece_that_unpacks_without_end_is_refused() -> None:
    bomb = zlib.compress(b"\0" * (FIRST_LETTERS * 100))
    header = {
        "offset": 0,
        "length": FIRST_LETTERS * 100,
        "sha256": hashlib.sha256(b"\0" * (FIRST_LETTERS * 100)).hexdigest(),
        "letters": 4,
    }
    said = f"\ndbmirror-piece m {json.dumps(header)}\n{base64.b64encode(bomb).decode()}\ndbmirror-piece-end m\n"
    with pytest.raises(_Cut):
        read_piece(said, "m", offset=0, letters=FIRST_LETTERS)
