"""The files with which a cluster starts from a pushed image, as Databricks, Terraform and a reader get them."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import hcl2
import pytest
import yaml
from databricks.sdk.service.compute import ClusterSpec

from dbmirror.render.context import BuildContext
from dbmirror.render.deployment import DeploymentRefused, PullSecret, image_url, render_deployment
from dbmirror.render.errors import RenderError
from dbmirror.snapshot import Cluster, ClusterLibrary

GOLDEN = Path(__file__).parent / "golden" / "deployment"
DIGEST = "sha256:" + "d" * 64
PLAIN = Cluster(
    cluster_id="1120-081500-abcdefgh",
    cluster_name="demo",
    spark_version="15.4.x-scala2.12",
    node_type="m5d.large",
    driver_node_type="m5d.large",
    access_mode="SINGLE_USER",
)
RICH = Cluster(
    cluster_id="1120-081500-abcdefgh",
    cluster_name="pricing `nightly` ${x}",
    spark_version="17.3.x-scala2.13",
    node_type="Standard_DS3_v2",
    driver_node_type="Standard_DS4_v2",
    access_mode="DATA_SECURITY_MODE_DEDICATED",
    runtime_engine="PHOTON",
    init_scripts=("/Shared/init/observability.sh",),
    uses_volumes=True,
    libraries=(
        ClusterLibrary(kind="pypi", specification="simplejson==3.19.2", status="INSTALLED"),
        ClusterLibrary(kind="maven", specification="com.acme:acme-udfs_2.13:1.0", status="INSTALLED"),
    ),
)
CASES = {
    "public": {"cluster": PLAIN, "reference": "docker.io/team/demo:15.4-0123456789ab", "pull_secret": None},
    "private": {
        "cluster": RICH,
        "reference": "team.azurecr.io/dbmirror/demo:17.3-0123456789ab",
        "pull_secret": PullSecret.for_registry("acr"),
        "driver_nfs": False,
    },
}


def rendered(case: str = "private", **changes) -> dict[str, bytes]:
    values = {**CASES[case], **changes}
    return dict(render_deployment(values.pop("cluster"), mirror="demo", digest=DIGEST, **values))


def cluster_json(case: str = "private", **changes) -> dict:
    return json.loads(rendered(case, **changes)["cluster.json"])


def bundle_cluster(case: str = "private", **changes) -> dict:
    """The bundle's cluster with the defaults of its variables, as `databricks bundle deploy` sends it."""
    text = rendered(case, **changes)["databricks.yml"].decode()
    defaults = {name: entry["default"] for name, entry in yaml.safe_load(text)["variables"].items()}
    text = re.sub(r"\$\{var\.(\w+)\}", lambda match: str(defaults[match[1]]), text)
    return yaml.safe_load(text)["resources"]["clusters"]["mirror"]


def terraform_cluster(case: str = "private", **changes) -> dict:
    """The resource's arguments; python-hcl2 keeps the quotes of strings, which are taken off here."""
    (resource,) = hcl2.loads(rendered(case, **changes)["cluster.tf"].decode())["resource"]
    ((_, body),) = resource.items()
    ((_, cluster),) = body.items()
    return json.loads(json.dumps(cluster).replace('\\"', ""))


@pytest.mark.parametrize("case", CASES)
def test_a_pushed_image_gives_the_files_that_it_gave_before(case: str, request: pytest.FixtureRequest):
    files, folder = rendered(case), GOLDEN / case
    if request.config.getoption("--refresh-golden"):
        BuildContext(files).write(folder)
    stored = {path.name: path.read_bytes().decode() for path in folder.iterdir()}
    assert {name: content.decode() for name, content in files.items()} == stored


@pytest.mark.parametrize("case", CASES)
def test_the_clusters_api_knows_every_field(case: str):
    document = cluster_json(case)
    assert ClusterSpec.from_dict(document).as_dict() == document


@pytest.mark.parametrize("case", CASES)
def test_the_bundle_asks_for_the_same_cluster(case: str):
    cluster = bundle_cluster(case)
    assert ClusterSpec.from_dict(cluster).as_dict() == cluster == cluster_json(case)


@pytest.mark.parametrize("case", CASES)
def test_terraform_asks_for_the_same_cluster(case: str):
    cluster, document = terraform_cluster(case), cluster_json(case)
    assert str(cluster["num_workers"]) == "${var.num_workers}"
    (image,) = cluster["docker_image"]
    assert image["url"] == document["docker_image"]["url"]
    same = ("cluster_name", "spark_version", "runtime_engine", "data_security_mode", "node_type_id", "spark_conf")
    assert {name: cluster.get(name) for name in same} == {name: document.get(name) for name in same}
    assert cluster["driver_node_type_id"] == document["driver_node_type_id"]


def test_the_image_is_named_by_its_digest():
    assert cluster_json()["docker_image"]["url"] == f"team.azurecr.io/dbmirror/demo@{DIGEST}"


def test_docker_hub_is_not_named_in_its_images():
    assert image_url("docker.io/team/demo:1", DIGEST) == f"team/demo@{DIGEST}"


def test_a_registry_on_a_port_keeps_it():
    assert image_url("localhost:5000/demo:1", DIGEST) == f"localhost:5000/demo@{DIGEST}"


def test_credentials_are_references_to_secrets():
    assert cluster_json()["docker_image"]["basic_auth"] == {
        "username": "{{secrets/dbmirror/acr-username}}",
        "password": "{{secrets/dbmirror/acr-password}}",
    }
    (image,) = terraform_cluster()["docker_image"]
    (basic_auth,) = image["basic_auth"]
    assert basic_auth["password"] == "{{secrets/${var.secret_scope}/acr-password}}"


def test_the_names_of_the_secrets_can_be_chosen():
    secret = PullSecret(scope="team@corp", username_key="pull.user", password_key="pull_token")
    document = cluster_json(pull_secret=secret)
    assert document["docker_image"]["basic_auth"]["password"] == "{{secrets/team@corp/pull_token}}"
    assert bundle_cluster(pull_secret=secret) == document


def test_the_reader_is_told_the_two_commands_that_store_the_secrets():
    text = rendered()["README.md"].decode()
    assert "    databricks secrets put-secret dbmirror acr-username\n" in text
    assert "    databricks secrets put-secret dbmirror acr-password\n" in text
    assert "string-value" not in text


def test_a_public_image_needs_no_secret():
    assert "basic_auth" not in cluster_json("public")["docker_image"]
    assert b"secrets" not in b"".join(rendered("public").values())


@pytest.mark.parametrize(
    "words", ["enableDcs", "preloaded_docker_images", "Every node pulls the image", "Docker Hub limits"]
)
def test_the_reader_is_told_what_would_surprise(words: str):
    assert words in rendered("public")["README.md"].decode()


def test_init_scripts_and_jars_of_the_source_are_named():
    text = rendered()["README.md"].decode()
    assert "`/Shared/init/observability.sh`" in text
    assert "`com.acme:acme-udfs_2.13:1.0`" in text
    assert "simplejson" not in text


def test_volumes_are_switched_on_where_the_source_uses_them():
    conf = "spark.databricks.unityCatalog.volumes.enabled"
    assert cluster_json("private")["spark_conf"][conf] == "true"
    assert "spark_conf" not in cluster_json("public")


def test_an_image_without_virtualenv_switches_the_drivers_nfs_off():
    conf = {"spark.databricks.driverNfs.enabled": "false"}
    assert cluster_json("public", driver_nfs=False)["spark_conf"] == conf


def test_access_is_dedicated_whatever_the_source_says():
    assert (
        cluster_json("public", cluster=dataclasses.replace(PLAIN, access_mode=None))["data_security_mode"]
        == "SINGLE_USER"
    )


def test_a_source_without_a_node_type_asks_for_one():
    files = rendered("public", cluster=dataclasses.replace(PLAIN, node_type=None, driver_node_type=None))
    assert b"node_type_id" not in files["cluster.json"]
    assert b"add `node_type_id` or `instance_pool_id` first" in files["README.md"]


@pytest.mark.parametrize(
    ("changes", "reason", "remedy"),
    [
        ({"spark_version": "15.4.x-cpu-ml-scala2.12"}, "ML runtimes take no custom image", "standard runtime"),
        ({"spark_version": "15.4.x-snapshot-scala2.12"}, "no released one", "released runtime"),
        ({"node_type": "m6gd.large"}, "m6gd.large is no x86 node type", "x86 node types"),
        ({"access_mode": "USER_ISOLATION"}, "USER_ISOLATION", "access mode to dedicated"),
    ],
)
def test_a_cluster_that_takes_no_image_is_refused_with_the_rule(changes: dict[str, str], reason: str, remedy: str):
    with pytest.raises(DeploymentRefused, match=r"rule L25") as refused:
        rendered(cluster=dataclasses.replace(PLAIN, **changes))
    assert reason in refused.value.message
    assert remedy in refused.value.remedy
    assert refused.value.exit_code == 2


HOSTILE = ['x"', "x\ny", "x${y}", "{{secrets/a/b}}", "x y", "$(x)", "-x", "x'y", "x\\"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("field", ["spark_version", "node_type", "driver_node_type"])
def test_a_hostile_fact_of_the_cluster_is_refused(field: str, value: str):
    with pytest.raises(RenderError):
        rendered(cluster=dataclasses.replace(PLAIN, **{field: value}))


@pytest.mark.parametrize("value", ["a`b\n# c", "a\n    databricks secrets delete-scope x", "``` x"])
def test_hostile_free_text_adds_no_line_to_what_a_person_reads(value: str):
    hostile = dataclasses.replace(
        RICH,
        cluster_name=value,
        init_scripts=(value,),
        libraries=(ClusterLibrary(kind=value, specification=value, status="INSTALLED"),),
    )
    assert rendered(cluster=hostile)["README.md"].count(b"\n") == rendered()["README.md"].count(b"\n")


def test_a_clusters_name_reaches_no_file_that_a_machine_reads():
    files = rendered(cluster=dataclasses.replace(RICH, cluster_name="canary-name"))
    assert [name for name, content in files.items() if b"canary-name" in content] == ["README.md"]


@pytest.mark.parametrize("value", [*HOSTILE, "}}", "a/b", "", "x" * 129])
@pytest.mark.parametrize("field", ["scope", "username_key", "password_key"])
def test_a_secret_has_a_plain_name(field: str, value: str):
    with pytest.raises(RenderError, match="cannot be the name of a secret"):
        PullSecret(**{"scope": "s", "username_key": "u", "password_key": "p", field: value})


@pytest.mark.parametrize(
    ("reference", "digest"),
    [
        ("team.azurecr.io/demo", DIGEST),
        ("demo:1", DIGEST),
        ("team.azurecr.io/demo:1", "sha256:abc"),
        ('team.azurecr.io/"demo:1', DIGEST),
        ("team.azurecr.io/demo:1\n", DIGEST),
        ("user:secret@team.azurecr.io/demo:1", DIGEST),
    ],
)
def test_what_no_push_gives_back_is_no_image(reference: str, digest: str):
    with pytest.raises(RenderError, match="not an image that was pushed"):
        image_url(reference, digest)


def test_the_same_values_give_the_same_bytes():
    assert rendered() == rendered()
