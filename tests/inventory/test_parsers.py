"""The parsers, each with the odd cases of its file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dbmirror.foreign_text.clean_urls import (
    CredentialsInUrl,
    clean_url,
    clean_urls_in,
)
from dbmirror.inventory.model import DebianPackage, DirectUrl, RPackage
from dbmirror.inventory.parsers.description import parse_description
from dbmirror.inventory.parsers.direct_url import parse_direct_url
from dbmirror.inventory.parsers.dpkg_status import parse_dpkg_status
from dbmirror.inventory.parsers.headers import fields
from dbmirror.inventory.parsers.installer import parse_installer
from dbmirror.inventory.parsers.jar_name import parse_jar_name
from dbmirror.inventory.parsers.java_release import parse_java_release
from dbmirror.inventory.parsers.malformed import Malformed
from dbmirror.inventory.parsers.metadata import Metadata, parse_metadata
from dbmirror.inventory.parsers.os_release import parse_os_release
from dbmirror.inventory.parsers.record import parse_record
from dbmirror.inventory.parsers.requires_txt import parse_requires_txt
from dbmirror.inventory.parsers.wheel import Wheel, parse_wheel


def test_headers_are_unfolded_and_end_at_the_first_empty_line() -> None:
    content = "Name: a\r\nRequires-Dist: b ;\r\n\textra == 'x'\r\nno field\r\nVersion: 1\r\n\r\nVersion: 2\r\n"

    assert list(fields(content)) == [("Name", "a"), ("Requires-Dist", "b ; extra == 'x'"), ("Version", "1")]


def test_a_line_of_blanks_does_not_end_the_headers() -> None:
    assert list(fields("Description: a\n        \n        b\nName: c\n")) == [("Description", "a b"), ("Name", "c")]


def test_metadata_gives_the_name_in_its_normal_form_and_as_spelt() -> None:
    assert parse_metadata("Name: Zope.Interface__X\nVersion: 5.4.0\n") == Metadata(
        name="zope-interface-x", spelling="Zope.Interface__X", version="5.4.0", requires=(), requires_python=None
    )


def test_of_a_field_given_twice_the_first_counts() -> None:
    metadata = parse_metadata("Name: a\nName: b\nVersion: 1\nVersion: 2\n")

    assert isinstance(metadata, Metadata)
    assert (metadata.name, metadata.version) == ("a", "1")


@pytest.mark.parametrize(
    "name", ["-r", "a b", "a/../b", "a\x00b", "é", "\u212a", "a" * 201, "_", "$(id)", "a;b", "'a'"]
)
def test_a_name_out_of_grammar_is_malformed(name: str) -> None:
    assert isinstance(parse_metadata(f"Name: {name}\nVersion: 1\n"), Malformed)


@pytest.mark.parametrize("version", ["--pre", "1 2", "1;x", "1\\", "$(id)", "`x`", "1'", "1" * 201, "ä"])
def test_a_version_out_of_grammar_is_malformed(version: str) -> None:
    assert isinstance(parse_metadata(f"Name: a\nVersion: {version}\n"), Malformed)


def test_a_requirement_with_a_url_loses_the_credentials_in_it() -> None:
    metadata = parse_metadata(
        "Name: a\nVersion: 1\nRequires-Dist: b @ https://u:hunter2@x.example/b.whl ; extra == 'x'\n"
    )

    assert isinstance(metadata, Metadata)
    assert metadata.requires == ("b @ https://x.example/b.whl ; extra == 'x'",)


def test_requires_txt_becomes_lines_of_requires_dist() -> None:
    content = (
        "six>=1\n\n[:python_version < '3']\nenum34\n\n[test]\npytest\nx @ https://a.example/x.zip\n\n[a:b=='c']\nd\n"
    )

    assert parse_requires_txt(content) == (
        "six>=1",
        "enum34; python_version < '3'",
        'pytest; extra == "test"',
        'x @ https://a.example/x.zip ; extra == "test"',
        "d; (b=='c') and extra == \"a\"",
    )


@pytest.mark.parametrize(("content", "expected"), [("pip\n", "pip"), ("\n  uv  \n", "uv"), ("", None), ("\n\n", None)])
def test_installer_is_the_first_line_that_says_something(content: str, expected: str | None) -> None:
    assert parse_installer(content) == expected


def test_an_installer_with_control_characters_is_malformed() -> None:
    assert isinstance(parse_installer("pip\x1b[2J"), Malformed)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {
                "url": "https://git.example/x.git",
                "vcs_info": {"vcs": "git", "commit_id": "0" * 40, "requested_revision": "v1"},
                "subdirectory": "python",
            },
            DirectUrl(
                url="https://git.example/x.git",
                vcs="git",
                commit="0" * 40,
                requested_revision="v1",
                subdirectory="python",
            ),
        ),
        (
            {"url": "https://a.example/x.whl", "archive_info": {"hash": "sha256=" + "A" * 64}},
            DirectUrl(url="https://a.example/x.whl", sha256="a" * 64),
        ),
        (
            {"url": "https://a.example/x.whl", "archive_info": {"hashes": {"md5": "0", "sha256": "b" * 64}}},
            DirectUrl(url="https://a.example/x.whl", sha256="b" * 64),
        ),
        ({"url": "https://a.example/x.whl", "archive_info": {}}, DirectUrl(url="https://a.example/x.whl")),
        (
            {"url": "file:///Workspace/my%20lib", "dir_info": {"editable": True}},
            DirectUrl(url="file:///Workspace/my%20lib", editable=True),
        ),
        ({"url": "file:///tmp/x.whl", "dir_info": {}}, DirectUrl(url="file:///tmp/x.whl")),
    ],
)
def test_direct_url_in_each_of_its_forms(document: dict[str, Any], expected: DirectUrl) -> None:
    assert parse_direct_url(json.dumps(document)) == expected


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"url": 5}',
        '{"url": "https://u:p/w@h.example/"}',
        '{"url": "https://h.example/\\u2028"}',
        '{"url": "https://h.example/", "vcs_info": {"vcs": "git", "commit_id": "main"}}',
        '{"url": "https://h.example/", "archive_info": {"hash": "sha256=short"}}',
        '{"url": "https://h.example/\\ud800"}',
    ],
)
def test_a_direct_url_that_cannot_be_trusted_is_malformed(content: str) -> None:
    found = parse_direct_url(content)

    assert isinstance(found, Malformed)
    assert found.reason.isprintable()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:hunter2@h.example:8443/a/b.whl", "https://h.example:8443/a/b.whl"),
        ("https://ghp_hunter2@h.example/a.git", "https://h.example/a.git"),
        ("https://h.example/a.whl?token=hunter2&file=x", "https://h.example/a.whl?file=x"),
        ("https://h.example/a.whl?sv=2022&sr=b&sig=hunter2", "https://h.example/a.whl?sv=2022&sr=b"),
        ("https://h.example/a.whl?x=1;token=hunter2", "https://h.example/a.whl?x=1"),
        ("https://h.example/a.whl?hunter2", "https://h.example/a.whl"),
        ("https://h.example/a.whl?X-Amz-Signature=hunter2&X-Amz-Credential=hunter2", "https://h.example/a.whl"),
        ("https://h.example/a.whl?%74oken=hunter2", "https://h.example/a.whl"),
        ("https://h.example/a.whl?to=https%3A%2F%2Fu%3Ahunter2%40h", "https://h.example/a.whl"),
        ("https://h.example/a.whl;jsessionid=hunter2", "https://h.example/a.whl"),
        ("https://h.example/a.whl#access_token=hunter2", "https://h.example/a.whl"),
        ("https://h.example/a.zip#sha256=00&subdirectory=b", "https://h.example/a.zip#sha256=00&subdirectory=b"),
        ("ssh://git@h.example/a.git", "ssh://git@h.example/a.git"),
        ("git+ssh://git@h.example/a.git@v1", "git+ssh://git@h.example/a.git@v1"),
        ("ssh://git:hunter2@h.example/a.git", "ssh://h.example/a.git"),
        ("user:hunter2@h.example:a.git", "h.example:a.git"),
        ("file:///tmp/x@y/a.whl", "file:///tmp/x@y/a.whl"),
        ("git+https://h.example/a.git@v1", "git+https://h.example/a.git@v1"),
    ],
)
def test_credentials_are_taken_out_of_urls(url: str, expected: str) -> None:
    assert clean_url(url) == expected


@pytest.mark.parametrize(
    "url",
    ["https://u:hun/ter2@h.example/", "https://u:hun#ter2@h.example/", "https:/u:hunter2@h.example/", "https://[::1"],
)
def test_a_url_whose_credentials_cannot_be_told_apart_is_refused(url: str) -> None:
    with pytest.raises(CredentialsInUrl):
        clean_url(url)
    assert "ter2" not in clean_urls_in(f"x @ {url} ; marker")


def test_wheel_gives_tags_and_build() -> None:
    content = "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nBuild: 2\nTag: cp311-cp311-linux_x86_64\nTag: py3-none-any\n"

    assert parse_wheel(content) == Wheel(tags=("cp311-cp311-linux_x86_64", "py3-none-any"), build="2")


@pytest.mark.parametrize("line", ["Tag: py3-none", "Tag: py3-none-any;x", "Build: a"])
def test_a_wheel_with_a_hostile_line_is_malformed(line: str) -> None:
    assert isinstance(parse_wheel(line), Malformed)


def test_dpkg_status_gives_what_is_fully_installed() -> None:
    content = (
        "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.35-0ubuntu3.8\n\n"
        "Package: held\nStatus: hold ok installed\nArchitecture: all\nVersion: 1:2~3\n\n"
        "Package: half\nStatus: install ok half-configured\nArchitecture: all\nVersion: 1\n\n"
        "Package: removed\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n\n\n"
        "Package: distroless\nArchitecture: amd64\nVersion: 3\n\n"
        "Package: $(evil)\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n"
    )

    *packages, hostile = parse_dpkg_status(content)
    assert packages == [
        DebianPackage(name="libc6", version="2.35-0ubuntu3.8", architecture="amd64"),
        DebianPackage(name="held", version="1:2~3", architecture="all"),
        DebianPackage(name="distroless", version="3", architecture="amd64"),
    ]
    assert isinstance(hostile, Malformed)


def test_os_release_is_unquoted_as_a_shell_would() -> None:
    content = '# comment\nID=ubuntu\nVERSION_ID="22.04"\nNAME=\'A \\B\'\nPRETTY="a \\"b\\""\nbroken\nBAD="\x1b"\n'

    assert parse_os_release(content) == {"ID": "ubuntu", "VERSION_ID": "22.04", "NAME": "A \\B", "PRETTY": 'a "b"'}


@pytest.mark.parametrize(
    ("content", "version"),
    [('JAVA_VERSION="1.8.0_412"\n', "1.8.0_412"), ('IMPLEMENTOR="x"\nJAVA_VERSION="17.0.16"\n', "17.0.16"), ("", None)],
)
def test_java_release_gives_the_version(content: str, version: str | None) -> None:
    assert parse_java_release(content) == version


def test_description_of_an_r_package() -> None:
    content = (
        "Package: sparklyr\nVersion: 1.8.4-2\nPriority: recommended\nRepository: RSPM\n"
        "Depends: R (>= 3.2)\nImports: DBI (>= 1.0.0), dplyr (>= 1.0.9),\n        methods\nLinkingTo: Rcpp\n"
        "SystemRequirements: Spark: 2.x, or\n  3.x\nNeedsCompilation: yes\n"
        "Built: R 4.3.1; ; 2023-07-01 10:00:00 UTC; unix\n"
        "RemoteType: github\nRemoteUrl: https://x:hunter2@git.example/a\nRemoteAuthToken: hunter2\nRemotes: a/b\n"
    )

    assert parse_description(content, library="/usr/lib/R/library", apt_package="r-cran-sparklyr") == RPackage(
        name="sparklyr",
        version="1.8.4-2",
        library="/usr/lib/R/library",
        priority="recommended",
        repository="RSPM",
        remote=(("RemoteType", "github"), ("RemoteUrl", "https://git.example/a")),
        depends=("DBI", "Rcpp", "dplyr", "methods"),
        system_requirements="Spark: 2.x, or 3.x",
        needs_compilation=True,
        built_under="4.3.1",
        apt_package="r-cran-sparklyr",
    )


@pytest.mark.parametrize(
    "content",
    ["", "Version: 1\n", "Package: a\n", "Package: a;b\nVersion: 1\n", "Package: a\nVersion: 1\nImports: $(id)\n"],
)
def test_a_broken_description_is_malformed(content: str) -> None:
    assert isinstance(parse_description(content, library="/lib"), Malformed)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "----ws_3_5--mvn--hadoop3--com.amazonaws--sdk--com.amazonaws__aws-java-sdk__1.12.610.jar",
            ("com.amazonaws", "aws-java-sdk", "1.12.610"),
        ),
        ("x--mvn--org.json4s__json4s-ast_2.12__3.7.0-M11.jar", ("org.json4s", "json4s-ast_2.12", "3.7.0-M11")),
        ("----ws_3_5--sql--core--core-hive-2.3__hadoop-3.2_2.12_deploy.jar", None),
        ("mine.jar", None),
        ("x--a__b__c.txt", None),
        ("x--a__b__$(c).jar", None),
    ],
)
def test_jar_names_carry_coordinates(name: str, expected: tuple[str, str, str] | None) -> None:
    assert parse_jar_name(name) == expected


def test_record_gives_paths_with_hashes() -> None:
    rows = parse_record('a.py,sha256=abc=,3\n"b,c.py",,\r\n\na.py,sha256=other,3\n')

    assert not isinstance(rows, Malformed)
    assert [(row.path, row.algorithm, row.digest) for row in rows] == [("a.py", "sha256", "abc="), ("b,c.py", "", "")]
