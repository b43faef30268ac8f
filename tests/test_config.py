"""dbmirror.toml: found from below, checked setting by setting."""

from pathlib import Path

import pytest

from dbmirror.config import ConfigError, MirrorConfig, load_config


def test_no_file_gives_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    loaded = load_config(start=tmp_path)
    assert loaded.origin is None
    assert loaded.mirror("demo") == MirrorConfig()
    assert loaded.mirror_folder("demo") == tmp_path / "mirrors" / "demo"


def test_the_file_is_found_from_a_folder_below_it(tmp_path: Path) -> None:
    (tmp_path / "dbmirror.toml").write_text('folder = "golden"\n[mirrors.demo]\nprofile = "PROD"\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    loaded = load_config(start=below)
    assert loaded.mirror("demo").profile == "PROD"
    assert loaded.mirror_folder("demo") == tmp_path / "golden" / "demo"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[mirrors.demo]\nbas = 'x'\n", "bas"),
        ("[mirrors.demo]\nfilter = 'graylist'\n", r"\$\.mirrors"),
        ("[mirrors.demo]\nwaive = [{rule = 'L02', reason = ''}]\n", "waive"),
        ("[mirrors.demo\n", "TOML"),
        ("[[filters.blacklist]]\nname = 'x'\n", "reason"),
        ("[mirrors.'../up']\n", "mirrors"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "dbmirror.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=said):
        load_config(path)


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no"):
        load_config(tmp_path / "other.toml")


@pytest.mark.parametrize("name", ["../demo", "Demo", "de mo", "", ".demo", "-demo", "demo\n", "a--b"])
def test_a_mirror_cannot_have_a_name_that_is_no_folder_or_image_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a mirror's name"):
        load_config(start=tmp_path).mirror(name)


def test_the_sandbox_brings_its_own_mirror_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "sandbox").mkdir(parents=True)
    (tmp_path / "home" / "sandbox" / "dbmirror.toml").write_text('[mirrors.demo]\nbase = "sandbox/base:1"\n')
    assert load_config(start=tmp_path).mirror("demo").base == "sandbox/base:1"
