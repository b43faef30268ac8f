"""The real uv and the real pip are the judges: a file is taken from the index that they take it from, or from none."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from dbmirror.config import IndexConfig
from dbmirror.lock.errors import IndexConfigurationError, IndexUnreachable
from dbmirror.lock.model import Target
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_search import Offer, search
from dbmirror.lock.python.index_settings import find_indexes

from .index_settings_cases import PIP, UV, Case, made
from .real_pip import run_pip, stop_pip

TARGET = Target(
    python=f"{sys.version_info.major}.{sys.version_info.minor}.0", architecture=os.uname().machine, glibc="2.28"
)
WHEEL = "acme-1.0-py3-none-any.whl"
TAGGED = f"acme-1.0-cp{sys.version_info.major}{sys.version_info.minor}-none-any.whl"
NOTHING, STOPPED = "nothing", "stopped"
KINDS = (
    "private",
    "public",
    "old",
    "none",
    "tagged",
    "numbered",
    "empty",
    "forbidden",
    "unauthorised",
    "broken",
    "login",
)


CASES = [("uv", case) for case in UV + made(24, "uv")] + [("pip", case) for case in PIP + made(10, "pip")]


@pytest.fixture(scope="module")
def servers(loopback_for_all: Callable[[], Any]) -> dict[str, Any]:
    """An index of each kind; the content of a file says which one it is from."""
    found = {kind: loopback_for_all() for kind in KINDS}
    names = {"old": "acme-0.9-py3-none-any.whl", "tagged": TAGGED, "numbered": "acme-1.0-2-py3-none-any.whl"}
    for kind in ("private", "public", "old", "tagged", "numbered"):
        found[kind].add("acme", names.get(kind, WHEEL), installable(names.get(kind, WHEEL), kind))
    found["empty"].projects["acme"] = []
    for kind, status in {"forbidden": 403, "unauthorised": 401, "broken": 503}.items():
        found[kind].say("/simple/acme/", status=status)
    found["login"].say("/simple/acme/", content=b"<form action=/login>")
    return found


def installable(filename: str, mark: str) -> bytes:
    version = filename.split("-")[1]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        folder = f"acme-{version}.dist-info"
        archive.writestr("acme.py", mark)
        archive.writestr(f"{folder}/METADATA", f"Metadata-Version: 2.1\nName: acme\nVersion: {version}\n")
        tag = "-".join(filename.removesuffix(".whl").split("-")[-3:])
        archive.writestr(f"{folder}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        names = ["acme.py", *(f"{folder}/{name}" for name in ("METADATA", "WHEEL", "RECORD"))]
        archive.writestr(f"{folder}/RECORD", "".join(f"{name},,\n" for name in names))
    return stream.getvalue()


@dataclass(frozen=True)
class Verdict:
    """What was taken: a kind of server, or NOTHING, or STOPPED."""

    judge: str
    ours: str
    said: str


def settle(tool: str, case: Case, servers: dict[str, Any], folder: Path, cache: Path) -> Verdict:
    """Both run in one home, with one environment; `cache` is what uv's own begins as."""
    words = {f"{{{kind}}}": server.url for kind, server in servers.items()} | {"{folder}": str(folder)}

    def filled(text: str) -> str:
        for word, value in words.items():
            text = text.replace(word, value)
        return text

    for name in ("home", "work", *case.files):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in case.files:
            path.write_text(filled(case.files[name]))
        else:
            path.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "XDG_CONFIG_DIRS": str(folder / "none")}
    environment |= {name: filled(value) for name, value in case.environment.items()}
    judge, said = judged(tool, environment, folder, cache)
    return Verdict(judge, ours(environment, folder, servers), said)


def judged(tool: str, environment: dict[str, str], folder: Path, cache: Path) -> tuple[str, str]:
    target = folder / "target"
    wanted = ["install", "--no-deps", "--target", str(target), "acme==1.0"]
    work = folder / "work"
    if tool == "uv":
        # A cache of its own, in which nothing is but what uv found out about this Python.
        shutil.copytree(cache, folder / "cache")
        command = [find_uv_bin(), "pip", *wanted, "--python", sys.executable, "--cache-dir", str(folder / "cache")]
        environment = environment | {"UV_HTTP_RETRIES": "0"}
        said = subprocess.run(command, env=environment, cwd=work, capture_output=True, text=True, check=False).stderr
    else:
        environment = environment | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
        options = ["--no-cache-dir", "--no-input", "--retries", "0", "--no-compile"]
        said = run_pip([*wanted, *options], environment=environment, folder=work)
    taken = target / "acme.py"
    return taken.read_text() if taken.is_file() else NOTHING, said[-600:]


def ours(environment: dict[str, str], folder: Path, servers: dict[str, Any]) -> str:
    try:
        settings = find_indexes(IndexConfig(), environment=environment, home=folder / "home", folder=folder / "work")
        with Index(settings, pause=0.0) as client:
            groups = settings.groups_for("acme")
            found = search("acme", "1.0", index=client, target=TARGET, groups=groups)
    except (IndexConfigurationError, IndexUnreachable):
        return STOPPED
    if not isinstance(found, Offer):
        return NOTHING
    return next(kind for kind, server in servers.items() if server.url == found.location.url)


@pytest.fixture(scope="module")
def verdicts(servers: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Any]]:
    """Each case's, two at a time; what is asked for is waited for."""
    cache = tmp_path_factory.mktemp("cache")
    look = [find_uv_bin(), "pip", "list", "--python", sys.executable, "--cache-dir", str(cache)]
    subprocess.run(look, cwd=cache.parent, env={"PATH": os.environ["PATH"]}, capture_output=True, check=True)
    with ThreadPoolExecutor(2) as pool:
        yield {
            (tool, case.name): pool.submit(settle, tool, case, servers, tmp_path_factory.mktemp("judged"), cache)
            for tool, case in CASES
        }
        pool.shutdown(cancel_futures=True)
    stop_pip()


@pytest.mark.parametrize(("tool", "name"), [(tool, case.name) for tool, case in CASES])
def test_a_file_is_taken_from_the_index_that_the_judge_takes_it_from(
    verdicts: dict[tuple[str, str], Any], tool: str, name: str
) -> None:
    verdict: Verdict = verdicts[tool, name].result()
    if verdict.ours == STOPPED:
        # pip, and uv where it is told to be unsafe, go on with another index where one refuses: that is how a public
        # file takes a private name.
        case = next(case for other, case in CASES if (other, case.name) == (tool, name))
        unsafe = tool == "pip" or case.environment.get("UV_INDEX_STRATEGY", "first-index") != "first-index"
        assert verdict.judge == NOTHING or unsafe, verdict
    else:
        assert verdict.ours == verdict.judge, verdict


def test_the_judges_do_take_files(verdicts: dict[tuple[str, str], Any]) -> None:
    taken = [verdicts[tool, case.name].result().judge for tool, case in CASES]
    assert {"private", "public", "tagged", "numbered", NOTHING} <= set(taken)
    assert sum(each != NOTHING for each in taken) > len(taken) / 2


@pytest.mark.parametrize("answer", ["forbidden", "unauthorised", "broken", "login"])
@pytest.mark.parametrize(
    "environment",
    [
        {"UV_INDEX": "{bad}", "UV_DEFAULT_INDEX": "{public}"},
        {"UV_DEFAULT_INDEX": "{public}", "UV_EXTRA_INDEX_URL": "{bad}"},
        {"PIP_INDEX_URL": "{bad}", "PIP_EXTRA_INDEX_URL": "{public}"},
        {"PIP_INDEX_URL": "{public}", "PIP_EXTRA_INDEX_URL": "{bad}"},
    ],
)
def test_a_private_index_that_refuses_leaves_the_name_to_nobody(
    servers: dict[str, Any], tmp_path: Path, environment: dict[str, str], answer: str
) -> None:
    urls = {"{bad}": servers[answer].url, "{public}": servers["public"].url}
    given = {name: urls[value] for name, value in environment.items()} | {"XDG_CONFIG_DIRS": str(tmp_path)}
    settings = find_indexes(IndexConfig(), environment=given, home=tmp_path, folder=tmp_path)
    with Index(settings, pause=0.0) as client, pytest.raises(IndexUnreachable, match=servers[answer].url):
        search("acme", "1.0", index=client, target=TARGET, groups=settings.groups_for("acme"))
