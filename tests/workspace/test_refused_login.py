"""What a refused login looks like: one sentence, whatever the SDK repeats of its configuration behind it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dbmirror.workspace.clusters import list_clusters
from dbmirror.workspace.errors import LoginRefused
from dbmirror.workspace.profiles import client

LOGINS = {
    "pat": "token = dapi-secret-of-old",
    "basic": "username = me@corp.example\npassword = secret-of-me",
    "oauth-m2m": "client_id = 11111111-2222-3333-4444-555555555555\nclient_secret = secret-of-the-principal",
}
"""Those that need no other host than the workspace."""

REMEDIES = {
    "pat": "Make a new token",
    "basic": "databricks auth login --profile old",
    "oauth-m2m": "client id and secret",
}


class _Refusing(BaseHTTPRequestHandler):
    """Says where its tokens are to be had, and refuses everything else with `status`."""

    status = 401

    def do_GET(self) -> None:
        if self.path.endswith("/oauth-authorization-server"):
            address = f"http://{self.headers['Host']}/oidc/v1"
            self._send(200, {"authorization_endpoint": f"{address}/authorize", "token_endpoint": f"{address}/token"})
        elif self.path.startswith("/.well-known"):
            self._send(200, {"oidc_endpoint": f"http://{self.headers['Host']}/oidc"})
        else:
            self._send(self.status, {"error_code": "UNAUTHENTICATED", "message": "Invalid access token."})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._send(self.status, {"error": "invalid_client", "error_description": "Client authentication failed"})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _send(self, status: int, body: dict[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture(params=[401, 403])
def host(request: pytest.FixtureRequest) -> Iterator[str]:
    handler = type("Handler", (_Refusing,), {"status": request.param})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("login", LOGINS)
def test_a_refused_login_is_one_sentence_without_the_sdks_configuration(
    host: str, write_profiles: Callable[[str], Path], login: str
) -> None:
    write_profiles(f"[old]\nhost = {host}\nauth_type = {login}\n{LOGINS[login]}\n")
    with pytest.raises(LoginRefused) as caught:
        list_clusters(client("old"))
    assert f"{host} does not accept the login" in caught.value.message
    assert REMEDIES[login] in caught.value.remedy
    said = str(caught.value)
    assert "\n" not in said
    assert not re.search(r"config:|env:|config_file|client_id=|token=|auth_type=|secret-of|\*\*\*", said, re.IGNORECASE)
