"""pip's list, conda's environments and renv's locks: which of the readers gets a file is said by its content."""

from __future__ import annotations

import json

import pytest

from dbmirror.package_lists.model import ListUnreadable
from tests.package_lists.conftest import Read, pins, reasons

CONDA = """\
name: reports
channels: [conda-forge, defaults]
dependencies:
  - python=3.10.14=hd12c33a_0_cpython
  - numpy=1.26.4=py310hb13e2d6_0
  - conda-forge::pytorch
  - r-base=4.3.1
  - pip:
    - forecast==1.4.0
    - old==1.0; python_version < "3.10"
prefix: /opt/conda/envs/reports
"""
RENV = {
    "R": {"Version": "4.3.1", "Repositories": [{"Name": "CRAN", "URL": "https://cloud.r-project.org"}]},
    "Packages": {
        "DBI": {"Package": "DBI", "Version": "1.2.3", "Source": "Repository", "Repository": "CRAN", "Hash": "0"},
        "odbc": {
            "Package": "odbc",
            "Version": "1.4.2",
            "Source": "GitHub",
            "RemoteType": "github",
            "RemoteUsername": "r-dbi",
            "RemoteRepo": "odbc",
            "RemoteSha": "c" * 40,
            "RemotePassword": "hunter2",
            "Requirements": ["DBI", "methods"],
        },
        "new": {"Package": "new", "Version": "1.0", "Imports": ["DBI (>= 1.0)"], "NeedsCompilation": "yes"},
        "bad": {"Package": "bad\nVersion: 1", "Version": "; rm -rf"},
    },
}


def test_pip_list_as_powershell_writes_it_is_read(read: Read) -> None:
    rows = [
        {"name": "PyYAML", "version": "6.0.1"},
        {"name": "own", "version": "1.0", "editable_project_location": "/home/me/own"},
    ]
    found = read(b"\xff\xfe" + json.dumps(rows).encode("utf-16-le"))
    assert pins(found) == {"pyyaml": "6.0.1"}
    assert "a folder of the machine" in reasons(found)["own"]


def test_condas_own_packages_are_not_taken_for_those_of_an_index(read: Read) -> None:
    found = read(CONDA, python=None)
    assert pins(found) == {"forecast": "1.4.0"}
    assert found.python is not None
    assert (found.python.version, found.r_version) == ("3.10.14", "4.3.1")
    assert {each.name: each.stated for each in found.problems} == {
        "numpy": "conda 1.26.4=py310hb13e2d6_0",
        "pytorch": "conda any version",
        "r-base": "conda 4.3.1",
    }
    assert "'pip list --format json' in that environment says" in reasons(found)["numpy"]


def test_condas_json_is_the_same_environment(read: Read) -> None:
    document = {"name": "x", "dependencies": ["python=3.10.14", {"pip": ["forecast==1.4.0"]}]}
    assert pins(read(json.dumps(document))) == {"forecast": "1.4.0"}


def test_an_renv_lock_names_r_packages_with_their_origin(read: Read) -> None:
    found = read(json.dumps(RENV))
    assert (found.has_python, found.r_version) == (False, "4.3.1")
    dbi, new, odbc = found.r_packages
    assert (dbi.name, dbi.version, dbi.repository) == ("DBI", "1.2.3", "CRAN")
    assert (new.depends, new.needs_compilation) == (("DBI",), True)
    assert odbc.depends == ("DBI", "methods")
    assert dict(odbc.remote)["RemoteSha"] == "c" * 40
    assert "hunter2" not in repr(found)
    assert [each.path for each in found.problems] == ["requirements.txt: bad"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[1, 2]", "is not what 'pip list --format json' prints"),
        ('{"Packages": []}', "is no renv.lock"),
        ("{", "is no renv.lock"),
        ("dependencies: [\n", "is no YAML"),
        ("dependencies: 3\n", "has no list 'dependencies'"),
        ("dependencies:\n- {npm: [left-pad]}\n", "something else than 'pip'"),
        ("dependencies:\n- '$(id)'\n", "is no package as conda writes it"),
        ("dependencies:\n- pip: ['a b c']\n", "'a b c' is no requirement"),
    ],
)
def test_a_damaged_list_is_an_error_that_says_what_it_should_be(read: Read, content: str, says: str) -> None:
    with pytest.raises(ListUnreadable, match=r"requirements\.txt") as caught:
        read(content)
    assert says in str(caught.value)
