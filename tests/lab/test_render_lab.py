"""The lab's files: what they say, that they stay the same, and that nothing hostile gets into them."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from msgspec import structs

import dbmirror
from dbmirror.lab.model import Lab
from dbmirror.lab.stack import render_files
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.lock.model import BaseKind, Lock
from dbmirror.render.dockerfile_templates import shipped_folder
from dbmirror.render.errors import RenderError
from dbmirror.render.lab import OWNER_LABEL, LabFiles, LabSettings, render_lab
from dbmirror.render.lab_files import lab_packages, lab_requirements
from tests.builders import a_base, a_lab_lock, a_lock
from tests.render.steps import assert_foreign_code_meets_no_secret

TOOLS = Path(sys.executable).parent
LOCK = a_lock(base=a_base(reference="debian:bookworm", os_id="debian", os_version="12"))
IMAGE = "dbmirror/demo:15.4-0123456789ab"
SETTINGS = LabSettings(mirror="demo", cluster="0101-120000-abcdefgh", forwards=(4040, 15002), networks=("drivers",))


LAB_LOCK = a_lab_lock()


def rendered(lock: Lock = LOCK, **changes: object) -> LabFiles:
    return render_lab(lock, image=IMAGE, settings=replace(SETTINGS, **changes), lab_lock=LAB_LOCK)


def test_the_same_lock_gives_the_same_bytes() -> None:
    first, second = rendered(), rendered()
    assert first == second


def test_every_published_port_is_bound_to_this_machine_alone() -> None:
    published = re.findall(r'"([^"]*):(\d+)"', rendered().compose.decode().split("networks:\n  lab:")[0])
    ports = [(where, port) for where, port in published if port in {"8888", "4040", "15002"} and "{" in where]
    assert [port for _, port in ports] == ["4040", "15002", "8888"]
    assert all(where.startswith("127.0.0.1:${DBMIRROR_") for where, _ in ports)


def test_containers_can_write_and_use_no_more_than_they_need() -> None:
    for name, service in yaml.safe_load(rendered(memory="2g", processes=99).compose)["services"].items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        given = (service["pids_limit"], service["mem_limit"])
        assert given == ((256, "512m") if name == "tunnel" else (99, "${DBMIRROR_LAB_MEMORY:-2g}"))


def test_all_that_compose_makes_says_whose_it_is() -> None:
    stack = yaml.safe_load(rendered().compose)
    made = [*stack["services"].values(), *stack["volumes"].values(), stack["networks"]["lab"]]
    assert [each["labels"] for each in made] == [{OWNER_LABEL: "${DBMIRROR_LAB_ID:-}"}] * len(made)


@pytest.mark.parametrize("memory", ["0g", "8", "8G", "8g\n", "${HOME}", "-1m"])
def test_an_amount_of_memory_that_docker_does_not_know_is_refused(memory: str) -> None:
    with pytest.raises(RenderError):
        rendered(memory=memory)


def test_the_lab_waits_for_the_tunnels_start_and_not_for_its_health() -> None:
    text = rendered().compose.decode()
    assert "condition: service_started" in text
    assert "service_healthy" not in text


def test_the_key_reaches_the_tunnel_alone() -> None:
    services = yaml.safe_load(rendered().compose)["services"]
    given = {name: {each["source"] for each in service.get("secrets", ())} for name, service in services.items()}
    jumps = {"jump-1-key", "jump-2-key", "jump-3-key"}
    assert given == {"tunnel": {"ssh-key", "ca-bundle", *jumps}, "lab": {"lab-token", "ca-bundle"}, "engine": set()}


def test_the_bridge_is_mounted_into_the_tunnel_alone_and_is_empty_where_there_is_none() -> None:
    stack = yaml.safe_load(rendered().compose)
    mount = "${DBMIRROR_BRIDGE:-bridge}:/run/dbmirror/bridge:ro"
    assert [name for name, service in stack["services"].items() if mount in service["volumes"]] == ["tunnel"]
    assert stack["services"]["tunnel"]["environment"]["DBMIRROR_BRIDGE_SECONDS"] == "${DBMIRROR_BRIDGE_SECONDS:-}"
    assert "bridge" in stack["volumes"]


def test_the_workspaces_token_reaches_lab_and_tunnel_as_a_folder_that_they_cannot_write() -> None:
    services = yaml.safe_load(rendered().compose)["services"]
    mounted = {name: [each for each in service["volumes"] if "workspace" in each] for name, service in services.items()}
    folder = "${DBMIRROR_WORKSPACE_FOLDER:-workspace}:/run/dbmirror/workspace:ro"
    assert mounted == {"tunnel": [folder], "lab": [folder], "engine": []}


def test_the_lab_is_told_its_workspace_and_cluster_and_no_token() -> None:
    told = yaml.safe_load(rendered().compose)["services"]["lab"]["environment"]
    assert told["DBMIRROR_WORKSPACE"] == "${DBMIRROR_WORKSPACE:-}"
    assert told["DBMIRROR_CLUSTER"] == SETTINGS.cluster
    assert not [name for name in told if "TOKEN" in name]


def test_the_examples_come_with_the_lab() -> None:
    assert set(rendered().examples.files) == {"both_sides.ipynb", "both_sides.py", "parallel.ipynb", "parallel.py"}


def test_spark_is_reached_where_the_settings_say() -> None:
    def remote(files: LabFiles) -> str | None:
        found: str | None = yaml.safe_load(files.compose)["services"]["lab"]["environment"].get("SPARK_REMOTE")
        return found

    assert remote(rendered()) is None
    assert remote(rendered(spark_remote="sc://tunnel:15002")) == "sc://tunnel:15002"


def test_engines_are_of_the_labs_image_and_start_when_they_are_asked_for() -> None:
    services = yaml.safe_load(rendered().compose)["services"]
    engine, lab = services["engine"], services["lab"]
    assert engine["deploy"] == {"replicas": 0}
    assert engine["image"] == lab["image"]
    assert engine["pull_policy"] == "never"
    assert "build" not in engine
    assert engine["command"][1].replace("/opt/lab/lib/", "") in rendered().lab.files
    assert "ports" not in engine
    assert "engines:/run/dbmirror/engines" in engine["volumes"]
    assert "engines:/run/dbmirror/engines" in lab["volumes"]
    assert not [volume for volume in engine["volumes"] if volume.startswith("tunnel:")]


def test_the_images_tags_name_what_went_into_them() -> None:
    first, other = rendered(), rendered(replace(LOCK, runtime="16.4"))
    assert re.fullmatch(r"dbmirror/demo-lab:15\.4-0123456789ab-[0-9a-f]{12}", first.lab_image)
    assert first.lab_image != other.lab_image
    assert first.tunnel_image == other.tunnel_image
    assert first.lab_image in first.compose.decode()
    relocked = render_lab(LOCK, image=IMAGE, settings=SETTINGS, lab_lock=a_lab_lock(version="9.9"))
    assert relocked.lab_image != first.lab_image


def test_what_the_lab_installs_is_pinned_by_hash_and_names_no_host() -> None:
    text = (shipped_folder("compose") / "lab" / "requirements.txt").read_text()
    pins = re.findall(r"^([a-z0-9.-]+)==\S+", text, re.MULTILINE)
    assert {"jupyterlab", "jupytext", "ipykernel", "jupyter-client"} <= set(pins)
    assert text.count("--hash=sha256:") >= len(pins)
    assert "://" not in text


def test_the_lab_is_installed_from_the_very_files_of_its_lock() -> None:
    files = rendered()
    for group, wheels in LAB_LOCK.wheels.items():
        names = [(file.name, file.sha256, file.index) for file in files.fetched[group]]
        assert names == [(wheel.filename, wheel.sha256, wheel.index) for wheel in wheels]
        listed = files.lab.files[f"lists/{group}.txt"].decode()
        assert re.findall(r"--hash=sha256:(\w+)", listed) == [wheel.sha256 for wheel in wheels]
        assert "://" not in listed
    assert LAB_LOCK.debs is not None
    for group, debs in LAB_LOCK.debs.files.items():
        names = [(file.name, file.sha256, file.index) for file in files.fetched[group]]
        assert names == [(deb.filename, deb.sha256, None) for deb in debs]
        context = files.tunnel if group == "debian-tunnel" else files.lab
        assert context.files[f"lists/{group}.txt"].decode() == "".join(f"{d.sha256}  {d.filename}\n" for d in debs)


def test_why_there_is_no_r_kernel_is_told_to_the_build() -> None:
    assert LAB_LOCK.debs is not None
    debs = structs.replace(LAB_LOCK.debs, no_r_kernel="There is no R kernel: so.")
    files = render_lab(LOCK, image=IMAGE, settings=SETTINGS, lab_lock=structs.replace(LAB_LOCK, debs=debs))
    assert files.lab.files["lists/left-out.txt"] == b"There is no R kernel: so.\n"
    assert "lists/left-out.txt" not in rendered().lab.files


def test_mirrors_on_one_base_share_the_tunnels_image() -> None:
    assert rendered(mirror="other").tunnel_image == rendered().tunnel_image


def test_without_a_lock_the_build_says_which_command_fetches_its_files() -> None:
    files = render_lab(LOCK, image=IMAGE, settings=SETTINGS)
    assert files.fetched == {}
    for name, context in (("lab", files.lab), ("tunnel", files.tunnel)):
        assert [file for file in context.files if file.startswith("lists/")] == ["lists/missing.txt"]
        assert b"'dbmirror lab up demo'" in context.files["lists/missing.txt"]
        folder = yaml.safe_load(files.compose)["services"][name]["build"]["additional_contexts"]["files"]
        assert folder == f"${{DBMIRROR_LAB_FILES:-./{name}/lists}}"


def test_every_file_that_the_dockerfiles_read_is_in_their_context() -> None:
    files = rendered()
    for context in (files.lab, files.tunnel):
        dockerfile = context.files["Dockerfile"].decode()
        read = re.findall(r"(?:type=bind,source=|COPY (?!--))([\w./-]+)", dockerfile)
        folders = {name.partition("/")[0] for name in context.files} | set(context.files)
        top = {"/".join(name.split("/")[:2]) for name in context.files}
        assert read
        assert set(read) <= folders | top


def test_no_code_of_the_mirror_runs_where_a_secret_or_the_network_is() -> None:
    for kind in BaseKind:
        files = render_lab(replace(LOCK, base=replace(LOCK.base, kind=kind)), image=IMAGE, settings=SETTINGS)
        for context in (files.lab, files.tunnel):
            assert_foreign_code_meets_no_secret(context.files["Dockerfile"].decode(), closed=True)


def test_compose_gives_no_secret_to_a_build() -> None:
    for service in yaml.safe_load(rendered().compose)["services"].values():
        assert "secrets" not in service.get("build", {})


def test_a_bare_base_is_given_the_mirrors_python_to_make_the_environment_with() -> None:
    bare, official = (
        render_lab(replace(LOCK, base=replace(LOCK.base, kind=kind)), image=IMAGE, settings=SETTINGS).lab.files
        for kind in (BaseKind.BARE, BaseKind.OFFICIAL)
    )
    assert "create-lab.sh python3.11\n" in bare["Dockerfile"].decode()
    assert "install-debs.sh debian-python\n" in bare["Dockerfile"].decode()
    assert lab_packages(LOCK)["debian-python"] == ("python3.11", "python3.11-venv")
    assert "debian-python" not in official["Dockerfile"].decode()
    assert "debian-python" not in lab_packages(replace(LOCK, base=replace(LOCK.base, kind=BaseKind.OFFICIAL)))
    assert "create-lab.sh /databricks/python3/bin/python\n" in official["Dockerfile"].decode()


def test_irkernel_is_installed_before_the_kernels_are_tried_and_into_no_place_of_the_mirror() -> None:
    dockerfile = rendered().lab.files["Dockerfile"].decode()
    installing = dockerfile.index("install-irkernel.sh /opt/lab/lib/R")
    assert (
        installing < dockerfile.index("COPY --from=environments /opt/lab /opt/lab") < dockerfile.index("COPY kernels")
    )
    assert dockerfile.index("COPY kernels") < dockerfile.index("finish-lab.sh")


def test_every_script_that_another_reads_is_in_the_context() -> None:
    files = rendered().lab.files
    scripts = {name: content.decode() for name, content in files.items() if name.startswith("scripts/")}
    read = {name for text in scripts.values() for name in re.findall(r"BASH_SOURCE%/\*\}/([\w.-]+)", text)}
    assert {"left-out.sh", "try-kernel.py", "install-debs.sh", "fetched.sh"} <= read
    assert {f"scripts/{name}" for name in read} <= set(scripts)


def test_hadolint_finds_nothing_in_the_labs_dockerfile() -> None:
    argv: list[str | Path] = [TOOLS / "hadolint", "--format", "json", "-"]
    done = subprocess.run(argv, input=rendered().lab.files["Dockerfile"], capture_output=True, check=False)
    assert json.loads(done.stdout) == []


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    sent = Path(dbmirror.__file__).parent / "lock" / "debs" / "sent"
    scripts = sorted([*(shipped_folder("compose") / "scripts").glob("*.sh"), *sent.glob("*.sh")])
    argv: list[str | Path] = [TOOLS / "shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *scripts]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


def test_no_byte_code_of_this_machine_is_in_a_context() -> None:
    files = rendered()
    assert not [name for context in (files.lab, files.tunnel) for name in context.files if name.endswith(".pyc")]


def test_the_kernel_is_named_after_the_mirror() -> None:
    kernel = json.loads(rendered().lab.files["kernels/mirror-python/kernel.json"])
    assert kernel["display_name"] == "Python (mirror of demo)"
    assert kernel["argv"][0] == "/databricks/python3/bin/python"
    driver = json.loads(rendered().lab.files["kernels/driver/kernel.json"])
    assert driver["display_name"] == "Driver of demo (SSH)"
    assert driver["metadata"]["kernel_provisioner"]["provisioner_name"] == "dbmirror-driver"


def test_the_r_kernel_is_named_after_the_mirror_and_starts_a_program_of_the_lab() -> None:
    files = rendered().lab.files
    kernel = json.loads(files["kernels/mirror-r/kernel.json"])
    assert kernel["display_name"] == "R (mirror of demo)"
    assert kernel["language"] == "R"
    (program,) = [word.removeprefix("--file=") for word in kernel["argv"] if word.startswith("--file=")]
    assert program.replace("/opt/lab/share/jupyter/", "") in files
    assert kernel["argv"][-2:] == ["--args", "{connection_file}"]


def test_what_the_kernels_start_is_in_the_image() -> None:
    files = rendered().lab.files
    program = json.loads(files["kernels/mirror-python/kernel.json"])["argv"][-3]
    assert program.replace("/opt/lab/lib/", "") in files
    assert b"dbmirror-driver" in files["inside/dbmirror_lab-1.dist-info/entry_points.txt"]


@pytest.mark.parametrize(("runtime", "client"), [("15.4", "15.4"), ("16.4", "16.4"), ("10.4", None)])
def test_the_spark_client_is_the_one_of_the_runtime(runtime: str, client: str | None) -> None:
    requirements = lab_requirements(runtime)
    assert requirements["parallel"].startswith("entrypoints==")
    if client is None:
        assert "spark" not in requirements
    else:
        assert f"databricks-connect=={client}." in requirements["spark"]


def test_the_containers_own_programs_are_python_3_8() -> None:
    for name in ("lab/server/serve.py", "lab/server/health.py", "scripts/try-kernel.py"):
        ast.parse((shipped_folder("compose") / name).read_text(), feature_version=(3, 8))


@pytest.mark.parametrize(
    "changes",
    [
        {"mirror": 'demo"\n  evil: true'},
        {"mirror": "../demo"},
        {"cluster": "0101\nnetwork_mode: host"},
        {"cluster": "${HOME}"},
        {"host": "driver}$(reboot)"},
        {"host": "-oProxyCommand=reboot"},
        {"user": "ubuntu}x"},
        {"networks": ("a: b",)},
        {"forwards": (0,)},
        {"port": 70000},
        {"spark_remote": "sc://tunnel:15002/;token=secret"},
    ],
)
def test_a_hostile_value_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(RenderError):
        rendered(**changes)


def test_a_hostile_image_is_refused() -> None:
    with pytest.raises(RenderError):
        render_lab(LOCK, image="demo\nRUN reboot", settings=SETTINGS)


def test_no_path_of_this_machine_is_in_the_files(tmp_path: Path) -> None:
    files = rendered()
    here = str(Path(__file__).parents[2]).encode()
    assert here not in files.compose + b"".join((*files.lab.files.values(), *files.tunnel.files.values()))


def test_what_jupyterlab_and_this_machine_leave_is_ignored_and_notebooks_are_not(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    folder = tmp_path / "mirrors" / "demo"
    folder.mkdir(parents=True)
    render_files(
        Lab(mirror="demo", folder=folder), MirrorLock(python=LOCK), image=IMAGE, cluster="0101-120000-abcdefgh"
    )
    names = [".env", "notebooks/.ipynb_checkpoints/a-checkpoint.ipynb", "notebooks/a.ipynb", "compose.yaml"]
    command = ["git", "-C", folder, "check-ignore", *names]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == names[:2]
