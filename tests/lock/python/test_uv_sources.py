"""`[tool.uv.sources]`: the real uv is the judge of which index alone has a package."""

from __future__ import annotations

import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from uv import find_uv_bin

from dbmirror.config import IndexConfig
from dbmirror.lock.errors import IndexConfigurationError
from dbmirror.lock.python.index_settings import IndexSettings, find_indexes


class Simple(http.server.BaseHTTPRequestHandler):
    """Two indexes, `/private/` and `/public/`, that know every name, and note who asked which."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        content = b"<a href='acme-1.0-py3-none-any.whl'>acme-1.0-py3-none-any.whl</a>"
        self.send_response(200 if self.path.endswith("/") else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Simple,), {"asked": asked})) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


SOURCES = (
    ("acme = { index = 'private' }", "private"),
    ("Ac_Me = { index = 'private' }", "public"),
    ("acme = [{ index = 'private', marker = \"sys_platform == 'linux'\" }]", "private"),
    ("acme = [{ index = 'private', marker = \"sys_platform == 'win32'\" }]", "public"),
    ("other = { index = 'private' }", "public"),
)


def project(folder: Path, host: str, sources: str, *, explicit: str = "true") -> None:
    (folder / "pyproject.toml").write_text(
        "[project]\nname = 'work'\nversion = '0'\nrequires-python = '>=3.11'\ndependencies = ['acme==1.0']\n"
        f"[[tool.uv.index]]\nname = 'private'\nurl = '{host}/private/'\nexplicit = {explicit}\n"
        f"[[tool.uv.index]]\nname = 'public'\nurl = '{host}/public/'\ndefault = true\n"
        f"[tool.uv.sources]\n{sources}\n"
    )


def ours(folder: Path, **environment: str) -> IndexSettings:
    return find_indexes(IndexConfig(), environment=environment, home=folder / "home", folder=folder)


@pytest.mark.parametrize(("sources", "taken"), SOURCES)
def test_the_index_is_the_one_that_uv_asks(
    tmp_path: Path, server: tuple[str, list[str]], sources: str, taken: str
) -> None:
    host, asked = server
    project(tmp_path, host, sources)
    command = [
        find_uv_bin(),
        "pip",
        "compile",
        "pyproject.toml",
        "--no-deps",
        "--no-cache",
        "--python-platform",
        "linux",
    ]
    subprocess.run(command, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, capture_output=True, check=False)
    assert {path.split("/")[1] for path in asked if path.endswith("/acme/")} == {taken}
    (group,) = ours(tmp_path).groups_for("acme")
    assert [index.url for index in group.indexes] == [f"{host}/{taken}/"]


def test_a_pinned_package_is_asked_for_nowhere_else(tmp_path: Path) -> None:
    project(tmp_path, "https://one.example", "acme = { index = 'private' }", explicit="false")
    settings = ours(tmp_path)
    assert [index.url for index in settings.groups_for("acme")[0].indexes] == ["https://one.example/private/"]
    assert len(settings.groups_for("acme")) == 1
    assert [index.host for index in settings.groups_for("other")[0].indexes] == ["one.example", "one.example"]


def test_the_users_own_packages_table_counts_more_and_a_variable_switches_sources_off(tmp_path: Path) -> None:
    project(tmp_path, "https://one.example", "acme = { index = 'private' }")
    config = IndexConfig(packages={"acme": "https://mine.example/simple/"})
    settings = find_indexes(config, environment={}, home=tmp_path / "home", folder=tmp_path)
    assert settings.groups_for("acme")[0].indexes[0].host == "mine.example"
    assert ours(tmp_path, UV_NO_SOURCES="1").pinned == ()


def test_an_index_that_nothing_names_is_said(tmp_path: Path) -> None:
    project(tmp_path, "https://one.example", "acme = { index = 'gone' }")
    settings = ours(tmp_path)
    assert settings.pinned == ()
    assert "acme is to come from the index gone, which nothing names." in settings.notes


def test_a_projects_source_gets_no_login_that_it_does_not_own(tmp_path: Path) -> None:
    project(tmp_path, "https://evil.example", "acme = { index = 'private' }")
    with pytest.raises(IndexConfigurationError, match=r"evil\.example"):
        ours(tmp_path, UV_INDEX_PRIVATE_USERNAME="me", UV_INDEX_PRIVATE_PASSWORD="s")


def test_several_feeds_of_one_host_keep_their_own_logins(tmp_path: Path) -> None:
    user = tmp_path / "home" / ".config" / "uv"
    user.mkdir(parents=True)
    (user / "uv.toml").write_text(
        "[[index]]\nname = 'private'\nurl = 'https://one.example/private/'\nexplicit = true\n"
        "[[index]]\nname = 'public'\nurl = 'https://one.example/public/'\n"
    )
    (tmp_path / "pyproject.toml").write_text("[tool.uv.sources]\nacme = { index = 'private' }\n")
    settings = ours(
        tmp_path,
        UV_INDEX_PRIVATE_USERNAME="a",
        UV_INDEX_PRIVATE_PASSWORD="1",
        UV_INDEX_PUBLIC_USERNAME="b",
        UV_INDEX_PUBLIC_PASSWORD="2",
    )
    logins = settings.logins()
    assert logins.of("https://one.example/private/acme/") == ("a", "1")
    assert logins.of("https://one.example/public/acme/") == ("b", "2")
