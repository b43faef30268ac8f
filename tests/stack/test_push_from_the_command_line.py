"""`dbmirror build demo --push NAME`: the image in a registry, and what to do with it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from dbmirror.sandbox.base import ensure_base
from dbmirror.sandbox.registry.server import RunningRegistry, start
from tests.stack.conftest import LIGHT, Done, User, tree

pytestmark = pytest.mark.stack
SECRET = "s3cr3t-canary-of-the-registry"


@pytest.fixture(scope="module")
def registry() -> Iterator[RunningRegistry]:
    with start("dockerhub") as running:
        yield running


@pytest.fixture(scope="module")
def user(sandbox_user: User, registry: RunningRegistry) -> User:
    """The user of the sandbox with a registry in the configuration."""
    user = sandbox_user.in_folder(sandbox_user.folder.parent / "push")
    mirror = (user.home / "state" / "sandbox" / "dbmirror.toml").read_text()
    registries = (
        f'[registries.team]\nkind = "oci"\nhost = "{registry.host}"\nrepository = "team/{{mirror}}"\ninsecure = true\n'
    )
    (user.folder / "dbmirror.toml").write_text(f"{LIGHT}\n{mirror}\n{registries}")
    return user


def variables(registry: RunningRegistry, password: str | None = None) -> dict[str, str]:
    account = registry.account
    login = {"DBMIRROR_TEAM_USERNAME": account.username, "DBMIRROR_TEAM_PASSWORD": password or account.password}
    return {**login, "DBMIRROR_TEAM_HOST": registry.host}


@pytest.fixture(scope="module")
def pushed(user: User, registry: RunningRegistry) -> Done:
    return user.run("build", "demo", "--push", "team", "--sbom", "--json", **variables(registry))


def test_a_wrong_password_is_said_before_anything_is_built(user: User, registry: RunningRegistry) -> None:
    before = tree(user.folder)
    unnamed = {name: value for name, value in variables(registry).items() if name != "DBMIRROR_TEAM_HOST"}
    refused = user.run("build", "demo", "--push", "team", code=2, **unnamed)
    assert f"set DBMIRROR_TEAM_HOST={registry.host}" in refused.stderr
    done = user.run("build", "demo", "--push", "team", code=3, **variables(registry, SECRET))
    assert SECRET not in done.stdout + done.stderr
    assert "snapshot" not in done.stderr
    assert tree(user.folder) == before


def test_what_was_pushed_is_verified_and_named_by_digest(pushed: Done, user: User) -> None:
    (result,) = pushed.document["pushed"]
    assert result["verified"] is True
    assert result["digest"].startswith("sha256:")
    assert not result["reference"].endswith(":latest")
    record = json.loads((user.folder / "mirrors" / "demo" / "push.json").read_text())
    assert record["pushed"][0]["digest"] == result["digest"]


def test_the_deployment_names_the_digest_and_secrets_by_reference_alone(pushed: Done, user: User) -> None:
    (result,) = pushed.document["pushed"]
    files = {name: content.decode() for name, content in tree(user.folder / "mirrors" / "demo" / "deploy").items()}
    cluster = json.loads(files["cluster.json"])
    assert cluster["docker_image"]["url"].endswith(result["digest"])
    assert cluster["docker_image"]["basic_auth"]["password"].startswith("{{secrets/")
    assert cluster["spark_version"] == "15.4.x-scala2.12"
    assert {"cluster.tf", "databricks.yml", "README.md"} <= files.keys()


def test_the_bill_of_materials_has_every_package_and_the_image_points_to_it(pushed: Done, user: User) -> None:
    bill = json.loads(Path(pushed.document["sbom"]).read_text())
    names = {component["name"] for component in bill["components"]}
    assert {fate["name"] for fate in pushed.document["fates"]} <= {name.lower() for name in names}
    argv = [
        "docker",
        "inspect",
        pushed.document["image"]["tag"],
        "--format",
        '{{index .Config.Labels "io.dbmirror.sbom"}}',
    ]
    label = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    assert label.startswith("urn:cdx:")
    assert bill["serialNumber"].removeprefix("urn:uuid:") in label


def test_a_second_push_sends_nothing(pushed: Done, user: User, registry: RunningRegistry) -> None:
    again = user.run("push", "demo", "team", "--json", **variables(registry)).document
    assert again["pushed"][0]["already_there"] is True
    assert again["pushed"][0]["digest"] == pushed.document["pushed"][0]["digest"]


def test_the_password_can_come_from_stdin(pushed: Done, user: User, registry: RunningRegistry) -> None:
    account = registry.account
    environment = {"DBMIRROR_TEAM_USERNAME": account.username, "DBMIRROR_TEAM_HOST": registry.host}
    user.run("push", "demo", "team", "--password-stdin", stdin=account.password + "\n", **environment)


def test_an_image_whose_verification_is_missing_or_red_is_not_pushed(
    pushed: Done, user: User, registry: RunningRegistry
) -> None:
    report = user.folder / "mirrors" / "demo" / "verification.json"
    content = report.read_bytes()
    report.unlink()
    try:
        refused = user.run("push", "demo", "team", code=1, **variables(registry))
        assert "was not verified" in refused.stderr
        allowed = user.run("push", "demo", "team", "--allow-unverified", "--json", **variables(registry))
        assert allowed.document["pushed"][0]["verified"] is False
    finally:
        report.write_bytes(content)


def test_a_report_from_elsewhere_makes_the_gate_verify_again(
    pushed: Done, user: User, registry: RunningRegistry
) -> None:
    """It says that all is well, of this very image and lock, and this machine did not write it."""
    report = user.folder / "mirrors" / "demo" / "verification.json"
    document = json.loads(report.read_bytes())
    compared = len(document["comparisons"])
    document["comparisons"].pop()
    report.write_text(json.dumps(document))
    again = user.run("push", "demo", "team", "--json", **variables(registry))
    assert "report from elsewhere" in again.stderr
    assert again.document["pushed"][0]["verified"] is True
    assert len(json.loads(report.read_bytes())["comparisons"]) == compared


def test_a_forged_pair_of_records_pushes_no_other_image(pushed: Done, user: User, registry: RunningRegistry) -> None:
    mirror = user.folder / "mirrors" / "demo"
    before = {name: (mirror / name).read_text() for name in ("build.json", "verification.json")}
    foreign = ensure_base().image_id
    assert foreign != pushed.document["image"]["id"]
    for name, content in before.items():
        (mirror / name).write_text(content.replace(pushed.document["image"]["id"], foreign))
    try:
        refused = user.run("push", "demo", "team", code=1, **variables(registry))
        assert "did not build it" in refused.stderr
        assert "dbmirror build demo --frozen" in refused.stderr
    finally:
        for name, content in before.items():
            (mirror / name).write_text(content)


def test_an_unknown_registry_names_the_known_ones(user: User) -> None:
    done = user.run("push", "demo", "nowhere", code=2)
    assert "nowhere" in done.stderr


def test_without_configuration_the_missing_variables_are_named(
    sandbox_user: User, pushed: Done, tmp_path: Path
) -> None:
    user = sandbox_user.in_folder(tmp_path / "bare")
    assert "DBMIRROR_ACR_REGISTRY" in user.run("build", "demo", "--push", "acr", code=2).stderr
    assert "DOCKERHUB" in user.run("build", "demo", "--push", "dockerhub", code=2).stderr


def test_no_credential_is_in_any_file_label_or_history(pushed: Done, user: User, registry: RunningRegistry) -> None:
    password = registry.account.password
    for name, content in tree(user.folder).items():
        assert password.encode() not in content, name
    assert password not in pushed.stdout + pushed.stderr
    tag = pushed.document["image"]["tag"]
    for argv in (["docker", "inspect", tag], ["docker", "history", "--no-trunc", tag]):
        assert password not in subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
    assert not (user.home / ".docker" / "config.json").exists()


def test_no_credential_is_in_any_layer(pushed: Done, registry: RunningRegistry) -> None:
    password = registry.account.password.encode()
    argv = ["docker", "save", pushed.document["image"]["tag"]]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as saving:
        assert saving.stdout is not None
        tail, read = b"", 0
        while chunk := saving.stdout.read(1 << 22):
            assert password not in tail + chunk
            tail, read = chunk[-len(password) :], read + len(chunk)
    assert saving.returncode == 0
    assert read > 100_000_000, "the layers were not in what was searched"


def test_the_sandboxs_own_registry_takes_a_push_without_a_word_of_configuration(
    pushed: Done, sandbox_user: User, user: User
) -> None:
    """`sandbox up --registry`, `build demo --push sandbox`: the second finds all that it needs."""
    configuration = user.folder / "dbmirror.toml"
    kept = configuration.read_bytes()
    configuration.unlink()
    try:
        state = user.run("sandbox", "up", "--registry", "--json").document["sandbox"]
        assert user.run("sandbox", "status", "--json").document["sandbox"]["registry"] == state["registry"]
        # The lock that is there, for without a filter another image would be made.
        (result,) = user.run("build", "demo", "--frozen", "--push", "sandbox", "--json").document["pushed"]
    finally:
        configuration.write_bytes(kept)
    assert result["reference"].startswith(f"{state['registry']}/dbmirror/demo:")
    assert result["verified"] is True
    logins = sandbox_user.home / "state" / "sandbox" / "logins.toml"
    assert logins.stat().st_mode & 0o077 == 0
    password = logins.read_text().rpartition(' = "')[2].strip().strip('"')
    assert password
    assert not [name for name, content in tree(user.folder).items() if password.encode() in content]


def test_what_was_pushed_is_pulled_back_by_digest_and_verified_again(
    pushed: Done, user: User, registry: RunningRegistry
) -> None:
    (result,) = pushed.document["pushed"]
    image = pushed.document["image"]
    login = {"username": registry.account.username, "password": registry.account.password}
    client = docker.from_env(timeout=600)
    try:
        client.images.remove(image["id"], force=True)
        pulled = client.images.pull(f"{result['repository']}@{result['digest']}", auth_config=login)
        assert pulled.id == image["id"]
        pulled.tag(*image["tag"].rsplit(":", 1))
    finally:
        client.close()
    assert user.run("verify", "demo", "--json").document["verification"]["passed"] is True
