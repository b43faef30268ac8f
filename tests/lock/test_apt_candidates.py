"""What a Debian version says of the upstream one."""

import pytest

from dbmirror.lock.apt_candidates import upstream


@pytest.mark.parametrize(
    ("version", "part"),
    [
        ("1.2.18-3build1", "1.2.18"),
        ("1:3.42.1-0ubuntu1", "3.42.1"),
        ("2.4.0ubuntu4", "2.4.0ubuntu4"),
        ("0.9-1-2", "0.9-1"),
        ("1.26.5+dfsg-1", "1.26.5"),
        ("2.0~ds1-1", "2.0"),
        ("1.0", "1.0"),
    ],
)
def test_the_upstream_part_of_a_debian_version(version: str, part: str) -> None:
    assert upstream(version) == part
