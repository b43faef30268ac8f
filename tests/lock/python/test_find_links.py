"""Pages of links and folders beside the indexes: the real uv and the real pip are the judges of what is taken."""

from __future__ import annotations

import http.server
import io
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from uv import find_uv_bin

from dbmirror.config import IndexConfig
from dbmirror.lock.errors import IndexUnreachable
from dbmirror.lock.model import Target
from dbmirror.lock.python.candidates import NoFile
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_search import Offer, search_all
from dbmirror.lock.python.index_settings import IndexSettings, find_indexes

PYTHON = f"{sys.version_info.major}{sys.version_info.minor}"
TARGET = Target(
    python=f"{sys.version_info.major}.{sys.version_info.minor}.0", architecture=os.uname().machine, glibc="2.28"
)
PLAIN, TAGGED = "acme-1.0-py3-none-any.whl", f"acme-1.0-cp{PYTHON}-none-any.whl"
PAGES = {
    "/flat/": (PLAIN, "other-2.0-py3-none-any.whl"),
    "/tagged/": (TAGGED,),
    "/old/": ("acme-0.9-py3-none-any.whl",),
    "/simple/acme/": (PLAIN,),
    "/simple-tagged/acme/": (TAGGED,),
}


def wheel(filename: str, says: str) -> bytes:
    written = io.BytesIO()
    folder = "-".join(filename.split("-")[:2]) + ".dist-info"
    name, version = filename.split("-")[:2]
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("acme.py", says)
        archive.writestr(f"{folder}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        tag = filename.removesuffix(".whl").split("-", 2)[2]
        archive.writestr(f"{folder}/WHEEL", f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{folder}/RECORD", "")
    return written.getvalue()


class Places(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content, kind = b"", "text/html"
        if self.path in PAGES:
            content = "".join(f"<a href='{name}'>{name}</a>\n" for name in PAGES[self.path]).encode()
        elif self.path.endswith(".whl"):
            content, kind = wheel(self.path.rpartition("/")[2], self.path.split("/")[1]), "application/octet-stream"
        self.send_response(200 if content else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Places) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def settings_of(environment: Mapping[str, str], folder: Path) -> IndexSettings:
    return find_indexes(IndexConfig(), environment=environment, home=folder, folder=folder / "work")


def taken(environment: Mapping[str, str], folder: Path) -> str:
    """The first part of the path of the file that is taken."""
    with Index(settings_of(environment, folder), pause=0.0) as index:
        found = search_all("acme", "1.0", index=index, target=TARGET)
    return found.file.url.split("/")[3] if isinstance(found, Offer) else "nothing"


@pytest.mark.parametrize("tool", ["uv", "pip"])
@pytest.mark.parametrize(
    ("index", "place"),
    [("simple", "flat"), ("simple-tagged", "flat"), ("simple", "tagged"), ("none", "flat"), ("simple", "old")],
)
def test_the_file_is_the_one_that_the_judge_takes(tmp_path: Path, host: str, tool: str, index: str, place: str) -> None:
    prefix, main = ("UV", "UV_DEFAULT_INDEX") if tool == "uv" else ("PIP", "PIP_INDEX_URL")
    environment = {
        main: f"{host}/{index}/",
        f"{prefix}_FIND_LINKS": f"{host}/{place}/",
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_CONFIG_DIRS": str(tmp_path),
        "PIP_CONFIG_FILE": os.devnull,
    }
    (tmp_path / "work").mkdir()
    wanted = ["install", "--no-deps", "--target", str(tmp_path / "target"), "acme==1.0"]
    command = (
        [find_uv_bin(), "pip", *wanted, "--no-cache", "--python", sys.executable]
        if tool == "uv"
        else [sys.executable, "-m", "pip", *wanted, "--no-cache-dir", "--disable-pip-version-check"]
    )
    done = subprocess.run(command, cwd=tmp_path / "work", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert taken(environment, tmp_path) == (tmp_path / "target" / "acme.py").read_text()


@pytest.mark.parametrize(
    "text", ["find-links = ['{host}/flat']", "[[index]]\nname = 'x'\nurl = '{host}/flat/'\nformat = 'flat'"]
)
def test_the_users_file_of_uv_names_places_and_a_clones_does_not(tmp_path: Path, host: str, text: str) -> None:
    environment = {"UV_DEFAULT_INDEX": f"{host}/simple/", "XDG_CONFIG_DIRS": str(tmp_path)}
    for file, places in ((tmp_path / ".config" / "uv" / "uv.toml", 1), (tmp_path / "work" / "uv.toml", 0)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(host=host))
        settings = settings_of(environment, tmp_path)
        assert len(settings.places) == places
        file.unlink()
    assert "may have come with a clone" in " ".join(settings.notes)


def test_a_folder_that_has_it_is_not_passed_over_for_an_index(tmp_path: Path, host: str) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / PLAIN).write_bytes(wheel(PLAIN, "folder"))
    environment = {
        "UV_DEFAULT_INDEX": f"{host}/simple/",
        "UV_FIND_LINKS": str(wheels),
        "XDG_CONFIG_DIRS": str(tmp_path),
    }
    with Index(settings_of(environment, tmp_path), pause=0.0) as index:
        found = search_all("acme", "1.0", index=index, target=TARGET)
        assert isinstance(found, NoFile)
        assert "which a build cannot read" in found.reason


def test_what_is_pinned_to_an_index_is_looked_for_at_no_place(tmp_path: Path, host: str) -> None:
    config = IndexConfig(packages={"acme": f"{host}/simple/"})
    environment = {"UV_FIND_LINKS": f"{host}/tagged/", "XDG_CONFIG_DIRS": str(tmp_path)}
    settings = find_indexes(config, environment=environment, home=tmp_path, folder=tmp_path)
    assert (settings.places_for("acme"), len(settings.places_for("other"))) == ((), 1)


def test_a_place_that_is_no_page_ends_the_search(tmp_path: Path, host: str) -> None:
    environment = {"UV_DEFAULT_INDEX": f"{host}/simple/", "UV_FIND_LINKS": f"{host}/gone/"}
    with (
        Index(settings_of(environment | {"XDG_CONFIG_DIRS": str(tmp_path)}, tmp_path), pause=0.0) as index,
        pytest.raises(IndexUnreachable, match="gone"),
    ):
        search_all("acme", "1.0", index=index, target=TARGET)


def test_a_login_of_the_place_goes_to_it_alone(tmp_path: Path) -> None:
    environment = {"UV_FIND_LINKS": "https://me:s@files.example/wheels/", "XDG_CONFIG_DIRS": str(tmp_path)}
    logins = settings_of(environment, tmp_path).logins()
    assert logins.of("https://files.example/wheels/acme-1.0-py3-none-any.whl") == ("me", "s")
    assert logins.of("https://other.example/") is None
