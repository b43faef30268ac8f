"""Settings of users for uv and for pip, which the real tools judge: by hand, and by the dice."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field


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
