"""What `uv auth login` keeps goes where the real uv sends it."""

from __future__ import annotations

import base64
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from uv import find_uv_bin

from dbmirror.http_client.logins import Feed, Logins


class Asked(http.server.BaseHTTPRequestHandler):
    """An index that has nothing, and notes who asks."""

    logins: list[str]

    def do_GET(self) -> None:
        said = self.headers.get("Authorization")
        if said is None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
        else:
            self.logins.append(base64.b64decode(said.split()[1]).decode())
            self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index() -> Iterator[tuple[str, list[str]]]:
    logins: list[str] = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Asked,), {"logins": logins})) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", logins
        server.shutdown()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("UV_CREDENTIALS_DIR", "XDG_DATA_HOME", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def store(folder: Path, *credentials: tuple[str, str, str]) -> None:
    folder.mkdir(parents=True)
    keys = ("service", "username", "password")
    lines = ("\n".join(f'{k} = "{v}"' for k, v in zip(keys, each, strict=True)) for each in credentials)
    (folder / "credentials.toml").write_text("".join(f'[[credential]]\nscheme = "basic"\n{each}\n' for each in lines))


@pytest.mark.parametrize(
    ("path", "user"),
    [("private/simple", None), ("privateer/simple", None), ("private/simple", "root"), ("elsewhere", None)],
)
@pytest.mark.parametrize("variable", [None, "UV_CREDENTIALS_DIR", "XDG_DATA_HOME"])
def test_the_login_is_the_one_that_uv_sends(
    home: Path,
    index: tuple[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    user: str | None,
    variable: str | None,
) -> None:
    host, seen = index
    folders = {"UV_CREDENTIALS_DIR": home / "own", "XDG_DATA_HOME": home / "data" / "uv" / "credentials"}
    if variable is not None:
        monkeypatch.setenv(variable, str(home / {"UV_CREDENTIALS_DIR": "own", "XDG_DATA_HOME": "data"}[variable]))
    folder = folders.get(variable or "", home / ".local" / "share" / "uv" / "credentials")
    store(folder, (f"{host}/private", "me", "one"), (host, "root", "two"), ("https://127.0.0.1", "x", "three"))
    url = f"{host}/{path}/"
    written = url.replace("://", f"://{user}@") if user else url
    subprocess.run(
        [find_uv_bin(), "pip", "compile", "-", "--no-cache", "--index-url", written],
        input=b"pkg==1\n",
        env={**os.environ, "UV_NO_CONFIG": "1"},
        capture_output=True,
        check=False,
    )
    ours = Logins([Feed(url=url, user=user)]).of(url)
    assert ours is not None
    assert [":".join(ours)] == seen[-1:]


def test_a_store_of_uv_auth_login_is_read(home: Path) -> None:
    command = [
        find_uv_bin(),
        "auth",
        "login",
        "https://pkgs.example/private/simple",
        "--username",
        "me",
        "--password",
        "s",
    ]
    subprocess.run(command, check=True, capture_output=True)
    url = "https://pkgs.example/private/simple/"
    assert Logins([Feed(url=url)]).of(url) == ("me", "s")
    assert Logins([Feed(url=url, user="other")]).of(url) == ("other", "")
    assert Logins([Feed(url="https://pkgs.example/else/")]).of("https://pkgs.example/else/") is None


def test_a_feed_that_only_a_clone_names_gets_no_login_over_http(home: Path) -> None:
    store(home / ".local" / "share" / "uv" / "credentials", ("http://pkgs.example", "me", "s"))
    url = "http://pkgs.example/simple/"
    assert Logins([Feed(url=url, cloned=True)]).of(url) is None
    assert Logins([Feed(url=url)]).of(url) == ("me", "s")


@pytest.mark.parametrize("content", ["", "credential = 3", "[[credential]]\nservice = 3", "\xff"])
def test_a_store_that_cannot_be_read_has_nothing(home: Path, content: str) -> None:
    folder = home / ".local" / "share" / "uv" / "credentials"
    folder.mkdir(parents=True)
    (folder / "credentials.toml").write_text(content, encoding="latin-1")
    assert Logins([Feed(url="https://pkgs.example/")]).of("https://pkgs.example/") is None
