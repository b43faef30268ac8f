"""A name that is no setting is answered with its place, the nearest known one and all of them, at every level."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmirror.config import ConfigError, load_config


@pytest.mark.parametrize(
    ("text", "place", "near", "known"),
    [
        ("foldr = 'x'\n", "The top of the file has no setting 'foldr'", "folder", "ci, filters, folder, index"),
        ("[mirror.demo]\n", "no setting 'mirror'", "mirrors", "mirrors"),
        ("[mirrors.demo]\nbas = 'x'\n", "[mirrors.demo] has no setting 'bas'", "base", "base, capture, cluster"),
        ("[mirrors.demo.ssh]\nprt = 1\n", "[mirrors.demo.ssh]", "port", "host, identity_file, port, user"),
        ("[mirrors.demo.lab]\nforward = [1]\n", "[mirrors.demo.lab]", "forwards", "spark_remote"),
        ("[mirrors.demo.r]\nrepository = []\n", "[mirrors.demo.r]", "repositories", "snapshot_date"),
        ("[[mirrors.demo.waive]]\nrules = 'L02'\n", "[mirrors.demo.waive]", "rule", "reason, rule"),
        ("[mirrors.'a b']\nbas = 'x'\n", "[mirrors.'a b']", "base", "base"),
        ("[filters]\nblacklists = []\n", "[filters]", "blacklist", "r_whitelist"),
        (
            "[[filters.blacklist]]\nname = 'x'\nreason = 'abc'\nverdit = 'keep'\n",
            "[filters.blacklist]",
            "verdict",
            "name",
        ),
        ("[index]\nindex_url = 'x'\n", "[index]", "url", "extra_urls"),
        ("[r]\nsnapshot = 'x'\n", "[r]", "snapshot_date", "snapshot_url"),
        ("[registries.x]\nkind = 'oci'\nhots = 'x'\n", "[registries.x]", "host", "insecure, kind"),
        ("[ci]\ndbmiror = 'x'\n", "[ci]", "dbmirror", "dbmirror"),
    ],
)
def test_the_nearest_and_all_known_settings_are_named(
    tmp_path: Path, text: str, place: str, near: str, known: str
) -> None:
    path = tmp_path / "dbmirror.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    assert str(path) in raised.value.message
    assert place in raised.value.message
    assert f"'{near}'" in str(raised.value.remedy).partition("?")[0]
    assert known in str(raised.value.remedy)


def test_a_name_that_is_near_to_none_gets_the_list_alone(tmp_path: Path) -> None:
    path = tmp_path / "dbmirror.toml"
    path.write_text("[ci]\nxyzzy = 1\n")
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    assert raised.value.remedy == "Known here: dbmirror."
