"""What the rendered Dockerfile holds, whatever the lock."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dbmirror.render.dockerfile_templates import shipped_folder
from dbmirror.render.image import linked_files, render
from dbmirror.runtimes.lookup import lookup
from tests.render.steps import assert_foreign_code_meets_no_secret, instructions
from tests.supported import debian_lock

TOOLS = Path(sys.executable).parent


@pytest.fixture
def context(lock_name, locks):
    lock = locks[lock_name]
    return render(lock, lookup(lock.runtime), mirror="demo", debian=debian_lock(lock))


@pytest.fixture
def dockerfile(context) -> str:
    return context.files["Dockerfile"].decode()


def test_hadolint_finds_nothing(dockerfile):
    done = subprocess.run(
        [TOOLS / "hadolint", "--format", "json", "-"], input=dockerfile, capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout) == []


def test_what_hadolint_ignores_is_explained_on_the_line_above(dockerfile):
    lines = dockerfile.splitlines()
    pragmas = [number for number, line in enumerate(lines) if "hadolint" in line]
    assert len(pragmas) == 1
    assert re.match(r"# .*because the platform", lines[pragmas[0] - 1])


def test_shellcheck_finds_nothing_in_the_scripts():
    scripts = sorted((shipped_folder("images") / "python" / "scripts").glob("*.sh"))
    done = subprocess.run(
        [TOOLS / "shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *scripts],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 0)


def test_no_frontend_is_fetched_and_nothing_is_started(dockerfile):
    assert "syntax=" not in dockerfile
    assert not {item["instruction"] for item in instructions(dockerfile)} & {"CMD", "ENTRYPOINT", "HEALTHCHECK", "ADD"}


def test_the_image_runs_as_root(dockerfile):
    assert [item["value"] for item in instructions(dockerfile) if item["instruction"] == "USER"] == ["root"]


def test_the_last_stage_is_the_image_and_ends_in_its_labels(dockerfile):
    kinds = [item["instruction"] for item in instructions(dockerfile)]
    stages = [item["value"] for item in instructions(dockerfile) if item["instruction"] == "FROM"]
    assert stages[-1] == "system AS image"
    first_label = kinds.index("LABEL")
    assert set(kinds[first_label:]) == {"LABEL"}


def test_addresses_stand_in_the_lists_of_files_alone(context):
    for name, content in context.files.items():
        if not name.startswith("files/") and name != "scripts/fetch.py":
            assert not re.search(rb"https?://", content), name


def test_every_secret_is_optional_and_given_as_a_file(dockerfile):
    mounts = re.findall(r"--mount=type=secret,(\S+)", dockerfile)
    assert set(mounts) == {f"id={name},required=false" for name in ("ca-bundle", "netrc", "proxy")}


def test_every_file_that_is_mounted_is_in_the_context(context, dockerfile, lock_name, locks):
    names = [*context.files, *linked_files(locks[lock_name])]
    sources = re.findall(r"--mount=type=bind,source=([^,]+),", dockerfile)
    assert sources
    for source in sources:
        assert source in names or any(name.startswith(f"{source}/") for name in names), source


def test_every_file_of_the_context_is_mounted(context, dockerfile, lock_name, locks):
    sources = re.findall(r"--mount=type=bind,source=([^,]+),", dockerfile)
    for name in {*context.files, *linked_files(locks[lock_name])} - {"Dockerfile", ".dockerignore"}:
        assert any(name == source or name.startswith(f"{source}/") for source in sources), name


def test_only_what_is_mounted_is_sent_to_the_engine(context, lock_name, locks):
    allowed = context.files[".dockerignore"].decode().splitlines()[2:]
    names = {*context.files, *linked_files(locks[lock_name])} - {"Dockerfile", ".dockerignore"}
    assert allowed == sorted({f"!{name.partition('/')[0]}" for name in names})


def test_no_step_with_a_secret_runs_code_of_a_package(dockerfile):
    assert_foreign_code_meets_no_secret(dockerfile)


def test_no_step_shares_a_folder_that_it_can_write_with_another_build(dockerfile):
    """A cache mount is the same folder for every build of the machine: what one package leaves, another one runs."""
    assert "type=cache" not in dockerfile


def test_compilers_are_in_stages_that_only_wheels_leave(dockerfile):
    stages = re.split(r"^FROM ", dockerfile, flags=re.MULTILINE)
    image = stages[-1]
    assert "compilers.txt" not in image
    assert "build-wheels.sh" not in image
    assert set(re.findall(r"from=(build-[a-z]+),source=(\S+),", image)) <= {
        ("build-runtime", "/wheels"),
        ("build-notebook", "/wheels"),
    }


def test_layers_come_in_the_order_of_how_seldom_they_change(everything):
    dockerfile = render(everything, lookup("15.4"), mirror="demo").files["Dockerfile"].decode()
    image = dockerfile.partition("AS image")[2]
    places = [
        image.index(text)
        for text in ("environments,", "packages.txt,", "runtime.txt,", "cluster.txt,", "notebook.txt,", "LABEL")
    ]
    assert places == sorted(places)


def test_a_layers_step_depends_on_its_own_files_alone(everything):
    dockerfile = render(everything, lookup("15.4"), mirror="demo").files["Dockerfile"].decode()
    steps = [item["value"] for item in instructions(dockerfile) if item["instruction"] == "RUN"]
    (cluster,) = [step for step in steps if "requirements/cluster.txt" in step]
    assert "wheels/cluster" in cluster
    assert "from=files-cluster," in cluster
    assert "runtime" not in cluster
    assert "notebook" not in cluster


def test_an_official_base_keeps_its_environments_and_gets_the_differences(locks):
    files = render(locks["official"], lookup("15.4"), mirror="demo").files
    dockerfile = files["Dockerfile"].decode()
    assert "FROM databricksruntime/python:15.4-LTS@sha256:" in dockerfile
    assert "useradd" not in dockerfile
    assert "create-environments" not in dockerfile
    assert "apt/system.txt" not in files
    assert files["requirements/cluster.txt"].startswith(b"simplejson==3.19.2 --hash=")
