"""The same requirements files read by the pip that is installed, and by dbmirror."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dbmirror.package_lists.requirement import stated
from dbmirror.package_lists.requirement_lines import requirement_lines

_PIP = """
import json, sys
from pip._internal.network.session import PipSession
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.req.req_file import parse_requirements
session = PipSession()
for file in sys.argv[1:]:
    found = []
    for parsed in parse_requirements(file, session=session):
        made = install_req_from_parsed_requirement(parsed)
        name, specifier = (made.req.name, str(made.req.specifier)) if made.req else (None, "")
        found.append([name, specifier, str(made.markers or ""), made.editable])
    print(json.dumps(found))
"""

LISTS = (
    "a==1\nb>=2,<3 # why\n#c==1\n  d == 4  \n",
    'a==1 ; python_version > "3" \\\n  --hash=sha256:' + "a" * 64 + "\n",
    "a==\\\n1\n# comment \\\nb==2\n",
    "a==1 \\\n# comment\nb==2\n",
    "a[x,y]==1 #comment\n",
    "-e git+https://git.example/a.git@abc#egg=a\nb @ https://files.example/b-1.0-py3-none-any.whl\n",
    "--index-url https://index.example\n--pre\n-f links\na==1 --global-option=x --config-settings='k=v'\n",
    "https://files.example/c-1.0-py3-none-any.whl ; python_version > '3'\n",
    "a===1.0-odd\nzope.interface~=5.0\nA_b.C==1.*\n",
    "a==1\r\nb==2\r\n\r\n",
    "-fhttps://links.example\na\n",
    "a==1\\",
)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[Any]]]:
    """What pip, started once, makes of each list."""
    files = [tmp_path_factory.mktemp("list") / "requirements.txt" for _ in LISTS]
    for file, content in zip(files, LISTS, strict=True):
        file.write_bytes(content.encode())
    done = subprocess.run([sys.executable, "-c", _PIP, *map(str, files)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(LISTS, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("content", LISTS)
def test_pip_reads_the_same(judged: dict[str, list[list[Any]]], tmp_path: Path, content: str) -> None:
    theirs = judged[content]
    ours = [
        [found.name, str(found.specifier), str(found.marker or ""), found.editable]
        for line in requirement_lines(content, tmp_path / "requirements.txt")
        if line.requirement or line.editable
        for found in [stated(line)]
    ]
    # pip makes a pin of a wheel's address; here its version is read from the address later.
    assert [each[:1] + each[2:] for each in ours] == [each[:1] + each[2:] for each in theirs]
    assert [o[1] for o, t in zip(ours, theirs, strict=True) if o[1]] == [
        t[1] for o, t in zip(ours, theirs, strict=True) if o[1]
    ]
