"""The collector on miniature environments of this machine, in a Python of its own as on a driver."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dbmirror.files import canonical_json
from dbmirror.hosts.local import LocalHost
from dbmirror.inventory.collect import collect
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Distribution, Inventory, Problem


def inventory_of(tree: Any) -> Inventory:
    return collect(LocalHost(), interpreter=str(tree.python), timeout=30)


def only(inventory: Inventory) -> Distribution:
    assert [problem.reason for problem in inventory.problems] == []
    (distribution,) = inventory.distributions
    return distribution


def problem_of(inventory: Inventory) -> Problem:
    assert inventory.distributions == ()
    (problem,) = inventory.problems
    return problem


def test_a_distribution_is_described_by_its_metadata(tree: Any) -> None:
    tree.install(
        "Flask-SQLAlchemy",
        "1.1.2+db1",
        metadata=(
            "Requires-Python: >=3.8\nRequires-Dist: Flask>=0.10\n"
            "Requires-Dist: SQLAlchemy (>=0.8.0) ;\n  extra == 'x'\n"
        ),
    )

    assert only(inventory_of(tree)) == Distribution(
        name="flask-sqlalchemy",
        spelling="Flask-SQLAlchemy",
        version="1.1.2+db1",
        layer=Layer.RUNTIME,
        location=str(tree.site),
        installer="pip",
        requires=("Flask>=0.10", "SQLAlchemy (>=0.8.0) ; extra == 'x'"),
        requires_python=">=3.8",
        wheel_tags=("py3-none-any",),
        capturable=True,
    )


def test_the_interpreter_is_described(tree: Any) -> None:
    inventory = inventory_of(tree)

    assert inventory.python.path == str(tree.python)
    assert inventory.python in inventory.interpreters
    assert inventory.python.implementation == "CPython"
    assert inventory.architecture == os.uname().machine


def test_a_header_like_line_in_the_description_is_no_header(tree: Any) -> None:
    tree.install("plain", "1.0", body="Name: other\nVersion: 2.0\nRequires-Dist: surprise\n")

    distribution = only(inventory_of(tree))
    assert (distribution.name, distribution.version, distribution.requires) == ("plain", "1.0", ())


def test_a_direct_url_comes_without_its_credentials(tree: Any) -> None:
    origin = {"url": "https://user:hunter2@git.example/x.git", "vcs_info": {"vcs": "git", "commit_id": "a" * 40}}
    tree.install("x", "1.0", extra={"direct_url.json": json.dumps(origin)})

    inventory = inventory_of(tree)
    url = only(inventory).direct_url
    assert url is not None
    assert (url.url, url.vcs, url.commit) == ("https://git.example/x.git", "git", "a" * 40)
    assert b"hunter2" not in canonical_json(inventory)


def test_an_egg_info_folder_is_a_distribution_with_its_requirements(tree: Any) -> None:
    folder = tree.site / "Old_Package-0.9.egg-info"
    folder.mkdir()
    (folder / "PKG-INFO").write_text("Metadata-Version: 1.1\nName: Old_Package\nVersion: 0.9\n")
    (folder / "requires.txt").write_text("six\n\n[fast:python_version<'4']\nnumpy>=1\n")

    distribution = only(inventory_of(tree))
    assert (distribution.name, distribution.capturable) == ("old-package", False)
    assert distribution.requires == ("six", "numpy>=1; (python_version<'4') and extra == \"fast\"")


def test_an_egg_info_file_is_a_distribution(tree: Any) -> None:
    (tree.site / "older-0.1.egg-info").write_text("Metadata-Version: 1.0\nName: older\nVersion: 0.1\n")

    assert only(inventory_of(tree)).name == "older"


def test_an_unpacked_egg_is_a_distribution_and_a_zipped_one_a_problem(tree: Any) -> None:
    (tree.site / "unpacked-1.0-py3.8.egg" / "EGG-INFO").mkdir(parents=True)
    (tree.site / "unpacked-1.0-py3.8.egg" / "EGG-INFO" / "PKG-INFO").write_text("Name: unpacked\nVersion: 1.0\n")
    (tree.site / "zipped-1.0-py3.8.egg").write_bytes(b"PK\x03\x04")

    inventory = inventory_of(tree)
    assert [distribution.name for distribution in inventory.distributions] == ["unpacked"]
    assert [problem.name for problem in inventory.problems] == ["zipped"]


def test_a_develop_installation_is_one_editable_distribution(tree: Any, tmp_path: Path) -> None:
    source = tmp_path / "my source"
    (source / "tool.egg-info").mkdir(parents=True)
    (source / "tool.egg-info" / "PKG-INFO").write_text("Name: tool\nVersion: 0.1.dev0\n")
    (tree.site / "tool.egg-link").write_text(f"{source}\n.\n")
    (tree.site / "easy-install.pth").write_text(f"import os; os.abort()\n# comment\n{source}\n")

    distribution = only(inventory_of(tree))
    assert distribution.location == str(source)
    assert distribution.direct_url is not None
    assert distribution.direct_url.editable
    assert distribution.direct_url.url == f"file://{tmp_path}/my%20source"


def test_a_modern_editable_installation_is_one_distribution(tree: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "tool.egg-info").mkdir(parents=True)
    (source / "tool.egg-info" / "PKG-INFO").write_text("Name: tool\nVersion: 1.0\n")
    (tree.site / "__editable__.tool-1.0.pth").write_text(f"{source}\n")
    origin = json.dumps({"url": f"file://{source}", "dir_info": {"editable": True}})
    tree.install("tool", "1.0", extra={"direct_url.json": origin})

    distribution = only(inventory_of(tree))
    assert distribution.location == str(tree.site)
    assert distribution.direct_url is not None
    assert distribution.direct_url.editable
    assert not distribution.capturable


def test_what_a_path_file_adds_is_never_lost_in_silence(tree: Any, tmp_path: Path) -> None:
    (tree.site / "odd.pth").mkdir()
    (tree.site / "odd.egg-link").mkdir()
    (tree.site / "many.pth").write_text("".join(f"{tmp_path}/{number}\n" for number in range(201)))

    inventory = inventory_of(tree)
    assert inventory.distributions == ()
    assert sorted(problem.path.rpartition("/")[2] for problem in inventory.problems) == [
        "200",
        "odd.egg-link",
        "odd.pth",
    ]


def test_an_egg_link_into_nothing_is_a_problem(tree: Any) -> None:
    (tree.site / "gone.egg-link").write_text("/no/such/folder\n.\n")

    problem = problem_of(inventory_of(tree))
    assert (problem.name, problem.layer) == ("gone", Layer.RUNTIME)
    assert "/no/such/folder" in problem.reason


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        (None, "No such file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00junk", "no name"),
        (b"", "no name"),
        (b"Version: 1.0\n", "no name"),
        (b"Name: broken\n", "no version"),
        (b"Name: bro$(id)ken\nVersion: 1.0\n", "name"),
        (b"Name: broken\nVersion: 1.0 --index-url http://evil\n", "version"),
        (b"Name: broken\nVersion: 1.0\nRequires-Dist: a\xe2\x80\xa8RUN evil\n", "requirement"),
    ],
)
def test_a_broken_dist_info_is_a_problem_with_the_name_of_its_folder(
    tree: Any, metadata: bytes | None, reason: str
) -> None:
    folder = tree.install("broken", "1.0")
    (folder / "METADATA").unlink()
    if metadata is not None:
        (folder / "METADATA").write_bytes(metadata)

    problem = problem_of(inventory_of(tree))
    assert (problem.name, problem.layer, problem.path) == ("broken", Layer.RUNTIME, str(folder))
    assert reason in problem.reason


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("direct_url.json", b"{not json"),
        ("direct_url.json", b'{"url": "https://a.example/", "vcs_info": {"vcs": "git", "commit_id": "; rm -rf /"}}'),
        ("direct_url.json", b"\xff\xfe\x00"),
        ("direct_url.json", b"x" * 100_000),
        ("INSTALLER", b"pip\x1b[31m\n"),
        ("WHEEL", b"Tag: py3-none-any && evil\n"),
    ],
)
def test_a_broken_file_beside_the_metadata_is_a_problem_too(tree: Any, file: str, content: bytes) -> None:
    folder = tree.install("half-broken", "1.0")
    (folder / file).write_bytes(content)

    problem = problem_of(inventory_of(tree))
    assert problem.name == "half-broken"
    assert file in problem.reason


def test_one_broken_distribution_does_not_hide_the_others(tree: Any) -> None:
    (tree.install("broken", "1.0") / "METADATA").unlink()
    tree.install("whole", "1.0")

    inventory = inventory_of(tree)
    assert [d.name for d in inventory.distributions] == ["whole"]
    assert [p.name for p in inventory.problems] == ["broken"]


def test_a_pipe_in_place_of_metadata_does_not_hold_the_collector(tree: Any) -> None:
    folder = tree.install("pipe", "1.0")
    (folder / "METADATA").unlink()
    os.mkfifo(folder / "METADATA")

    assert "regular file" in problem_of(inventory_of(tree)).reason


def test_metadata_whose_header_never_ends_is_a_problem(tree: Any) -> None:
    folder = tree.install("endless", "1.0")
    (folder / "METADATA").write_bytes(b"Name: endless\nVersion: 1.0\n" + b"X-Filler: y\n" * 100_000)

    assert "no end of its header" in problem_of(inventory_of(tree)).reason


def test_a_huge_description_costs_nothing(tree: Any) -> None:
    folder = tree.install("chatty", "1.0")
    with (folder / "METADATA").open("ab") as stream:
        stream.truncate(1 << 30)

    assert only(inventory_of(tree)).name == "chatty"


def test_symbolic_links_in_circles_are_problems_or_nothing(tree: Any) -> None:
    folder = tree.install("loop", "1.0")
    (folder / "METADATA").unlink()
    (folder / "METADATA").symlink_to("METADATA")
    (tree.site / "round").symlink_to(tree.site)
    (tree.site / "round.pth").write_text("round\n")

    assert "symbolic links" in problem_of(inventory_of(tree)).reason


def test_a_library_folder_under_two_names_is_read_once(tree: Any) -> None:
    (tree.prefix / "lib64").symlink_to("lib")
    tree.install("single", "1.0")

    assert only(inventory_of(tree)).location == str(tree.site)


def test_of_two_versions_in_one_folder_the_one_that_python_finds_counts(tree: Any) -> None:
    tree.install("twice", "1.0")
    tree.install("twice", "2.0")
    script = "import importlib.metadata as m; print(m.version('twice'))"
    found = LocalHost().run([str(tree.python), "-c", script]).stdout.decode().strip()

    inventory = inventory_of(tree)
    (distribution,) = inventory.distributions
    (problem,) = inventory.problems
    assert distribution.version == found
    assert problem.name == "twice"
    assert f"hidden by twice {found}" in problem.reason


def test_what_an_interrupted_pip_left_is_a_problem(tree: Any) -> None:
    shutil.move(tree.install("numpy", "1.0"), tree.site / "~umpy-1.0.dist-info")

    assert "interrupted pip" in problem_of(inventory_of(tree)).reason


@pytest.mark.parametrize("row", ["edited.py,,", "edited.py,sha256=abc,1\nmore.py,,"])
def test_a_record_without_all_hashes_makes_a_distribution_not_capturable(tree: Any, row: str) -> None:
    folder = tree.install("partial", "1.0")
    with (folder / "RECORD").open("a") as stream:
        stream.write(row + "\n")

    assert not only(inventory_of(tree)).capturable


def test_byte_code_in_a_record_needs_no_hash(tree: Any) -> None:
    folder = tree.install("compiled", "1.0")
    with (folder / "RECORD").open("a") as stream:
        stream.write("__pycache__/compiled.cpython-311.pyc,,\n")

    assert only(inventory_of(tree)).capturable


def test_file_names_that_are_no_text_are_shown_escaped(tree: Any) -> None:
    os.mkdir(os.fsencode(tree.site) + b"/b\xffd\n-1.0.dist-info")  # noqa: PTH102

    problem = problem_of(inventory_of(tree))
    assert problem.name is None
    assert problem.path.isprintable()


def test_an_environment_with_the_systems_packages_sees_them_and_another_does_not(tree: Any, tmp_path: Path) -> None:
    closed = inventory_of(tree)
    opened = inventory_of(type(tree)(tmp_path / "open", sees_system=True))
    assert closed.distributions == ()
    assert {d.layer for d in opened.distributions} <= {Layer.LOCAL, Layer.APT}


def test_the_same_state_gives_equal_values_and_bytes(tree: Any) -> None:
    for number in range(20):
        tree.install(f"package-{number}", f"{number}.0")

    first, second = inventory_of(tree), inventory_of(tree)
    assert first == second
    assert canonical_json(first) == canonical_json(second)
    assert [d.name for d in first.distributions] == sorted(d.name for d in first.distributions)


def test_what_is_collected_survives_a_file(tree: Any) -> None:
    tree.install("kept", "1.0", extra={"direct_url.json": '{"url": "file:///tmp/kept", "dir_info": {}}'})
    (tree.install("broken", "1.0") / "METADATA").write_bytes(b"\xff\x00\x1b]0;")
    inventory = inventory_of(tree)

    assert msgspec.json.decode(canonical_json(inventory), type=Inventory) == inventory


def test_no_value_of_an_environment_variable_leaves_the_host(tree: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("DATABRICKS_TOKEN", "PYSPARK_GATEWAY_SECRET", "ARM_CLIENT_SECRET", "AWS_SECRET_ACCESS_KEY", "LANGUAGE")
    for name in names:
        monkeypatch.setenv(name, f"canary-{name}")
    monkeypatch.setenv("SPARK_SCALA_VERSION", "2.12")

    inventory = inventory_of(tree)
    assert set(names) <= set(inventory.environment_variables)
    assert ("SPARK_SCALA_VERSION", "2.12") in inventory.environment_values
    assert b"canary" not in canonical_json(inventory)


def test_variables_of_the_connection_are_left_out(tree: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
    monkeypatch.setenv("KEPT", "x")

    names = inventory_of(tree).environment_variables
    assert "KEPT" in names
    assert not {"SSH_CONNECTION", "SHLVL", "PWD", "_", "LC_CTYPE"} & set(names)


def test_nothing_is_written_and_no_code_of_the_environment_runs(tree: Any) -> None:
    tree.install("watched", "1.0")
    witness = tree.prefix / "witness"
    (tree.site / "evil.pth").write_text(f"import pathlib; pathlib.Path({str(witness)!r}).touch()\n")
    (tree.site / "sitecustomize.py").write_text(f"import pathlib; pathlib.Path({str(witness)!r}).touch()\n")

    def listing() -> list[tuple[str, int, int, int]]:
        facts = [(str(path), path.lstat()) for path in sorted(tree.prefix.rglob("*"))]
        return [(path, fact.st_mtime_ns, fact.st_ctime_ns, stat.S_IFMT(fact.st_mode)) for path, fact in facts]

    before = listing()
    inventory_of(tree)
    assert listing() == before
