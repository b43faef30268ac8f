"""Which repositories are asked."""

from pathlib import Path

import pytest

from dbmirror.config import RConfig, load_config
from dbmirror.lock.r.errors import RepositoryConfigurationError
from dbmirror.lock.r.repository_settings import RepositorySettings, find_repositories

ROOT = Path("/project")


def find(
    config: RConfig, runtime: str = "17.3", *, distribution: str | None = None, **environment: str
) -> RepositorySettings:
    return find_repositories(config, root=ROOT, runtime=runtime, distribution=distribution, environment=environment)


def test_those_of_dbmirror_toml_count_more_than_any_variable() -> None:
    found = find(RConfig(repositories=("https://cran.example/src/contrib/", "cran")), R_REPOS="https://other.example")
    assert found.urls == ("https://cran.example", "file:///project/cran")
    assert found.repositories[1].folder == Path("/project/cran")


def test_the_first_variable_that_names_one_counts() -> None:
    found = find(RConfig(), RSPM="https://c.example/x/", R_REPOS="https://a.example https://b.example", CRAN="@CRAN@")
    assert found.urls == ("https://a.example", "https://b.example")
    assert find(RConfig(), CRAN="@CRAN@").urls == ()


def test_a_dated_snapshot_is_that_of_the_day_that_the_runtime_was_filled_on() -> None:
    config = RConfig(snapshot_url="https://cran.example/{date}", repositories=("https://own.example",))
    assert find(config).urls == ("https://cran.example/2025-03-20", "https://own.example")


def test_where_no_source_states_that_day_the_note_says_what_to_set() -> None:
    config = RConfig(snapshot_url="https://cran.example/{date}")
    found = find(config, "15.4")
    assert found.urls == ()
    assert "snapshot_date" in found.notes[0]


def test_the_day_can_be_set(tmp_path: Path) -> None:
    path = tmp_path / "dbmirror.toml"
    path.write_text('[r]\nsnapshot_url = "https://cran.example/{date}"\nsnapshot_date = 2024-08-01\n')
    assert find(load_config(path).config.r, "15.4").urls == ("https://cran.example/2024-08-01",)


def test_built_packages_come_from_the_repository_of_the_images_distribution() -> None:
    config = RConfig(
        repositories=("https://cran.example",),
        binary_repositories={"ubuntu-24.04": "https://cran.example/noble/{date}", "ubuntu-22.04": "https://x.example"},
    )
    found = find(config, distribution="ubuntu-24.04")
    assert [(each.url, each.binary) for each in found.repositories] == [
        ("https://cran.example/noble/2025-03-20", True),
        ("https://cran.example", False),
    ]
    assert found.urls == ("https://cran.example",)
    assert not any(each.binary for each in find(config, distribution="debian-12").repositories)


def test_credentials_are_taken_out_of_a_variable_and_refused_in_the_file() -> None:
    found = find(RConfig(), R_REPOS="https://me:s%40cret@cran.example/internal")
    assert found.urls == ("https://cran.example/internal",)
    assert "cret" not in repr(found)
    assert found.logins().of("https://cran.example/internal/x") == ("me", "s@cret")
    with pytest.raises(RepositoryConfigurationError, match="credentials") as caught:
        find(RConfig(repositories=("https://me:secret@cran.example",)))
    assert "secret" not in str(caught.value)


def test_netrcs_default_is_for_no_repository_that_only_a_clone_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login jane password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    url = "https://cran.example"
    assert find(RConfig(repositories=(url,))).logins().of(f"{url}/src/contrib/PACKAGES") is None
    assert find(RConfig(), R_REPOS=url).logins().of(f"{url}/src/contrib/PACKAGES") == ("jane", "secret")


@pytest.mark.parametrize("written", ["ftp://cran.example", "https://", "https://exa mple", "http://[::1", "git+ssh:x"])
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(RepositoryConfigurationError, match=r"\[r\] repositories"):
        find(RConfig(repositories=(written,)))
