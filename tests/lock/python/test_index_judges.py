"""The real uv and the real pip are the judges: a file is taken from the index that they take it from, or from none."""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Case:
    """One user's settings; `{private}` and the like stand for the addresses of the servers, `{folder}` for theirs."""

    name: str
    environment: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)


def pip_file(**sections: Mapping[str, str]) -> str:
    return "".join(
        f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        for section, values in sections.items()
    )


def index(url: str, **more: object) -> str:
    lines = [
        f"{key} = {str(value).lower() if isinstance(value, bool | list) else repr(value)}"
        for key, value in more.items()
    ]
    return "\n".join(["[[index]]", f"url = '{url}'", *lines, ""])


PROJECT, USER = "work/uv.toml", "home/.config/uv/uv.toml"
UV = [
    Case("an extra index before the default one", {"UV_DEFAULT_INDEX": "{public}", "UV_INDEX": "{private}"}),
    Case("the first that knows the name at any version", {"UV_DEFAULT_INDEX": "{public}", "UV_INDEX": "{old}"}),
    Case("an empty project is one", {"UV_DEFAULT_INDEX": "{public}", "UV_INDEX": "{empty}"}),
    Case("404 is not here", {"UV_DEFAULT_INDEX": "{public}", "UV_INDEX": "{none}"}),
    Case("403 is no not here", {"UV_DEFAULT_INDEX": "{public}", "UV_INDEX": "{forbidden}"}),
    Case("401 is no not here", {"UV_DEFAULT_INDEX": "{public}", "UV_INDEX": "{unauthorised}"}),
    Case("503 is no not here", {"UV_DEFAULT_INDEX": "{public}", "UV_INDEX": "{broken}"}),
    Case(
        "both variables of extra ones",
        {"UV_DEFAULT_INDEX": "{none}", "UV_INDEX": "{public}", "UV_EXTRA_INDEX_URL": "{private}"},
    ),
    Case("both variables of the default", {"UV_DEFAULT_INDEX": "{private}", "UV_INDEX_URL": "{public}"}),
    Case("an empty variable", {"UV_DEFAULT_INDEX": "", "UV_INDEX_URL": "{private}", "UV_INDEX": ""}),
    Case(
        "a variable and the file's default", {"UV_INDEX_URL": "{public}"}, {PROJECT: index("{private}", default=True)}
    ),
    Case(
        "a variable before the file",
        {"UV_INDEX": "{public}", "UV_DEFAULT_INDEX": "{none}"},
        {PROJECT: index("{private}")},
    ),
    Case(
        "a variable's extra before the file",
        {"UV_EXTRA_INDEX_URL": "{public}", "UV_DEFAULT_INDEX": "{none}"},
        {PROJECT: index("{private}")},
    ),
    Case(
        "[[index]] before extra-index-url",
        {"UV_DEFAULT_INDEX": "{none}"},
        {PROJECT: "extra-index-url = ['{public}']\n" + index("{private}")},
    ),
    Case(
        "the project before the user",
        {"UV_DEFAULT_INDEX": "{none}"},
        {PROJECT: index("{public}"), USER: index("{private}")},
    ),
    Case(
        "the user's [[index]] before the project's extra",
        {"UV_DEFAULT_INDEX": "{none}"},
        {PROJECT: "extra-index-url = ['{public}']\n", USER: index("{private}")},
    ),
    Case("the user's default", {}, {USER: index("{private}", default=True)}),
    Case(
        "a default in a table before index-url",
        {},
        {PROJECT: "index-url = '{private}'\n", USER: index("{public}", default=True)},
    ),
    Case("two defaults", {}, {PROJECT: index("{none}", default=True) + index("{private}", default=True)}),
    Case("the default is asked last", {}, {PROJECT: index("{public}", default=True) + index("{private}")}),
    Case(
        "pyproject.toml",
        {"UV_DEFAULT_INDEX": "{public}"},
        {"work/pyproject.toml": index("{private}").replace("[[index]]", "[[tool.uv.index]]")},
    ),
    Case(
        "uv.toml in place of pyproject.toml",
        {"UV_DEFAULT_INDEX": "{public}"},
        {"work/pyproject.toml": index("{private}").replace("[[index]]", "[[tool.uv.index]]"), PROJECT: ""},
    ),
    Case("a file of the parent folder", {"UV_DEFAULT_INDEX": "{public}"}, {"uv.toml": index("{private}")}),
    Case(
        "a pyproject.toml of others",
        {"UV_DEFAULT_INDEX": "{public}"},
        {"work/pyproject.toml": "[project]\nname = 'x'\nversion = '1'\n", "uv.toml": index("{private}")},
    ),
    Case("an explicit index", {"UV_DEFAULT_INDEX": "{public}"}, {PROJECT: index("{private}", name="p", explicit=True)}),
    Case(
        "an explicit default",
        {},
        {PROJECT: index("{private}", name="p", explicit=True, default=True) + index("{public}")},
    ),
    Case(
        "[pip] extra before the other extra",
        {"UV_DEFAULT_INDEX": "{none}"},
        {PROJECT: "extra-index-url = ['{public}']\n[pip]\nextra-index-url = ['{private}']\n"},
    ),
    Case("[pip] index-url before the other", {}, {PROJECT: "index-url = '{public}'\n[pip]\nindex-url = '{private}'\n"}),
    Case(
        "UV_CONFIG_FILE alone",
        {"UV_DEFAULT_INDEX": "{public}", "UV_CONFIG_FILE": "{folder}/c.toml"},
        {"c.toml": "", PROJECT: index("{private}")},
    ),
    Case("UV_NO_CONFIG", {"UV_DEFAULT_INDEX": "{public}", "UV_NO_CONFIG": "1"}, {PROJECT: index("{private}")}),
    Case(
        "UV_CONFIG_FILE whatever UV_NO_CONFIG says",
        {"UV_DEFAULT_INDEX": "{public}", "UV_NO_CONFIG": "1", "UV_CONFIG_FILE": "{folder}/c.toml"},
        {"c.toml": index("{private}")},
    ),
    Case(
        "one name twice",
        {"UV_DEFAULT_INDEX": "{none}", "UV_INDEX": "p={none}"},
        {PROJECT: index("{private}", name="p")},
    ),
    Case(
        "ignored statuses",
        {"UV_DEFAULT_INDEX": "{public}"},
        {PROJECT: index("{forbidden}", name="p", **{"ignore-error-codes": [403]})},
    ),
    Case(
        "the best version",
        {"UV_DEFAULT_INDEX": "{public}", "UV_INDEX": "{old} {private}", "UV_INDEX_STRATEGY": "unsafe-best-match"},
    ),
    Case(
        "the first version",
        {"UV_DEFAULT_INDEX": "{public}", "UV_INDEX": "{old} {private}", "UV_INDEX_STRATEGY": "unsafe-first-match"},
    ),
    Case(
        "the user's strategy",
        {"UV_DEFAULT_INDEX": "{public}", "UV_INDEX": "{old}"},
        {USER: "index-strategy = 'unsafe-first-match'\n"},
    ),
    Case(
        "[pip]'s strategy",
        {"UV_DEFAULT_INDEX": "{public}", "UV_INDEX": "{old}"},
        {USER: "index-strategy = 'first-index'\n[pip]\nindex-strategy = 'unsafe-first-match'\n"},
    ),
    Case("no index at all", {"UV_DEFAULT_INDEX": "{public}"}, {PROJECT: "no-index = true\n"}),
    Case(
        "the system's file",
        {"UV_DEFAULT_INDEX": "{public}", "XDG_CONFIG_DIRS": "{folder}/xdg"},
        {"xdg/uv/uv.toml": index("{private}")},
    ),
    Case(
        "XDG_CONFIG_HOME",
        {"UV_DEFAULT_INDEX": "{public}", "XDG_CONFIG_HOME": "{folder}/xdg"},
        {"xdg/uv/uv.toml": index("{private}")},
    ),
    Case(
        "pip's variables beside them",
        {"UV_DEFAULT_INDEX": "{private}", "PIP_INDEX_URL": "{public}", "PIP_EXTRA_INDEX_URL": "{tagged}"},
    ),
    Case("a broken file", {"UV_DEFAULT_INDEX": "{public}"}, {PROJECT: "x = \n"}),
]
MINE, SYSTEM = "home/.config/pip/pip.conf", "xdg/pip/pip.conf"
XDG = {"XDG_CONFIG_DIRS": "{folder}/xdg"}
PIP = [
    Case("of equal files the last index's", {"PIP_INDEX_URL": "{public}", "PIP_EXTRA_INDEX_URL": "{private}"}),
    Case("of equal files the last of three", {"PIP_INDEX_URL": "{private}", "PIP_EXTRA_INDEX_URL": "{none} {public}"}),
    Case("the best tag", {"PIP_INDEX_URL": "{tagged}", "PIP_EXTRA_INDEX_URL": "{private}"}),
    Case("the highest build number", {"PIP_INDEX_URL": "{numbered}", "PIP_EXTRA_INDEX_URL": "{private}"}),
    Case("another version does not decide", {"PIP_INDEX_URL": "{old}", "PIP_EXTRA_INDEX_URL": "{private}"}),
    Case("403 is no not here", {"PIP_INDEX_URL": "{public}", "PIP_EXTRA_INDEX_URL": "{forbidden}"}),
    Case("503 is no not here", {"PIP_INDEX_URL": "{broken}", "PIP_EXTRA_INDEX_URL": "{public}"}),
    Case(
        "[install] before [global] of a nearer file",
        XDG,
        {SYSTEM: pip_file(install={"index-url": "{private}"}), MINE: pip_file(**{"global": {"index-url": "{public}"}})},
    ),
    Case(
        "the user before the system",
        XDG,
        {
            SYSTEM: pip_file(**{"global": {"index-url": "{private}"}}),
            MINE: pip_file(**{"global": {"index-url": "{public}"}}),
        },
    ),
    Case(
        "two folders of the system",
        {"XDG_CONFIG_DIRS": "{folder}/a:{folder}/b"},
        {
            "a/pip/pip.conf": pip_file(**{"global": {"index-url": "{public}"}}),
            "b/pip/pip.conf": pip_file(**{"global": {"index-url": "{private}"}}),
        },
    ),
    Case(
        "the old place of the user's file",
        {},
        {
            "home/.pip/pip.conf": pip_file(**{"global": {"index-url": "{private}"}}),
            MINE: pip_file(**{"global": {"index-url": "{public}"}}),
        },
    ),
    Case(
        "PIP_CONFIG_FILE in place of the user's",
        {"PIP_CONFIG_FILE": "{folder}/x.conf"},
        {
            "x.conf": pip_file(**{"global": {"index-url": "{none}"}}),
            MINE: pip_file(**{"global": {"extra-index-url": "{public}"}}),
        },
    ),
    Case(
        "PIP_CONFIG_FILE that is missing",
        {"PIP_CONFIG_FILE": "{folder}/nope"},
        {MINE: pip_file(**{"global": {"index-url": "{public}"}})},
    ),
    Case(
        "a variable before all files",
        {"PIP_INDEX_URL": "{private}"},
        {MINE: pip_file(install={"index-url": "{public}"})},
    ),
    Case(
        "a variable in place of the file's extra ones",
        {"PIP_INDEX_URL": "{none}", "PIP_EXTRA_INDEX_URL": "{none}"},
        {MINE: pip_file(install={"extra-index-url": "{public}"})},
    ),
    Case(
        "another command's section",
        {"PIP_INDEX_URL": "{public}"},
        {MINE: pip_file(download={"index-url": "{private}"})},
    ),
    Case("a key with an underscore", {}, {MINE: pip_file(**{"global": {"index_url": "{public}"}})}),
    Case(
        "several lines", {"PIP_INDEX_URL": "{none}"}, {MINE: "[global]\nextra-index-url =\n    {none}\n    {public}\n"}
    ),
    Case("no index at all", {"PIP_INDEX_URL": "{public}", "PIP_NO_INDEX": "1"}),
]


def made(count: int, tool: str) -> list[Case]:
    """Settings by the dice: each place of each tool names up to three of the servers."""
    dice = random.Random(f"settings of {tool}")  # noqa: S311 - the same ones each time
    good = ["{private}", "{public}", "{old}", "{none}", "{tagged}", "{numbered}"]

    def some(most: int) -> list[str]:
        bad = ["{forbidden}", "{broken}", "{empty}"]
        return [dice.choice(good if dice.random() < 0.9 else bad) for _ in range(dice.randint(0, most))]

    cases = []
    for number in range(count):
        main = dice.choice(good)
        if tool == "pip":
            user = {"extra-index-url": " ".join(some(2))} | (
                {"index-url": dice.choice(good)} if dice.random() < 0.5 else {}
            )
            environment = {"PIP_INDEX_URL": main} | (
                {"PIP_EXTRA_INDEX_URL": " ".join(some(3))} if dice.random() < 0.7 else {}
            )
            files = {MINE: pip_file(**{dice.choice(["global", "install"]): user})}
        else:
            environment = {
                "UV_DEFAULT_INDEX": main,
                "UV_INDEX": " ".join(some(2)),
                "UV_EXTRA_INDEX_URL": " ".join(some(1)),
                "UV_INDEX_STRATEGY": dice.choice(["first-index"] * 3 + ["unsafe-first-match", "unsafe-best-match"]),
            }
            files = {
                place: f"extra-index-url = {some(1)}\n" + "".join(index(url) for url in some(2))
                for place in (PROJECT, USER)
                if dice.random() < 0.5
            }
        cases.append(Case(f"made {number}", environment, files))
    return cases


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
