"""Which indexes are asked, and that credentials are used and never shown."""

import os
from pathlib import Path
from typing import Any

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from dbmirror.clones import allowed_settings
from dbmirror.clones.allowed_settings import SettingNotAllowed
from dbmirror.config import IndexConfig
from dbmirror.lock.errors import IndexConfigurationError
from dbmirror.lock.model import Target
from dbmirror.lock.python.candidates import NoFile
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_search import Offer, search
from dbmirror.lock.python.index_settings import Choice, IndexSettings, find_indexes


@pytest.fixture
def target() -> Target:
    return Target(python="3.11.11", architecture="x86_64", glibc="2.35")


def find(
    home: Path,
    environment: dict[str, str] | None = None,
    config: IndexConfig | None = None,
    *,
    system: Path | None = None,
) -> IndexSettings:
    """The settings of a user with this home, whose system's files are in `system`."""
    given = {"XDG_CONFIG_DIRS": str(system or home / "none"), **(environment or {})}
    return find_indexes(config or IndexConfig(), environment=given, home=home, folder=home)


def pip_file(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_where_nothing_names_an_index_the_librarys_default_is_asked(tmp_path: Path) -> None:
    assert find(tmp_path).urls == (PYPI_SIMPLE_ENDPOINT,)


def test_the_first_place_that_names_one_decides(tmp_path: Path) -> None:
    pip_file(tmp_path / ".config/pip/pip.conf", "[global]\nindex-url = https://index.example/pip-file\n")
    environment = {
        "UV_DEFAULT_INDEX": "https://index.example/uv-default",
        "UV_INDEX_URL": "https://index.example/uv",
        "PIP_INDEX_URL": "https://index.example/pip",
    }
    found = [find(tmp_path, environment, IndexConfig(url="https://index.example/own")).urls[0]]
    for variable in list(environment):
        found.append(find(tmp_path, environment).urls[0])
        del environment[variable]
    found.append(find(tmp_path, environment).urls[0])
    names = ["own", "uv-default", "uv", "pip", "pip-file"]
    assert found == [f"https://index.example/{name}/" for name in names]


@pytest.mark.parametrize("name", [".config/pip/pip.conf", ".pip/pip.conf"])
def test_pips_own_files_are_read_where_pip_reads_them(tmp_path: Path, name: str) -> None:
    pip_file(
        tmp_path / name, "[global]\nindex-url = https://index.example/a\nextra-index-url =\n  https://b.example/s\n"
    )
    assert find(tmp_path).urls == ("https://index.example/a/", "https://b.example/s/")


def test_the_section_install_counts_more_than_global_and_the_users_file_more_than_the_systems(tmp_path: Path) -> None:
    pip_file(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = https://index.example/system\n")
    system = tmp_path / "xdg"
    assert find(tmp_path, system=system).urls == ("https://index.example/system/",)
    text = "[install]\nindex-url = https://index.example/i\n[global]\nindex-url = https://index.example/g\n"
    pip_file(tmp_path / ".config/pip/pip.conf", text)
    assert find(tmp_path, system=system).urls == ("https://index.example/i/",)


def test_pip_config_file_stands_in_for_the_users_file_and_null_silences_all(tmp_path: Path) -> None:
    pip_file(tmp_path / ".config/pip/pip.conf", "[global]\nextra-index-url = https://index.example/user\n")
    named = pip_file(tmp_path / "named.conf", "[global]\nindex-url = https://index.example/named\n")
    assert find(tmp_path, {"PIP_CONFIG_FILE": str(named)}).urls == ("https://index.example/named/",)
    assert find(tmp_path, {"PIP_CONFIG_FILE": os.devnull}).urls == (PYPI_SIMPLE_ENDPOINT,)


def test_extra_indexes_come_before_the_main_one_each_once(tmp_path: Path) -> None:
    config = IndexConfig(extra_urls=("https://torch.example/cpu", "https://index.example/simple/"))
    environment = {
        "UV_DEFAULT_INDEX": "https://index.example/simple",
        "UV_INDEX": "private=https://private.example/simple",
    }
    expected = ("https://torch.example/cpu/", "https://index.example/simple/", "https://private.example/simple/")
    assert find(tmp_path, environment, config).urls == expected


def test_names_can_be_pinned_to_an_index_of_their_own(tmp_path: Path) -> None:
    config = IndexConfig(url="https://a.example/", packages={"Torch*": "https://torch.example/cpu"})
    settings = find(tmp_path, config=config)
    asked = {
        name: [index.url for group in settings.groups_for(name) for index in group.indexes]
        for name in ("torch", "torchvision", "numpy")
    }
    assert asked == {
        "torch": ["https://torch.example/cpu/"],
        "torchvision": ["https://torch.example/cpu/"],
        "numpy": ["https://a.example/"],
    }


@pytest.mark.parametrize("variable", ["PIP_EXTRA_INDEX_URL", "UV_INDEX"])
def test_a_folder_decides_about_what_it_has_although_a_build_cannot_read_it(
    tmp_path: Path, server: Any, target: Target, variable: str
) -> None:
    """Passed over, it would leave a private name to whoever takes it on a public index."""
    server.add("acme", "acme-1.0.tar.gz")
    server.add("other", "other-1.0.tar.gz")
    (tmp_path / "simple" / "acme").mkdir(parents=True)
    main = {"PIP_EXTRA_INDEX_URL": "PIP_INDEX_URL", "UV_INDEX": "UV_DEFAULT_INDEX"}[variable]
    settings = find(tmp_path, {main: server.url, variable: (tmp_path / "simple").as_uri()})
    with Index(settings, pause=0.0) as index:
        folder = search("acme", "1.0", index=index, target=target, groups=settings.groups_for("acme"))
        found = search("other", "1.0", index=index, target=target, groups=settings.groups_for("other"))
    assert isinstance(found, Offer)
    if variable == "UV_INDEX":
        assert isinstance(folder, NoFile)
        assert "a folder that a build cannot read" in folder.reason


@pytest.mark.parametrize("variable", ["PIP_NO_INDEX", "uv.toml"])
def test_where_no_index_is_to_be_asked_none_is(tmp_path: Path, variable: str) -> None:
    environment = {"PIP_NO_INDEX": "1"} if variable == "PIP_NO_INDEX" else {"UV_INDEX": "https://index.example/"}
    if variable == "uv.toml":
        (tmp_path / "uv.toml").write_text("no-index = true\n")
    with pytest.raises(IndexConfigurationError, match=variable):
        find(tmp_path, environment)


def test_credentials_are_taken_out_of_the_address_and_out_of_every_text(tmp_path: Path) -> None:
    found = find(tmp_path, {"UV_DEFAULT_INDEX": "https://jane:p%40ss@index.example:8443/simple"})
    assert found.urls == ("https://index.example:8443/simple/",)
    assert (found.main.user, found.main.password) == ("jane", "p@ss")
    assert "p@ss" not in repr(found)


CLONED_PLACES = {
    "url": lambda folder: IndexConfig(url="https://index.example/simple"),
    "extra_urls": lambda folder: IndexConfig(extra_urls=("https://index.example/simple",)),
    "packages": lambda folder: IndexConfig(packages={"acme": "https://index.example/simple"}),
    "uv.toml": lambda folder: (folder / "uv.toml").write_text('[[index]]\nurl = "https://index.example/simple"\n'),
}


@pytest.mark.parametrize("place", CLONED_PLACES)
def test_netrcs_default_is_for_no_index_that_only_a_clone_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login jane password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    config = CLONED_PLACES[place](tmp_path)
    found = find(tmp_path, {}, config if isinstance(config, IndexConfig) else IndexConfig())
    assert "https://index.example/simple/" in found.urls
    assert found.logins().of("https://index.example/simple/acme/", feed="https://index.example/simple/") is None
    mine = find(tmp_path, {"UV_INDEX": "https://index.example/simple"})
    assert mine.logins().of("https://index.example/simple/acme/") == ("jane", "secret")


@pytest.mark.parametrize(
    "url", ["ftp://index.example/", "https://", "https://in\tdex/", "https://x:port/", "simple", "-r"]
)
def test_what_is_no_index_address_is_refused_without_being_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(IndexConfigurationError, match=r"UV_DEFAULT_INDEX"):
        find(tmp_path, {"UV_DEFAULT_INDEX": url})


def test_credentials_in_dbmirror_toml_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexConfigurationError, match="credentials") as caught:
        find(tmp_path, config=IndexConfig(url="https://jane:secret@index.example/"))
    assert "secret" not in str(caught.value)


def test_a_broken_pip_file_is_named(tmp_path: Path) -> None:
    path = pip_file(tmp_path / ".config/pip/pip.conf", "index-url = x")
    with pytest.raises(IndexConfigurationError, match=str(path)):
        find(tmp_path)


@pytest.mark.parametrize("text", ["index = ", "[[index]]\nurl = 'ftp://x'", "\xff"])
def test_a_broken_file_of_uv_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "uv.toml").write_text(text, encoding="latin-1")
    with pytest.raises(IndexConfigurationError, match=str(tmp_path / "uv.toml")):
        find(tmp_path)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("uv.toml", "[[index]]\nname = 'corp'\nurl = 'https://evil.example/simple'\n"),
        ("pyproject.toml", "[[tool.uv.index]]\nname = 'corp'\nurl = 'https://evil.example/simple'\ndefault = true\n"),
    ],
)
def test_a_cloned_file_does_not_say_where_a_login_of_uvs_variables_goes(tmp_path: Path, file: str, text: str) -> None:
    pip_file(tmp_path / "clone" / file, text)
    environment = {
        "UV_INDEX_CORP_USERNAME": "me",
        "UV_INDEX_CORP_PASSWORD": "secret",
        "XDG_CONFIG_DIRS": str(tmp_path / "none"),
    }

    def logins() -> dict[str, str | None]:
        found = find_indexes(IndexConfig(), environment=environment, home=tmp_path, folder=tmp_path / "clone")
        return {index.host: index.password for index in found.indexes}

    with pytest.raises(IndexConfigurationError, match="came with the repository") as refused:
        logins()
    assert "UV_INDEX=corp=https://evil.example/simple/" in refused.value.remedy
    user = pip_file(tmp_path / ".config/uv/uv.toml", "[[index]]\nname = 'corp'\nurl = 'https://corp.example/simple'\n")
    with pytest.raises(IndexConfigurationError, match="came with the repository"):
        logins()
    pip_file(user, user.read_text().replace("corp.example", "evil.example"))
    assert logins()["evil.example"] == "secret"
    user.unlink()
    environment["UV_INDEX"] = "corp=https://corp.example/simple"
    assert logins()["corp.example"] == "secret"
    assert logins().get("evil.example") is None


def test_a_cloned_file_of_uv_sends_no_login_over_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = pip_file(tmp_path / "netrc", "machine index.example login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    pip_file(tmp_path / "uv.toml", "extra-index-url = ['http://index.example/simple']\n")
    with pytest.raises(SettingNotAllowed, match="over https alone"):
        find(tmp_path)
    pip_file(tmp_path / "uv.toml", "extra-index-url = ['https://index.example/simple']\n")
    assert "https://index.example/simple/" in find(tmp_path).urls


@pytest.mark.parametrize("file", ["uv.toml", "pyproject.toml"])
def test_a_neighbours_file_above_names_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    section = "[[index]]" if file == "uv.toml" else "[[tool.uv.index]]"
    place = pip_file(tmp_path / file, f"{section}\nurl = 'https://evil.example/simple'\n")
    below = tmp_path / "mine"
    below.mkdir()
    owners = {place: tmp_path.stat().st_uid + 4242}
    monkeypatch.setattr(allowed_settings, "owner_of", lambda path, **_: owners.get(path, path.stat().st_uid))

    def urls(**environment: str) -> tuple[str, ...]:
        return find_indexes(IndexConfig(), environment=environment, home=tmp_path / "home", folder=below).urls

    with pytest.raises(IndexConfigurationError, match="is of another account"):
        urls()
    assert "https://evil.example/simple/" not in urls(UV_NO_CONFIG="1")
    owners.clear()
    assert "https://evil.example/simple/" in urls()


@pytest.mark.parametrize("name", ["*", "acme*", "[a-z]*", "", "a?"])
def test_a_cloned_source_is_for_a_name_and_no_glob(tmp_path: Path, name: str) -> None:
    pip_file(
        tmp_path / "pyproject.toml",
        f"[tool.uv.sources]\n'{name}' = {{ index = 'evil' }}\nAcme_Models = {{ index = 'evil' }}\n"
        "[[tool.uv.index]]\nname = 'evil'\nurl = 'https://evil.example/simple'\nexplicit = true\n",
    )
    found = find(tmp_path, {"UV_DEFAULT_INDEX": "https://corp.example/simple"})
    assert [pattern for pattern, _ in found.pinned] == ["acme-models"]


CLONED = {
    "uv.toml": "{lines}\n[[index]]\nurl = 'https://me@index.example/simple'\n",
    "pyproject.toml": "[tool.uv]\n{lines}\n[[tool.uv.index]]\nurl = 'https://me@index.example/simple'\n",
}


@pytest.mark.parametrize("file", CLONED)
@pytest.mark.parametrize("section", ["", "pip."])
def test_a_cloned_file_loosens_no_order_and_starts_no_keyring(tmp_path: Path, file: str, section: str) -> None:
    lines = f"{section}index-strategy = 'unsafe-best-match'\n{section}keyring-provider = 'subprocess'"
    pip_file(tmp_path / "clone" / file, CLONED[file].format(lines=lines))

    def found(**variables: str) -> IndexSettings:
        environment = {"XDG_CONFIG_DIRS": str(tmp_path / "none"), **variables}
        return find_indexes(IndexConfig(), environment=environment, home=tmp_path, folder=tmp_path / "clone")

    assert [group.choice for group in found().groups] == [Choice.FIRST_INDEX]
    assert not any(index.keyring for index in found().indexes)
    for key, variable in (("index-strategy", "UV_INDEX_STRATEGY"), ("keyring-provider", "UV_KEYRING_PROVIDER")):
        (note,) = (note for note in found().notes if f"sets {key}," in note)
        assert variable in note
        assert str(tmp_path / "clone" / file) in note
    users = found(UV_INDEX_STRATEGY="unsafe-best-match", UV_KEYRING_PROVIDER="subprocess")
    assert [group.choice for group in users.groups] == [Choice.FIRST_VERSION]
    assert all(index.keyring for index in users.indexes if index.host == "index.example")
    assert users.notes == ()
    pip_file(tmp_path / ".config/uv/uv.toml", "index-strategy = 'unsafe-first-match'\nkeyring-provider='subprocess'\n")
    assert [group.choice for group in found().groups] == [Choice.FIRST_VERSION]
    lines = f"{section}index-strategy = 'first-index'\n{section}keyring-provider = 'disabled'"
    pip_file(tmp_path / "clone" / file, CLONED[file].format(lines=lines))
    assert [group.choice for group in found().groups] == [Choice.FIRST_INDEX]
    assert not any(index.keyring for index in found().indexes)
    assert found().notes == ()


def test_an_endless_file_of_uv_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "uv.toml").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(IndexConfigurationError, match="not a usable file of uv"):
        find(tmp_path)


@pytest.mark.parametrize("value", ["5", "true", "'https://index.example'", "{ a = 1 }"])
def test_what_is_no_list_of_uv_is_passed_over(tmp_path: Path, value: str) -> None:
    pip_file(tmp_path / "uv.toml", f"extra-index-url = {value}\nindex = 1979-05-27\nno-index = 3\npip = {value}\n")
    assert find(tmp_path).urls == (PYPI_SIMPLE_ENDPOINT,)
