"""An image that holds every rule, as evidence to change one thing of at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from dbmirror.engine.images import ImageFacts
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import Distribution, Inventory
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.model import BaseImage, BaseKind, Lock, LockedPackage
from dbmirror.runtimes.lookup import lookup
from dbmirror.snapshot import Cluster, Snapshot, Taken
from dbmirror.verify.evidence import Evidence
from dbmirror.verify.model import Finding
from dbmirror.verify.rules.contract import judge
from dbmirror.verify.rules.python import smoke_modules
from dbmirror.verify.system_facts import Answer, SystemFacts
from tests.builders import a_distribution, a_fate, a_lock, a_locked_package, an_inventory

RUNTIME = lookup("15.4")
SITE_PACKAGES = "/databricks/python3/lib/python3.11/site-packages"


def distribution(name: str, version: str, layer: Layer = Layer.RUNTIME, **more: Any) -> Distribution:
    return a_distribution(name, version, layer, location=SITE_PACKAGES, **more)


def inventory(*distributions: Distribution) -> Inventory:
    return an_inventory(*sorted(distributions, key=lambda found: (found.name, found.layer)))


def snapshot(*distributions: Distribution, **cluster: Any) -> Snapshot:
    facts: dict[str, Any] = {
        "cluster_id": "0000-000000-abc",
        "cluster_name": "demo",
        "spark_version": "15.4.x-scala2.12",
        "node_type": "Standard_DS3_v2",
        "access_mode": "SINGLE_USER",
    }
    taken = Taken(at="2026-01-01T00:00:00Z", host="driver", dbmirror="0")
    return Snapshot(cluster=Cluster(**(facts | cluster)), inventory=inventory(*distributions), taken=taken)


def package(name: str, version: str, **more: Any) -> LockedPackage:
    return a_locked_package(name, version, **more)


def fate(name: str, version: str = "1.0", kind: FateKind = FateKind.MIRRORED, reason: str = "from the index") -> Fate:
    return a_fate(name, version, kind, reason=reason)


def lock(*packages: LockedPackage, fates: tuple[Fate, ...] = (), **base: Any) -> Lock:
    named: dict[str, Any] = {
        "reference": f"databricksruntime/python:15.4-LTS@sha256:{'0' * 64}",
        "kind": BaseKind.OFFICIAL,
    }
    return a_lock(*packages, base=BaseImage(**(named | base)), fates=fates)


CORE = tuple(distribution(name, version) for name, version in sorted(RUNTIME.repl.items()))

GOOD_ANSWERS: Mapping[str, Answer] = {
    "os-release": Answer(0, 'NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="22.04"'),
    **{
        f"command:{name}": Answer(0, f"/usr/bin/{name}")
        for name in ("bash", "ip", "ps", "sudo", "su", "stat", "nohup", "setfacl", "virtualenv", "java")
    },
    "java": Answer(0, 'openjdk version "1.8.0_412"\nOpenJDK Runtime Environment'),
    "user:libraries": Answer(0, "libraries:x:1000:1000::/home/libraries:/bin/sh"),
    "password:libraries": Answer(0, "libraries L 2026-01-01 0 99999 7 -1"),
    "virtualenv:root": Answer(0, "virtualenv 20.24.2 from /usr/local/lib/python3.11/dist-packages/virtualenv"),
    "virtualenv:libraries": Answer(0, "virtualenv 20.24.2 from /usr/local/lib"),
    "virtualenv:periodic-update": Answer(0, "False"),
    "python": Answer(0, "Python 3.11.11"),
    "pyspark-python": Answer(0),
    "python-lsp": Answer(0, "1.10.0"),
    "pip-check": Answer(0, "No broken requirements found."),
    "spark-home": Answer(2, "ls: cannot access"),
    "jars": Answer(2, "ls: cannot access"),
    "spark-jars": Answer(0, ""),
}

GOOD_IMAGE = ImageFacts(
    image_id="sha256:" + "1" * 64,
    repo_digests=(),
    os="linux",
    architecture="amd64",
    environment={"PYSPARK_PYTHON": "/databricks/python3/bin/python3", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"},
    labels={},
    user="root",
    command=("/bin/bash",),
    entrypoint=(),
    healthcheck=(),
    size=1_570_000_000,
    layers=(),
)


@pytest.fixture
def good() -> Evidence:
    """An image on the official base that holds every rule that applies to it."""
    return Evidence(
        image=GOOD_IMAGE,
        history=("/bin/sh -c #(nop) ADD file:0 in /", "RUN /bin/sh -c apt-get update # buildkit"),
        system=SystemFacts(answers=GOOD_ANSWERS),
        smoke=dict.fromkeys(smoke_modules(RUNTIME)),
        inventory=inventory(*CORE),
        lock=lock(*(package(d.name, d.version) for d in CORE)),
        snapshot=snapshot(*CORE),
        runtime=RUNTIME,
    )


Judge = Callable[[str, Evidence], Finding]


@pytest.fixture
def judged() -> Judge:
    """The finding of one rule by its number."""

    def of(number: str, evidence: Evidence) -> Finding:
        return next(finding for finding in judge(evidence) if finding.rule == number)

    return of


def answering(evidence: Evidence, **answers: Answer) -> Evidence:
    """`evidence` with other answers; a double underscore in a name stands for a colon, a single one for a dash."""
    changed = {name.replace("__", ":").replace("_", "-"): answer for name, answer in answers.items()}
    return replace(evidence, system=replace(evidence.system, answers={**evidence.system.answers, **changed}))


def imaged(evidence: Evidence, **image: Any) -> Evidence:
    """`evidence` of an image with other facts."""
    return replace(evidence, image=replace(evidence.image, **image))
