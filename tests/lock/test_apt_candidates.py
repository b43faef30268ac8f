"""What apt in the base image would install, read from its own words."""

from collections.abc import Sequence

import pytest

from dbmirror.hosts.interface import Completed
from dbmirror.lock.apt_candidates import apt_candidates, parse_policy, upstream
from dbmirror.lock.errors import AptUnavailable
from dbmirror.processes.programs import LARGEST_OUTPUT

POLICY = """\
python3-dbus:
  Installed: (none)
  Candidate: 1.3.2-4+b1
  Version table:
     1.3.2-4+b1 500
        500 http://archive.example bookworm/main amd64 Packages
python3-gi:
  Installed: 3.42.2-3+b1
  Candidate: 3.42.2-3+b1
  Version table:
 *** 3.42.2-3+b1 100
        100 /var/lib/dpkg/status
python3-gone:
  Installed: (none)
  Candidate: (none)
  Version table:
"""


class Scripted:
    """A host that says what it is told to, and remembers what it was asked."""

    name = "the base image"

    def __init__(self, *answers: Completed) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, ...]] = []

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = LARGEST_OUTPUT
    ) -> Completed:
        assert not stdin
        assert timeout
        self.asked.append(tuple(argv))
        return self.answers.pop(0)

    def fetch(self, path: str, *, limit: int = 1 << 30) -> bytes:
        raise AssertionError((path, limit))


def answer(code: int = 0, stdout: str = "", stderr: str = "") -> Completed:
    return Completed((), code, stdout.encode(), stderr.encode())


def test_candidates_are_read_and_packages_without_one_left_out() -> None:
    assert parse_policy(POLICY) == {"python3-dbus": "1.3.2-4+b1", "python3-gi": "3.42.2-3+b1"}


def test_a_package_of_another_architecture_is_named_without_it() -> None:
    assert parse_policy("libc6:amd64:\n  Candidate: 2.36-9\n") == {"libc6": "2.36-9"}


def test_the_lists_are_updated_once_and_all_packages_asked_for_together() -> None:
    host = Scripted(answer(), answer(stdout=POLICY))
    assert apt_candidates(host, ["python3-gi", "python3-dbus"])["python3-gi"] == "3.42.2-3+b1"
    assert host.asked[0][:2] == ("apt-get", "update")
    assert host.asked[1][-3:] == ("--", "python3-dbus", "python3-gi")


def test_what_is_no_package_name_never_reaches_a_command() -> None:
    assert apt_candidates(Scripted(), ["--option", "a b", "$(id)"]) == {}


def test_lists_that_cannot_be_fetched_are_an_error_with_apts_last_word() -> None:
    with pytest.raises(AptUnavailable, match="Temporary failure"):
        apt_candidates(Scripted(answer(100, stderr="W: x\nE: Temporary failure resolving\n")), ["python3-gi"])


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
