"""Which indexes are asked, and that credentials are used and never shown."""

import os
from pathlib import Path

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from dbmirror.config import IndexConfig
from dbmirror.lock.errors import IndexConfigurationError
from dbmirror.lock.python.index_settings import IndexSettings, find_indexes


def find(
    home: Path,
    environment: dict[str, str] | None = None,
    config: IndexConfig | None = None,
    *,
    system: Path | None = None,
) -> IndexSettings:
    files = (system,) if system else ()
    return find_indexes(config or IndexConfig(), environment=environment or {}, home=home, system_files=files)


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
    system = pip_file(tmp_path / "pip.conf", "[global]\nindex-url = https://index.example/system\n")
    assert find(tmp_path, system=system).urls == ("https://index.example/system/",)
    text = "[install]\nindex-url = https://index.example/i\n[global]\nindex-url = https://index.example/g\n"
    pip_file(tmp_path / ".config/pip/pip.conf", text)
    assert find(tmp_path, system=system).urls == ("https://index.example/i/",)


def test_pip_config_file_stands_in_for_the_users_file_and_null_silences_all(tmp_path: Path) -> None:
    pip_file(tmp_path / ".config/pip/pip.conf", "[global]\nextra-index-url = https://index.example/user\n")
    named = pip_file(tmp_path / "named.conf", "[global]\nindex-url = https://index.example/named\n")
    assert find(tmp_path, {"PIP_CONFIG_FILE": str(named)}).urls == ("https://index.example/named/",)
    assert find(tmp_path, {"PIP_CONFIG_FILE": os.devnull}).urls == (PYPI_SIMPLE_ENDPOINT,)


def test_extra_indexes_come_after_the_main_one_each_once(tmp_path: Path) -> None:
    config = IndexConfig(extra_urls=("https://torch.example/cpu", "https://index.example/simple/"))
    environment = {
        "UV_DEFAULT_INDEX": "https://index.example/simple",
        "UV_INDEX": "private=https://private.example/simple",
    }
    expected = ("https://index.example/simple/", "https://private.example/simple/", "https://torch.example/cpu/")
    assert find(tmp_path, environment, config).urls == expected


def test_file_locations_are_passed_over_and_told(tmp_path: Path) -> None:
    found = find(tmp_path, {"PIP_EXTRA_INDEX_URL": "file:///srv/simple"})
    assert found.urls == (PYPI_SIMPLE_ENDPOINT,)
    assert "file:///srv/simple" in found.ignored[0]


def test_credentials_are_taken_out_of_the_address_and_out_of_every_text(tmp_path: Path) -> None:
    found = find(tmp_path, {"UV_DEFAULT_INDEX": "https://jane:p%40ss@index.example:8443/simple"})
    assert found.urls == ("https://index.example:8443/simple/",)
    assert found.indexes[0].credentials == ("jane", "p@ss")
    assert "p@ss" not in repr(found)
    assert found.netrc() == b"machine index.example login jane password p@ss\n"


def test_credentials_of_a_netrc_file_reach_the_build_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine index.example login jane password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    found = find(tmp_path, {"UV_DEFAULT_INDEX": "https://index.example/simple"})
    assert found.netrc() == b"machine index.example login jane password secret\n"


def test_without_credentials_there_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    assert find(tmp_path, {"UV_DEFAULT_INDEX": "https://index.example/simple"}).netrc() is None


@pytest.mark.parametrize(
    "url", ["ftp://index.example/", "https://", "https://in dex/", "https://x:port/", "simple", "-r"]
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
