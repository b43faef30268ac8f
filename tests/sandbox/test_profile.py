import stat
from pathlib import Path

import paramiko
import pytest

from dbmirror.config import LOGINS_FILE, load_config, sandbox_servers
from dbmirror.folders import sandbox_profile_file
from dbmirror.publish.registries.resolve import resolve_target
from dbmirror.sandbox import profile
from dbmirror.sandbox.errors import SandboxRefused
from dbmirror.sandbox.registry.detached import DetachedRegistry


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("DATABRICKS_CONFIG_FILE", raising=False)
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    return tmp_path / "home"


def test_a_name_that_the_users_own_file_has_is_refused_with_the_option_that_helps(home: Path) -> None:
    (home / ".databrickscfg").write_text("[DEFAULT]\nhost = x\n[demo]\nhost = https://real.example\n")
    with pytest.raises(SandboxRefused) as caught:
        profile.require_free_name("demo")
    assert "--name" in caught.value.remedy
    assert caught.value.exit_code == 2
    profile.require_free_name("other")


def test_the_file_that_the_environment_names_counts_too(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "profiles"
    elsewhere.write_text("[demo]\nhost = https://real.example\n")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(elsewhere))
    with pytest.raises(SandboxRefused):
        profile.require_free_name("demo")


def test_the_sandboxs_own_profile_file_does_not_stand_in_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    profile.write_profile(name="demo", host="http://127.0.0.1:1", token="secret", cluster_id="c")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(sandbox_profile_file()))
    profile.require_free_name("demo")


def test_a_damaged_file_of_the_user_is_not_the_sandboxs_business(home: Path) -> None:
    (home / ".databrickscfg").write_bytes(b"\xff\xfe not a profile file")
    profile.require_free_name("demo")


@pytest.mark.parametrize("name", ["", "Demo", "a b", "../demo", "demo\n", "-demo", "a" * 101])
def test_a_name_that_no_mirror_can_have_is_refused(name: str) -> None:
    with pytest.raises(SandboxRefused):
        profile.require_free_name(name)


def test_the_key_is_ed25519_for_its_owner_alone_and_stays_the_same() -> None:
    path, public = profile.ensure_key("demo")
    assert path.name == "id_demo"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = paramiko.Ed25519Key.from_private_key_file(str(path))
    assert public.split()[:2] == ["ssh-ed25519", key.get_base64()]
    assert profile.ensure_key("demo") == (path, public)


def test_the_profile_file_is_for_its_owner_alone() -> None:
    profile.write_profile(name="demo", host="http://127.0.0.1:1", token="secret", cluster_id="1-2-3")
    assert stat.S_IMODE(sandbox_profile_file().stat().st_mode) == 0o600
    assert sandbox_profile_file().read_text() == (
        "[demo]\nhost = http://127.0.0.1:1\ntoken = secret\ncluster_id = 1-2-3\n"
    )


def test_the_mirror_works_without_a_configuration_file_and_waives_in_the_open(tmp_path: Path) -> None:
    key, _ = profile.ensure_key("demo")
    profile.write_mirror(
        name="demo",
        cluster_id="1-2-3",
        base="base:1",
        identity_file=key,
        network="drivers",
        files_url="http://127.0.0.1:1",
    )
    mirror = load_config(start=tmp_path).mirror("demo")
    assert (mirror.profile, mirror.cluster, mirror.base) == ("demo", "1-2-3", "base:1")
    assert mirror.ssh.identity_file == key
    assert mirror.ssh.host is None
    assert sandbox_servers() == ("http://127.0.0.1:1",)
    assert mirror.lab.spark_remote is None
    assert load_config(start=tmp_path).registries() == {}
    assert {waiver.rule for waiver in mirror.waive} == {"L02", "L03"}
    assert all("Debian 12" in waiver.reason for waiver in mirror.waive)


def test_the_lab_of_a_driver_that_runs_spark_reaches_it_through_the_tunnel(tmp_path: Path) -> None:
    key, _ = profile.ensure_key("demo")
    profile.write_mirror(
        name="demo",
        cluster_id="1-2-3",
        base="base:1",
        identity_file=key,
        network="drivers",
        files_url="http://127.0.0.1:1",
        spark=True,
    )
    lab = load_config(start=tmp_path).mirror("demo").lab
    assert lab.spark_remote == "sc://tunnel:15002"
    assert lab.forwards == (4040, 15002)


def test_its_registry_is_found_with_its_login_which_no_other_of_that_name_gets(tmp_path: Path) -> None:
    registry = DetachedRegistry(host="127.0.0.1:5001", kind="dockerhub", pid=1, username="sandbox", password="word")
    profile.write_mirror(
        name="demo",
        cluster_id="1-2-3",
        base="base:1",
        identity_file=tmp_path / "key",
        network="drivers",
        files_url="http://127.0.0.1:1",
        registry=registry,
    )
    own = load_config(start=tmp_path)
    assert resolve_target("sandbox", own.registries(), {}, mirror="demo").full_name == "127.0.0.1:5001/dbmirror/demo"
    environment = own.registry_environment({"HOME": "x"})
    login = {
        "DBMIRROR_SANDBOX_HOST": "127.0.0.1:5001",
        "DBMIRROR_SANDBOX_USERNAME": "sandbox",
        "DBMIRROR_SANDBOX_PASSWORD": "word",
    }
    assert environment == {"HOME": "x", **login}
    logins = tmp_path / "state" / "sandbox" / LOGINS_FILE
    assert stat.S_IMODE(logins.stat().st_mode) == 0o600
    assert "word" not in (logins.parent / "dbmirror.toml").read_text()
    (tmp_path / "dbmirror.toml").write_text('[registries.sandbox]\nkind = "oci"\nhost = "elsewhere.example"\n')
    assert load_config(start=tmp_path).registry_environment({"HOME": "x"}) == {"HOME": "x"}
