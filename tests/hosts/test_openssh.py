"""The ssh config as OpenSSH reads it, and the built-in reading beside it."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbmirror.hosts import openssh, ssh_include
from dbmirror.hosts.ssh_errors import SshConfigInvalid

SSH = shutil.which("ssh")
assert SSH is not None, "the tests need OpenSSH's client"
LAST = {"Port": 2200, "User": "ubuntu"}


def asked(folder: Path, text: str, alias: str = "driver", **first: object) -> dict[str, Any]:
    assert SSH is not None
    return openssh.ask_openssh(SSH, [config(folder, text)], alias, first=first, last=LAST)


def config(folder: Path, text: str, name: str = "config") -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_without_a_config_the_defaults_hold_and_no_key_is_named(tmp_path: Path) -> None:
    found = asked(tmp_path, "")
    assert (found["hostname"], found["port"], found["user"]) == ("driver", "2200", "ubuntu")
    assert (found["identityfile"], found["certificatefile"]) == ([], [])


def test_what_is_given_beats_the_config_and_that_the_defaults(tmp_path: Path) -> None:
    found = asked(tmp_path, "Host driver\n Port 1\n User config\n HostName %h.example\n", User="given")
    assert (found["hostname"], found["port"], found["user"]) == ("driver.example", "1", "given")


@pytest.mark.parametrize(
    "text",
    [
        "Host driver # the team's\n\tPort\t2222 # not 22\n",
        'Host "driver"\n Port = "2222"\n',
        "hOsT other driver\n pOrT=2222\n",
        "Match originalhost driver\n Port 2222\n",
        "Match all\n Port 2222\n",
        "Match !host other final\n Port 2222\n",
        "Match originalhost driver exec true\n Port 2222\n",
    ],
)
def test_comments_quotes_tabs_and_match_are_openssh_s(tmp_path: Path, text: str) -> None:
    assert asked(tmp_path, text)["port"] == "2222"


@pytest.mark.parametrize("criterion", ["exec false", "host other", "localuser nobody-here", "canonical"])
def test_a_criterion_that_is_not_met_does_not_count(tmp_path: Path, criterion: str) -> None:
    assert asked(tmp_path, f"Match {criterion}\n Port 2222\n")["port"] == "2200"


@pytest.mark.parametrize("criterion", ["tagged x", "localnetwork 192.0.2.0/24", "originalhost driver tagged x"])
def test_a_criterion_that_paramiko_does_not_know_never_holds(tmp_path: Path, criterion: str) -> None:
    path = config(tmp_path, f"Match {criterion}\n Port 1\nHost driver # the team's\n\tPort\t2222 # not 1\n")
    assert ssh_include.parse([path], "driver", first={}, last=LAST)["port"] == "2222"


def test_tokens_home_and_variables_are_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYS", "/keys of mine")
    text = (
        "Host driver\n HostName d.example\n IdentityFile ~/.ssh/%r_%n\n IdentityFile ${KEYS}/%h\n"
        " CertificateFile %d/cert\n IdentityAgent ~/agent\n HostKeyAlias alias\n"
        " ProxyCommand nc %h %p %r %n %k 100%%\n"
    )
    monkeypatch.setenv("HOME", pwd.getpwuid(os.getuid()).pw_dir)
    found = asked(tmp_path, text)
    home = Path.home()
    assert found["identityfile"] == [f"{home}/.ssh/ubuntu_driver", "/keys of mine/d.example"]
    assert found["certificatefile"] == [f"{home}/cert"]
    assert found["identityagent"] == f"{home}/agent"
    assert found["proxycommand"] == "nc d.example 2200 ubuntu driver alias 100%"


def test_an_include_in_a_folder_with_odd_characters_is_followed(tmp_path: Path) -> None:
    folder = tmp_path / "odd [name] *"
    folder.mkdir()
    config(folder, "Port 2222\n", "included")
    assert asked(folder, f'Include "{folder.parent}/odd*/incl*"\n')["port"] == "2222"


def test_openssh_s_own_words_are_said(tmp_path: Path) -> None:
    with pytest.raises(SshConfigInvalid, match="Bad configuration option: nonsense") as caught:
        asked(tmp_path, "Nonsense yes\n")
    assert caught.value.remedy == "ssh -G driver"
    assert "dbmirror-ssh-" not in caught.value.message


def test_a_file_that_others_can_write_stops_before_any_of_it_runs(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    config(tmp_path, f"Match exec 'touch {ran}'\n", "included").chmod(0o666)
    with pytest.raises(SshConfigInvalid, match="OpenSSH refuses the ssh config"):
        asked(tmp_path, f"Match exec 'touch {ran}'\n Include {tmp_path}/included\n")
    assert not ran.exists()


def test_who_has_no_home_folder_is_told_what_holds_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    assert asked(tmp_path, "Match exec true\n Port 2222\n")["port"] == "2222"


def test_a_program_of_the_folder_that_one_stands_in_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "check").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "check").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert asked(tmp_path, "Match exec ./check\n Port 2222\n")["port"] == "2200"
    assert not (tmp_path / "ran").exists()


def test_an_alias_that_looks_like_an_option_is_none(tmp_path: Path) -> None:
    with pytest.raises(SshConfigInvalid):
        asked(tmp_path, "", alias="-oProxyCommand=true")


words = st.sampled_from(["driver", "other", "dri*", "!driver", "?river", "*", "d.example"])
values = st.sampled_from(
    [
        *("Port 1111", "Port 2222", "User one", "User two", "HostName d.example", "HostName %h.x", "ConnectTimeout 7"),
        *("IdentitiesOnly yes", "ProxyJump a@b:3", "ProxyJump none", "ProxyCommand nc %h %p", "ProxyCommand none"),
        *("HostKeyAlias k", "IdentityFile /keys/%r", "StrictHostKeyChecking accept-new", "UserKnownHostsFile /a /b"),
    ]
)
heads = st.one_of(
    st.lists(words, min_size=1, max_size=3).map(lambda names: "Host " + " ".join(names)),
    st.sampled_from(["Match all", "Match host driver", "Match originalhost dri*", "Match host other"]),
    st.sampled_from(["Match exec true", "Match exec false", "Match !host other", "Match host d.example"]),
    st.sampled_from(["Match user one", "Match user ubuntu", "Match !user two"]),
)
spaces = st.sampled_from([" ", "\t", "  ", " = "])
blocks = st.tuples(heads, st.lists(st.tuples(values, spaces), max_size=4)).map(
    lambda block: [block[0], *(f"  {value.replace(' ', space, 1)}" for value, space in block[1])]
)
COMPARED = ("hostname", "port", "user", "identitiesonly", "hostkeyalias", "stricthostkeychecking", "userknownhostsfile")


def assert_both_agree(folder: Path, text: str, alias: str) -> dict[str, Any]:
    """What OpenSSH says, which is what the built-in reading says."""
    openssh_s = asked(folder, text, alias)
    own = ssh_include.parse([folder / "config"], alias, first={}, last=LAST)
    defaults = asked(folder, "", alias)
    for setting in COMPARED:
        assert own.get(setting, defaults.get(setting)) == openssh_s.get(setting), setting
    assert list(own.get("identityfile", [])) == openssh_s["identityfile"]
    return openssh_s


@pytest.mark.parametrize(
    ("text", "alias", "key_alias"),
    [
        ("Match host d.example\n HostKeyAlias k\n", "d.example", "k"),
        ("Match host d.example\n HostKeyAlias k\n", "driver", None),
        ("Match host d.example\n HostKeyAlias k\nMatch all\n HostName d.example\n", "driver", None),
        ("Host driver\n HostName d.example\nMatch host d.example\n HostKeyAlias k\n", "driver", "k"),
        ("Host *\n HostName d.example\nMatch !host d.example\n HostKeyAlias k\n", "driver", None),
    ],
)
def test_match_host_is_about_the_name_that_the_lines_before_gave(
    tmp_path: Path, text: str, alias: str, key_alias: str | None
) -> None:
    assert assert_both_agree(tmp_path, text, alias).get("hostkeyalias") == key_alias


@pytest.mark.parametrize(
    ("text", "identities_only"),
    [
        ("Match all\nMatch !host other\n IdentitiesOnly yes\nMatch all\n HostName d.example\n", "no"),
        ("Match !host other\n IdentitiesOnly yes\nMatch all\n HostName d.example\n", "no"),
        ("Match all\n HostName d.example\nMatch !host other\n IdentitiesOnly yes\n", "yes"),
    ],
)
def test_a_host_name_that_comes_later_does_not_change_what_a_match_decided(
    tmp_path: Path, text: str, identities_only: str
) -> None:
    assert assert_both_agree(tmp_path, text, "other")["identitiesonly"] == identities_only


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(blocks, max_size=5), alias=st.sampled_from(["driver", "other", "d.example"]))
def test_both_readings_agree_over_generated_configs(tmp_path: Path, parts: list[list[str]], alias: str) -> None:
    text = "".join(f"{line}\n" for block in parts for line in block)
    assert_both_agree(tmp_path, text, alias)
