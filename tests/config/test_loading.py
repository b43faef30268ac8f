"""dbmirror.toml: found from below, checked setting by setting."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from dbmirror.cli import main
from dbmirror.clones import allowed_settings
from dbmirror.clones.allowed_settings import SettingNotAllowed
from dbmirror.config import ConfigError, MirrorConfig, load_config


@pytest.fixture(autouse=True)
def no_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "no-sandbox"))


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


def test_a_file_that_a_neighbour_put_above_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "dbmirror.toml"
    place.write_text('[mirrors.demo]\nbase = "evil.example/base:1"\n')
    below = tmp_path / "mine"
    below.mkdir()
    other = tmp_path.stat().st_uid + 4242
    owners = {place: other}
    monkeypatch.setattr(allowed_settings, "owner_of", lambda path, **_: owners.get(path, path.stat().st_uid))
    with pytest.raises(ConfigError, match=f"another account .user number {other}") as refused:
        load_config(start=below)
    assert f"--config {place}" in (refused.value.remedy or "")
    assert load_config(place).mirror("demo").base == "evil.example/base:1"
    # Whoever works in a folder of that account, as root in a user's home or in a mounted checkout, means that file.
    owners[below] = other
    assert load_config(start=below).mirror("demo").base == "evil.example/base:1"
    assert load_config(start=tmp_path).mirror("demo").base == "evil.example/base:1"


def test_a_link_of_a_neighbours_does_not_lend_a_file_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    own = tmp_path / "mine" / "settings.toml"
    own.write_text('[mirrors.demo]\nprofile = "PROD"\n')
    (tmp_path / "dbmirror.toml").symlink_to(own)
    other = tmp_path.stat().st_uid + 4242

    def owner_of(path: Path, *, follow: bool = True) -> int:
        return other if not follow and path.is_symlink() else path.stat().st_uid

    monkeypatch.setattr(allowed_settings, "owner_of", owner_of)
    with pytest.raises(ConfigError, match=f"another account .user number {other}"):
        load_config(start=tmp_path / "mine")


def test_where_everybody_can_write_a_neighbours_file_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "dbmirror.toml"
    place.write_text('[mirrors.demo]\nbase = "evil.example/base:1"\n')
    owners = {place: tmp_path.stat().st_uid + 4242}
    monkeypatch.setattr(allowed_settings, "owner_of", lambda path, **_: owners.get(path, path.stat().st_uid))
    assert load_config(start=tmp_path).origin == place
    tmp_path.chmod(0o1777)
    with pytest.raises(ConfigError, match="another account"):
        load_config(start=tmp_path)
    owners.clear()
    assert load_config(start=tmp_path).origin == place


def test_a_file_without_an_end_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "dbmirror.toml").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ConfigError, match="larger than 4 MB"):
        load_config(start=tmp_path)


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


def written(folder: Path, text: str) -> Path:
    """A dbmirror.toml that came with a clone, which lies in `folder`."""
    (folder / ".git").mkdir(parents=True)
    path = folder / "work" / "dbmirror.toml"
    path.parent.mkdir()
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["proxy_command", "ProxyCommand", "proxy_jump", "config_file", "options"])
def test_a_cloned_file_cannot_say_by_which_program_or_config_the_driver_is_reached(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "clone", f"[mirrors.demo.ssh]\nhost = 'demo-ssh'\n{name} = 'sh -c id'\n")
    with pytest.raises(ConfigError, match=name):
        load_config(start=path.parent)


def test_a_cloned_file_cannot_name_the_program_that_logs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    marker = tmp_path / "marker"
    path = written(tmp_path / "clone", f"[mirrors.demo]\nprofile_file = '{tmp_path}/clone/work/profiles'\n")
    program = path.parent / "databricks"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    host = "host = https://127.0.0.1:1\n"
    for name in ("profiles", ".databrickscfg"):
        (path.parent / name).write_text(f"[demo]\n{host}auth_type = databricks-cli\ndatabricks_cli_path = {program}\n")
    monkeypatch.chdir(path.parent)
    named = CliRunner().invoke(main, ["clusters", "demo"])
    path.write_text("[mirrors.demo]\nprofile = 'demo'\n")
    beside = CliRunner().invoke(main, ["clusters", "demo"])
    assert (named.exit_code, beside.exit_code) == (2, 2)
    assert "DATABRICKS_CONFIG_FILE" in named.output
    assert not marker.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[index]\nca_bundle = 'ca.pem'\n", "comes with the repository"),
        ("[index]\nca_bundle = '../ca.pem'\n", "comes with the repository"),
        ("[index]\nca_bundle = '{clone}/ca.pem'\n", "comes with the repository"),
        ("[index]\nca_bundle = '{link}'\n", "comes with the repository"),
        ("[mirrors.demo.ssh]\nidentity_file = 'key'\n", r"no file of ~/\.ssh"),
        ("[mirrors.demo.ssh]\nidentity_file = '~/.aws/credentials'\n", r"no file of ~/\.ssh"),
        ("[mirrors.demo.ssh]\nidentity_file = '~/.ssh/../.aws/credentials'\n", r"no file of ~/\.ssh"),
    ],
)
def test_a_cloned_files_paths_lead_to_nothing_that_the_user_did_not_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    clone, link = tmp_path / "clone", tmp_path / "link.pem"
    path = written(clone, text.format(clone=clone, link=link))
    link.symlink_to(clone / "ca.pem")
    with pytest.raises(SettingNotAllowed, match=said):
        load_config(path)


@pytest.mark.parametrize(
    "text",
    [
        "[index]\nurl = 'http://index.example/simple'\n",
        "[index]\nextra_urls = ['https://other.example/', 'http://index.example:8080/simple']\n",
        "[index.packages]\n'torch*' = 'http://index.example/torch'\n",
        "[r]\nrepositories = ['http://index.example/cran']\n",
        "[mirrors.demo.r]\nsnapshot_url = 'http://index.example/{date}'\n",
    ],
)
def test_a_cloned_file_does_not_send_a_login_over_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine index.example login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    path = written(tmp_path / "clone", text)
    with pytest.raises(SettingNotAllowed, match="over https alone"):
        load_config(path)
    path.write_text(text.replace("http://index", "https://index"))
    load_config(path)
    path.write_text(text.replace("index.example", "open.example"))
    load_config(path)


def test_a_cloned_file_selects_among_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    bundle = tmp_path / "corporate.pem"
    path = written(
        tmp_path / "clone",
        f"[index]\nca_bundle = '{bundle}'\n[mirrors.demo]\nprofile = 'PROD'\n"
        "[mirrors.demo.ssh]\nhost = 'my-driver'\nidentity_file = '~/.ssh/id_team'\n",
    )
    loaded = load_config(path)
    assert loaded.config.index.ca_bundle == bundle
    assert loaded.mirror("demo").ssh.identity_file == tmp_path / "home" / ".ssh" / "id_team"


def test_a_sandbox_of_an_older_dbmirror_is_read_and_a_damaged_one_says_how_to_make_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "sandbox").mkdir(parents=True)
    file = tmp_path / "home" / "sandbox" / "dbmirror.toml"
    file.write_text("[mirrors.demo]\nprofile = 'demo'\nprofile_file = '/x'\n")
    assert load_config(start=tmp_path).mirror("demo").profile == "demo"
    file.write_text("[mirrors.demo]\nprofile = 1\n")
    with pytest.raises(ConfigError, match="dbmirror sandbox up"):
        load_config(start=tmp_path).mirror("demo")
