"""Every workspace is asked at a time, and each says whether it takes the login."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from dbmirror.cli import main
from dbmirror.workspace.reachable import ask_each
from tests.workspace.conftest import TOKEN


class _Together(BaseHTTPRequestHandler):
    """Answers who somebody is only when three ask at a time."""

    three = threading.Barrier(3)

    def do_GET(self) -> None:
        if self.path.startswith("/.well-known"):
            self._send(404, {})
            return
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, {"error_code": "UNAUTHENTICATED", "message": "Invalid access token."})
            return
        self.three.wait(20)
        self._send(200, {"userName": "me@corp.example"})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _send(self, status: int, body: dict[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def host() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Together)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_all_are_asked_at_a_time_and_the_environment_is_as_before(
    host: str, write_profiles: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("DEFAULT", "PROD-EU", "My Team's.one")
    write_profiles("".join(f"[{name}]\nhost = {host}\ntoken = {TOKEN}\n" for name in names))
    monkeypatch.setenv("DATABRICKS_TOKEN", "another")
    monkeypatch.setenv("ARM_CLIENT_SECRET", "another")
    assert {name: answer.user for name, answer in ask_each(names).items()} == dict.fromkeys(names, "me@corp.example")
    assert (os.environ["DATABRICKS_TOKEN"], os.environ["ARM_CLIENT_SECRET"]) == ("another", "another")


def test_the_command_says_who_one_is_or_why_not(host: str, write_profiles: Callable[[str], Path]) -> None:
    write_profiles(f"[old]\nhost = {host}\ntoken = dapi-of-old\n[gone]\nhost = http://127.0.0.1:1\ntoken = {TOKEN}\n")
    done = CliRunner().invoke(main, ["profiles", "--check", "--json"])
    assert done.exit_code == 1
    checked = json.loads(done.stdout)["checked"]
    assert {name: bool(answer["problem"]) for name, answer in checked.items()} == {"old": True, "gone": True}
    assert "databricks auth login --profile old" in checked["old"]["remedy"]
    assert "dapi-of-old" not in done.output
