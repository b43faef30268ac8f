"""What the mirror of a profile is called, whatever the profile is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmirror.config import is_mirror_name
from dbmirror.pipeline.mirror_names import Named, NameTaken, NameUnusable, derived_name, name_mirror, profile_of


@pytest.mark.parametrize(
    ("profile", "mirror"),
    [
        ("DEFAULT", "default"),
        ("PROD-EU", "prod-eu"),
        ("my.team", "my.team"),
        ("My Team's (test)", "my-team-s-test"),
        ("a__b", "a-b"),
        ("Büro", "buro"),
        ("_x_", "x"),
        ("日本", None),
        ("---", None),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_name_is_derived_of_a_profiles(profile: str, mirror: str | None) -> None:
    assert derived_name(profile) == mirror


@given(st.text(max_size=150))
def test_what_is_derived_can_be_a_mirrors_name_and_stays_the_same(profile: str) -> None:
    name = derived_name(profile)
    assert name is None or (is_mirror_name(name) and derived_name(name) == name)


def test_a_profile_of_any_name_is_taken_as_it_is() -> None:
    profiles = ["DEFAULT", "PROD-EU", "demo"]
    assert name_mirror("PROD-EU", profiles) == Named(mirror="prod-eu", profile="PROD-EU")
    assert name_mirror("demo", profiles) == Named(mirror="demo", profile="demo")
    assert name_mirror("team", profiles) == Named(mirror="team", profile=None)
    assert name_mirror("PROD-EU", profiles).is_derived


def test_the_derived_name_leads_back_to_the_profile() -> None:
    profiles = ["DEFAULT", "PROD-EU", "demo"]
    assert [profile_of(name, profiles) for name in ("prod-eu", "default", "demo", "none")] == [
        "PROD-EU",
        "DEFAULT",
        "demo",
        "none",
    ]


@pytest.mark.parametrize("profiles", [["PROD", "prod"], ["PROD", "Prod"]])
def test_two_profiles_of_one_mirror_are_told_apart_by_the_user(profiles: list[str]) -> None:
    with pytest.raises(NameTaken, match="would both have the mirror prod") as caught:
        name_mirror("PROD", profiles)
    assert 'profile = "PROD"' in caught.value.remedy


def test_a_derived_name_of_two_profiles_means_neither() -> None:
    with pytest.raises(NameTaken):
        profile_of("prod", ["PROD", "Prod"])
    assert profile_of("prod", ["PROD", "prod"]) == "prod"


@pytest.mark.parametrize("given_name", ["NOT THERE", "日本"])
def test_what_is_neither_a_profile_nor_a_mirrors_name_is_said_so(given_name: str) -> None:
    with pytest.raises(NameUnusable) as caught:
        name_mirror(given_name, ["demo", "日本"])
    assert caught.value.exit_code == 2
