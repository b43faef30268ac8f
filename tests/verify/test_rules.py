"""Each rule of the contract holds for a good image and fails for the one fault that it is about."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from dbmirror.config import Waiver
from dbmirror.inventory.layers import Layer
from dbmirror.lock.fates import FateKind
from dbmirror.lock.model import AptPackage, BaseKind
from dbmirror.runtimes.lookup import lookup
from dbmirror.verify.evidence import Evidence
from dbmirror.verify.model import Outcome, Severity
from dbmirror.verify.rules.contract import RULES, judge
from dbmirror.verify.system_facts import NO_ANSWER, Answer, Secret
from tests.verify import conftest as given
from tests.verify.conftest import Judge, answering, distribution, fate, imaged

Change = Callable[[Evidence], Evidence]


def secrets(*found: Secret) -> Change:
    return lambda e: replace(e, system=replace(e.system, secrets=found))


def history(step: str) -> Change:
    return lambda e: replace(e, history=(*e.history, step))


def environment(**values: str) -> Change:
    return lambda e: imaged(e, environment={**e.image.environment, **values})


def without(name: str) -> Change:
    return lambda e: imaged(e, environment={k: v for k, v in e.image.environment.items() if k != name})


def on(**cluster: object) -> Change:
    return lambda e: replace(e, snapshot=given.snapshot(*given.CORE, **cluster))


def based(reference: str, kind: BaseKind = BaseKind.OFFICIAL, image_id: str = "") -> Change:
    return lambda e: replace(e, lock=given.lock(reference=reference, kind=kind, image_id=image_id))


def image_has(*distributions: object) -> Change:
    names = {d.name for d in distributions}  # type: ignore[attr-defined]
    rest = [d for d in given.CORE if d.name not in names]
    return lambda e: replace(e, inventory=given.inventory(*rest, *distributions))


def for_runtime(version: str) -> Change:
    return lambda e: replace(e, runtime=lookup(version))


def then(*changes: Change) -> Change:
    def all_of(evidence: Evidence) -> Evidence:
        for change in changes:
            evidence = change(evidence)
        return evidence

    return all_of


NO_RULE_BROKEN = {"L16", "L17", "L26", "L27"}
FAULTS: list[tuple[str, str, Change, str]] = [
    ("L01", "another architecture", lambda e: imaged(e, architecture="arm64"), "linux/arm64"),
    ("L02", "another system", lambda e: answering(e, os_release=Answer(0, 'ID=debian\nVERSION_ID="12"')), "debian 12"),
    ("L02", "another release", lambda e: answering(e, os_release=Answer(0, "ID=ubuntu\nVERSION_ID=24.04")), "24.04"),
    ("L03", "no Java", lambda e: answering(e, java=NO_ANSWER), "no Java on the PATH"),
    (
        "L03",
        "a newer Java",
        lambda e: answering(e, java=Answer(0, 'openjdk version "17.0.9"')),
        "Java on the PATH is 17",
    ),
    ("L03", "a Java that says nothing", lambda e: answering(e, java=Answer(0, "hello")), "names no version"),
    ("L04", "no setfacl", lambda e: answering(e, command__setfacl=NO_ANSWER), "lacks setfacl"),
    ("L05", "a USER", lambda e: imaged(e, user="nobody"), "USER is 'nobody'"),
    ("L06", "no Python", lambda e: answering(e, python=Answer(127, "not found")), "does not run: not found"),
    ("L06", "another minor", lambda e: answering(e, python=Answer(0, "Python 3.10.12")), "runtime 15.4 has 3.11"),
    ("L06", "a pre-release", lambda e: answering(e, python=Answer(0, "Python 3.11.0rc1")), "a pre-release"),
    ("L07", "no virtualenv", lambda e: answering(e, virtualenv__root=NO_ANSWER), "driverNfs"),
    ("L07", "no virtualenv for libraries", lambda e: answering(e, virtualenv__libraries=Answer(1, "denied")), "denied"),
    (
        "L07",
        "another virtualenv",
        lambda e: answering(e, virtualenv__root=Answer(0, "virtualenv 20.0.1 from")),
        "20.0.1",
    ),
    ("L08", "no user libraries", lambda e: answering(e, user__libraries=Answer(1)), "no user 'libraries'"),
    (
        "L08",
        "libraries cannot log in",
        lambda e: answering(e, user__libraries=Answer(0, "libraries:x:1:1::/:/usr/sbin/nologin")),
        "nologin",
    ),
    (
        "L08",
        "libraries with a password",
        lambda e: answering(e, password__libraries=Answer(0, "libraries P 2026-01-01 0")),
        "not locked",
    ),
    ("L09", "PYSPARK_PYTHON missing", without("PYSPARK_PYTHON"), "not set"),
    ("L09", "PYSPARK_PYTHON elsewhere", environment(PYSPARK_PYTHON="/usr/bin/python3"), "/usr/bin/python3"),
    ("L09", "PYSPARK_PYTHON dangling", lambda e: answering(e, pyspark_python=Answer(1)), "not there"),
    (
        "L10",
        "a REPL module that does not import",
        lambda e: replace(e, smoke={**e.smoke, "grpc": "ImportError: libstdc++.so.6"}),
        "libstdc++.so.6",
    ),
    (
        "L11",
        "a REPL package at another version",
        image_has(distribution("numpy", "2.0.0")),
        "numpy 2.0.0 instead of 1.23.5",
    ),
    ("L12", "pyspark", image_has(distribution("pyspark", "3.5.0")), "pyspark 3.5.0"),
    ("L13", "no language server", lambda e: answering(e, python_lsp=Answer(1, "No module named 'pylsp'")), "pylsp"),
    ("L14", "conda", lambda e: answering(e, command__conda=Answer(0, "/opt/conda/bin/conda")), "conda"),
    ("L14", "conda's variable", environment(DATABRICKS_ROOT_CONDA_ENV="x"), "DATABRICKS_ROOT_CONDA_ENV"),
    (
        "L15",
        "a CMD that does something",
        lambda e: imaged(e, command=("jupyter", "lab")),
        "CMD of the image is ignored",
    ),
    ("L15", "an ENTRYPOINT", lambda e: imaged(e, entrypoint=("/start",)), "ENTRYPOINT"),
    ("L15", "a HEALTHCHECK", lambda e: imaged(e, healthcheck=("CMD", "x")), "HEALTHCHECK"),
    ("L16", "sshd without ubuntu", lambda e: answering(e, command__sshd=Answer(0)), "no user 'ubuntu'"),
    (
        "L16",
        "ubuntu without sudo",
        lambda e: answering(
            e,
            command__sshd=Answer(0),
            user__ubuntu=Answer(0, "u:x:1:1::/:/bin/bash"),
            groups__ubuntu=Answer(0, "ubuntu"),
        ),
        "sudo",
    ),
    ("L17", "an R that no lock covers", lambda e: answering(e, command__R=Answer(0)), "R notebooks"),
    ("L18", "no locale", without("LC_ALL"), "LC_ALL=C.UTF-8"),
    ("L18", "fuse without USER", lambda e: answering(e, command__fusermount=Answer(0)), "USER=root"),
    ("L19", "PYTHONPATH", environment(PYTHONPATH="/x"), "PYTHONPATH"),
    ("L19", "a variable of the platform", environment(DB_HOME="/databricks"), "DB_HOME"),
    ("L20", "Spark", lambda e: answering(e, spark_home=Answer(0, "/databricks/spark")), "/databricks/spark"),
    ("L20", "Spark in a jar", lambda e: answering(e, spark_jars=Answer(0, "/databricks/jars/fat.jar")), "fat.jar"),
    ("L20", "a jar for another Scala", lambda e: answering(e, jars=Answer(0, "x_2.13-1.0.jar")), "x_2.13-1.0.jar"),
    ("L21", "a large image", lambda e: imaged(e, size=12_000_000_000), "4.8 GB compressed (estimated"),
    ("L21", "a huge image", lambda e: imaged(e, size=20_000_000_000), "8.0 GB"),
    ("L22", "another runtime's base", based("databricksruntime/python:14.3-LTS"), "15.4-LTS"),
    ("L22", "latest", based("ubuntu:latest", BaseKind.BARE, "sha256:" + "0" * 64), "moves"),
    ("L22", "no tag", based("registry.example:5000/ubuntu", BaseKind.BARE), "moves"),
    ("L22", "a tag without a digest", based("databricksruntime/python:15.4-LTS"), "tags move"),
    (
        "L23",
        "Debian's own from the index",
        lambda e: replace(
            e,
            snapshot=given.snapshot(*given.CORE, distribution("pygobject", "3.42.1", Layer.APT)),
            lock=given.lock(given.package("pygobject", "3.42.1")),
        ),
        "pygobject",
    ),
    ("L24", "a rolling PPA", history("RUN add-apt-repository ppa:deadsnakes/ppa"), "deadsnakes"),
    ("L25", "a machine learning runtime", on(spark_version="15.4.x-cpu-ml-scala2.12"), "INVALID_SPARK_IMAGE"),
    ("L25", "Graviton", on(node_type="m6gd.xlarge"), "arm64"),
    ("L25", "an arm64 runtime", on(spark_version="15.4.x-aarch64-scala2.12"), "arm64"),
    ("L25", "shared access", on(access_mode="USER_ISOLATION"), "dedicated access"),
    ("L25", "another runtime", on(spark_version="14.3.x-scala2.12"), "the cluster runs 14.3"),
    ("L25", "no known spark_version", on(spark_version="???"), "no spark_version"),
    ("L28", "a token in a variable", environment(DATABRICKS_TOKEN="x"), "the variable DATABRICKS_TOKEN"),
    ("L28", "a password in a URL", environment(INDEX="https://me:pw@index.example/"), "the variable INDEX"),
    ("L28", "a secret in a label", lambda e: imaged(e, labels={"a": "dapi" + "0" * 32}), "the label a"),
    ("L28", "a secret in the history", history("RUN |1 API_TOKEN=hunter2 /bin/sh -c x"), "step 3 of the history"),
    (
        "L28",
        "a key in a file",
        secrets(Secret(kind="private key", path="/root/.ssh/id")),
        "/root/.ssh/id (private key)",
    ),
    ("L29", "an old Pillow", image_has(distribution("pillow", "9.4.0")), "CVE-2023-50447"),
]


@pytest.mark.parametrize("number", [rule.number for rule in RULES])
def test_a_good_image_breaks_no_rule(number: str, good: Evidence, judged: Judge) -> None:
    finding = judged(number, good)
    expected = Outcome.NOT_APPLICABLE if number in NO_RULE_BROKEN else Outcome.PASSED
    assert finding.outcome is expected, finding.message
    assert finding.message.endswith(".")


@pytest.mark.parametrize(("number", "fault", "change", "words"), FAULTS, ids=[f"{f[0]}-{f[1]}" for f in FAULTS])
def test_a_fault_fails_its_rule_and_is_named(
    number: str, fault: str, change: Change, words: str, good: Evidence, judged: Judge
) -> None:
    finding = judged(number, change(good))
    assert finding.outcome is Outcome.FAILED, fault
    assert words in finding.message
    assert "  " not in finding.message


@pytest.mark.parametrize(("number", "fault", "change", "words"), FAULTS, ids=[f"{f[0]}-{f[1]}" for f in FAULTS])
def test_a_waiver_turns_a_failure_into_an_open_exception(
    number: str, fault: str, change: Change, words: str, good: Evidence
) -> None:
    findings = judge(change(good), [Waiver(rule=number, reason="because of the test")])
    finding = next(finding for finding in findings if finding.rule == number)
    assert (finding.outcome, finding.waiver) == (Outcome.WAIVED, "because of the test")
    assert words in finding.message


def test_every_rule_of_the_contract_has_a_fault_among_these_or_never_fails() -> None:
    assert {rule.number for rule in RULES} - {fault[0] for fault in FAULTS} == {"L26", "L27"}


def test_all_29_rules_stand_in_every_report_in_their_order(good: Evidence) -> None:
    broken = replace(good, system=replace(good.system, answers={}), smoke={}, inventory=given.inventory())
    for evidence in (good, broken):
        assert [finding.rule for finding in judge(evidence)] == [f"L{number:02}" for number in range(1, 30)]


def test_a_waiver_of_a_rule_that_holds_is_said_to_be_unnecessary(good: Evidence) -> None:
    finding = judge(good, [Waiver(rule="L02", reason="Debian stand-in")])[1]
    assert (finding.outcome, finding.waiver) == (Outcome.PASSED, None)
    assert "Its waiver is not needed (Debian stand-in)." in finding.message


WARNINGS = [
    ("L06", lambda e: answering(e, python=Answer(0, "Python 3.11.2"))),
    ("L07", lambda e: answering(e, virtualenv__periodic_update=Answer(0, "True"))),
    ("L11", image_has(distribution("grpcio", "1.0"))),
    ("L12", image_has(distribution("py4j", "0.10"))),
    ("L25", on(access_mode=None)),
    ("L28", secrets(Secret(kind="private key", path="/etc/ssh/ssh_host_rsa_key"))),
    ("L28", secrets(Secret(kind="stopped", path="the search took more than 20 s"))),
]


@pytest.mark.parametrize(("number", "change"), WARNINGS)
def test_what_only_might_go_wrong_is_a_warning(number: str, change: Change, good: Evidence, judged: Judge) -> None:
    finding = judged(number, change(good))
    assert (finding.outcome, finding.severity) == (Outcome.FAILED, Severity.WARNING)


def test_a_huge_image_is_an_error_and_a_large_one_a_warning(good: Evidence, judged: Judge) -> None:
    assert judged("L21", imaged(good, size=12_000_000_000)).severity is Severity.WARNING
    assert judged("L21", imaged(good, size=20_000_000_000)).severity is Severity.ERROR


def test_a_cluster_library_over_a_repl_package_is_a_warning_because_the_cluster_runs_so(
    good: Evidence, judged: Judge
) -> None:
    on_cluster = given.snapshot(*given.CORE, distribution("numpy", "1.24.0", Layer.CLUSTER))
    evidence = image_has(distribution("numpy", "1.24.0"))(replace(good, snapshot=on_cluster))
    finding = judged("L11", evidence)
    assert (finding.outcome, finding.severity) == (Outcome.FAILED, Severity.WARNING)
    assert "a library of the cluster" in finding.message


def test_a_repl_module_that_the_cluster_lacks_too_is_a_warning(good: Evidence, judged: Judge) -> None:
    fewer = given.snapshot(*(d for d in given.CORE if d.name != "pyccolo"))
    finding = judged("L10", replace(good, snapshot=fewer, smoke={**good.smoke, "pyccolo": "No module named 'pyccolo'"}))
    assert (finding.outcome, finding.severity) == (Outcome.FAILED, Severity.WARNING)
    assert "The cluster itself has no pyccolo" in finding.message


def test_a_repl_module_that_a_filter_keeps_out_names_the_rule(good: Evidence, judged: Judge) -> None:
    evidence = replace(
        good,
        smoke={**good.smoke, "black": "No module named 'black'"},
        lock=given.lock(fates=(fate("black", kind=FateKind.EXCLUDED, reason="blacklist (black*): not wanted"),)),
    )
    finding = judged("L10", evidence)
    assert finding.severity is Severity.ERROR
    assert "black (blacklist (black*): not wanted)" in finding.message


def test_debians_own_package_from_apt_is_as_it_should_be(good: Evidence, judged: Judge) -> None:
    evidence = replace(
        good,
        snapshot=given.snapshot(*given.CORE, distribution("pygobject", "3.42.1", Layer.APT)),
        lock=given.lock(
            given.package("pygobject", "3.42.1", source=AptPackage(package="python3-gi", version="3.42.1-0ubuntu1"))
        ),
    )
    assert judged("L23", evidence).outcome is Outcome.PASSED


def test_what_pip_check_says_is_reported_and_not_judged(good: Evidence, judged: Judge) -> None:
    finding = judged("L23", answering(good, pip_check=Answer(1, "a 1 requires b, which is not installed.")))
    assert finding.outcome is Outcome.PASSED
    assert "1 unmet requirement" in finding.message


OLDER = [
    ("L07", "9.1"),
    ("L08", "12.2"),
    ("L13", "11.3"),
    ("L18", "14.3"),
]


@pytest.mark.parametrize(("number", "version"), OLDER)
def test_a_rule_of_newer_runtimes_does_not_apply_to_older_ones(
    number: str, version: str, good: Evidence, judged: Judge
) -> None:
    finding = judged(number, for_runtime(version)(good))
    assert finding.outcome is Outcome.NOT_APPLICABLE
    assert version in finding.message


def test_an_older_runtime_needs_no_setfacl_and_a_newer_one_the_fips_override(good: Evidence, judged: Judge) -> None:
    bare = answering(good, command__setfacl=NO_ANSWER)
    assert judged("L04", for_runtime("12.2")(bare)).outcome is Outcome.PASSED
    assert "OPENSSL_FORCE_FIPS_MODE=0" in judged("L18", for_runtime("16.4")(good)).message


def test_the_smoke_imports_grow_with_the_runtime(good: Evidence, judged: Judge) -> None:
    finding = judged("L10", then(for_runtime("17.3"))(good))
    assert finding.outcome is Outcome.FAILED
    assert "distutils" in finding.message


@pytest.mark.parametrize("node", ["m6g.large", "r7gd.16xlarge", "c7gn.medium", "Standard_D4ps_v5", "Standard_E8pds_v6"])
def test_arm_machines_are_known_by_their_names(node: str, good: Evidence, judged: Judge) -> None:
    assert "arm64" in judged("L25", on(driver_node_type=node)(good)).message


@pytest.mark.parametrize(
    "node", ["m5.large", "g5.xlarge", "g4dn.xlarge", "i3.xlarge", "Standard_DS3_v2", "n2-highmem-4"]
)
def test_amd_machines_are_not_mistaken_for_arm(node: str, good: Evidence, judged: Judge) -> None:
    assert judged("L25", on(node_type=node)(good)).outcome is Outcome.PASSED


def test_a_bare_base_that_no_registry_has_is_pinned_by_its_id(good: Evidence, judged: Judge) -> None:
    finding = judged("L22", based("made/here:bookworm", BaseKind.BARE, "sha256:" + "0" * 64)(good))
    assert finding.outcome is Outcome.PASSED
    assert "the lock pins its id" in finding.message


@pytest.mark.parametrize(
    "step",
    [
        "RUN --mount=type=secret,id=netrc,target=/root/.netrc uv pip install x",
        "RUN token=$(cat /run/secrets/token) make",
        "ENV NO_TOKEN_HERE 1",
        "LABEL url=https://index.example:8080/a@b",
    ],
)
def test_a_history_without_secrets_is_not_accused(step: str, good: Evidence, judged: Judge) -> None:
    assert judged("L28", history(step)(good)).outcome is Outcome.PASSED


def test_no_finding_shows_the_secret_itself(good: Evidence) -> None:
    evidence = then(
        environment(DATABRICKS_TOKEN="hunter2"),
        history("RUN API_TOKEN=hunter2 x"),
        lambda e: imaged(e, labels={"PASSWORD": "hunter2"}),
    )(good)
    assert not any(re.search("hunter2", finding.message) for finding in judge(evidence))
