"""A cloned project with one of everything in it, and all that commands do with it without a network or an engine."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console, RenderableType

from dbmirror.build.image import Built, read_built
from dbmirror.cli import mirror_tables, verification_tables
from dbmirror.cli.json_documents import lock_document, report_document
from dbmirror.cli.snapshot_table import snapshot_table
from dbmirror.config import load_config
from dbmirror.errors import DbmirrorError
from dbmirror.files import canonical_json, digest_of
from dbmirror.filters.flavour import Flavour, choose_flavour
from dbmirror.inventory.compare import compare
from dbmirror.inventory.layers import Layer
from dbmirror.inventory.model import DebianPackage, DirectUrl, Interpreter, Jar, Problem
from dbmirror.lock.accounting import unreadable
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.model import (
    AptPackage,
    CapturedWheel,
    GitSource,
    ImageLayer,
    IndexFile,
    Lock,
    LockedPackage,
    Source,
    UrlFile,
)
from dbmirror.lock.python.pylock import encode_fates, encode_pylock
from dbmirror.lock.r.model import (
    CapturedRPackage,
    CranFile,
    LockedRPackage,
    RAptPackage,
    RGitSource,
    RLock,
    RSource,
)
from dbmirror.lock.r.renv import encode_r_fates, encode_renv
from dbmirror.pipeline.compared_places import cluster_changes
from dbmirror.pipeline.mirror import Mirror
from dbmirror.pipeline.mirror_filters import (
    explain_python,
    explain_r,
    find_runtime,
    flavour_of,
    select_python,
    select_r,
)
from dbmirror.pipeline.stages import render_files
from dbmirror.publish.sbom.cyclonedx import render_sbom
from dbmirror.render.deployment import PullSecret, render_deployment
from dbmirror.render.image_settings import ImageSettings, RAptRepository
from dbmirror.snapshot import Cluster, ClusterLibrary, Snapshot
from dbmirror.verify.model import Comparison, Finding, ImportAttempt, Outcome, Report, RFailure, RPackageCheck, Severity
from dbmirror.verify.report import encode_report, read_report
from tests.builders import (
    a_base,
    a_distribution,
    a_fate,
    a_lock,
    a_snapshot,
    an_r_fate,
    an_r_package,
)
from tests.supported import debian_lock, supported

Step = Callable[[Mirror], None]
COMMIT = "c" * 40
CONFIGURATION: dict[str, Any] = {
    "folder": "mirrors",
    "mirrors": {
        "demo": {
            "profile": "PROD",
            "cluster": "1120-1",
            "base": "ubuntu:22.04",
            "filter": "blacklist",
            "image": "team/demo",
            "capture": True,
            "flavour": "python-r",
            "ssh": {"host": "driver", "port": 2200, "user": "ubuntu"},
            "lab": {"forwards": [4040], "networks": ["bridge"], "spark_remote": "sc://tunnel:15002"},
            "waive": [{"rule": "L02", "reason": "Debian stands in for Ubuntu."}],
        },
        "other": {"filter": "whitelist"},
    },
    "filters": {
        "whitelist": [{"name": "acme-*", "reason": "ours", "verdict": "keep"}],
        "blacklist": [{"name": "numpy", "reason": "not wanted"}],
        "r_blacklist": [{"name": "arrow", "reason": "not wanted"}],
    },
    "index": {"url": "https://index.example/simple", "extra_urls": ["https://second.example/simple"]},
    "r": {
        "repositories": ["https://cran.example"],
        "snapshot_url": "https://cran.example/{date}",
        "snapshot_date": date(2024, 5, 1),
        "binary_repositories": {"ubuntu-22.04": "https://binary.example/{date}"},
        "apt_repository": "https://cran.example/bin/linux/ubuntu jammy-cran40/",
        "apt_key": "cran.asc",
    },
    "registries": {
        "acr": {"kind": "acr", "host": "team.azurecr.io"},
        "hub": {"kind": "dockerhub", "repository": "team/demo"},
        "own": {"kind": "oci", "host": "registry.example", "repository": "team/{mirror}"},
    },
}
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQINBGB=\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _index(filename: str) -> IndexFile:
    url = f"https://files.example/{filename}"
    return IndexFile(filename=filename, url=url, sha256="a" * 64, size=1000, index="https://index.example/simple")


SOURCES: dict[str, tuple[str, Source, ImageLayer]] = {
    "acme-pricing": (
        "1.4+db1",
        CapturedWheel(path="wheels/acme_pricing-1.4+db1-py3-none-any.whl", sha256=_sha256(b"wheel")),
        ImageLayer.CLUSTER,
    ),
    "acme-report": (
        "7.1",
        UrlFile(filename="report.zip", url="https://files.example/report.zip", sha256="b" * 64, subdirectory="lib"),
        ImageLayer.NOTEBOOK,
    ),
    "acme-tools": (
        "0.3",
        GitSource(
            url="https://git.example/acme/tools.git",
            commit=COMMIT,
            path=f"sources/acme-tools-{COMMIT}.tar.gz",
            sha256=_sha256(b"source"),
            subdirectory="python/tools",
        ),
        ImageLayer.NOTEBOOK,
    ),
    "dbus-python": ("1.2.18", AptPackage(package="python3-dbus", version="1.2.18-3build1"), ImageLayer.SYSTEM),
    "numpy": ("1.23.5", _index("numpy-1.23.5-cp311-cp311-manylinux_2_17_x86_64.whl"), ImageLayer.RUNTIME),
    "psycopg2": ("2.9.3", _index("psycopg2-2.9.3.tar.gz"), ImageLayer.RUNTIME),
}
LAYERS = {
    ImageLayer.SYSTEM: Layer.APT,
    ImageLayer.RUNTIME: Layer.RUNTIME,
    ImageLayer.CLUSTER: Layer.CLUSTER,
    ImageLayer.NOTEBOOK: Layer.NOTEBOOK,
}
R_SOURCES: dict[str, tuple[str, RSource]] = {
    "acme": (
        "2.0.1",
        CapturedRPackage(path="r-sources/acme_2.0.1_R_x86_64-pc-linux-gnu.tar.gz", sha256=_sha256(b"r package")),
    ),
    "curl": (
        "5.0.0",
        CranFile(
            filename="curl_5.0.0.tar.gz",
            url="https://cran.example/src/contrib/curl_5.0.0.tar.gz",
            repository="https://cran.example",
            sha256="d" * 64,
        ),
    ),
    "R6": ("2.5.1", RAptPackage(package="r-cran-r6", version="2.5.1-1")),
    "tool": (
        "0.1",
        RGitSource(
            url="https://git.example/tool", commit=COMMIT, path="r-sources/tool.tar.gz", sha256=_sha256(b"r git")
        ),
    ),
}
ARCHIVES = {
    "wheels/acme_pricing-1.4+db1-py3-none-any.whl": b"wheel",
    f"sources/acme-tools-{COMMIT}.tar.gz": b"source",
    "r-sources/acme_2.0.1_R_x86_64-pc-linux-gnu.tar.gz": b"r package",
    "r-sources/tool.tar.gz": b"r git",
}


def snapshot_value() -> Snapshot:
    """A cluster with a package of each kind, in both languages."""
    distributions = [
        a_distribution(
            name,
            version,
            LAYERS[layer],
            installer="pip",
            requires=("six>=1; python_version > '3'",),
            requires_python=">=3.8",
            wheel_tags=("cp311-cp311-manylinux_2_17_x86_64",),
            capturable=True,
            apt_package="python3-dbus" if isinstance(source, AptPackage) else None,
            direct_url=DirectUrl(url=source.url, sha256="b" * 64, subdirectory="lib")
            if isinstance(source, UrlFile)
            else DirectUrl(url=source.url, vcs="git", commit=COMMIT, requested_revision="main")
            if isinstance(source, GitSource)
            else None,
        )
        for name, (version, source, layer) in SOURCES.items()
    ]
    distributions += [a_distribution("pyspark", "3.5.0"), a_distribution("six", "1.16.0", Layer.APT)]
    packages = [
        an_r_package(
            name,
            version,
            repository="CRAN",
            depends=("R6",) if name != "R6" else (),
            system_requirements="libcurl: libcurl4-openssl-dev (deb)",
            needs_compilation=True,
            built_under="4.3.2",
            apt_package="r-cran-r6" if name == "R6" else None,
            remote=(("RemoteSha", COMMIT), ("RemoteType", "git"), ("RemoteUrl", "https://git.example/tool"))
            if name == "tool"
            else (),
        )
        for name, (version, _) in R_SOURCES.items()
    ]
    return a_snapshot(
        *distributions,
        cluster=Cluster(
            cluster_id="1120-1",
            cluster_name="demo",
            spark_version="15.4.x-scala2.12",
            node_type="Standard_DS3_v2",
            driver_node_type="Standard_DS3_v2",
            access_mode="SINGLE_USER",
            runtime_engine="STANDARD",
            init_scripts=("/Volumes/main/init.sh",),
            libraries=(
                ClusterLibrary(kind="pypi", specification="acme-pricing==1.4", status="INSTALLED"),
                ClusterLibrary(kind="maven", specification="org.jsoup:jsoup:1.7.2", status="FAILED", messages=("no",)),
                ClusterLibrary(kind="cran", specification="curl", status="INSTALLED"),
            ),
        ),
        interpreters=(Interpreter(path="/usr/bin/python3", version="3.10.12"),),
        r_version="4.3.2",
        r_packages=tuple(sorted(packages, key=lambda each: each.name)),
        debian_packages=(DebianPackage(name="curl", version="7.81.0-1"),),
        jars=(Jar(path="/databricks/jars/x.jar", group="org.x", artifact="x", version="1"),),
        java_version="1.8.0_412",
        runtime_version="15.4",
        spark_version="3.5.0",
        scala_version="2.12",
        environment_variables=("LANG", "PATH"),
        environment_values=(("LANG", "C.UTF-8"),),
        problems=(Problem(path="/databricks/x.dist-info", reason="it is a link", name="x", layer=Layer.RUNTIME),),
    )


def locks(snapshot: Snapshot) -> tuple[Lock, RLock]:
    """Both halves of a lock of that snapshot."""
    packages = tuple(
        LockedPackage(name=name, version=version, layer=layer, source=source, requires=("six>=1",))
        for name, (version, source, layer) in SOURCES.items()
    )
    fates: list[Fate] = [unreadable(problem) for problem in snapshot.inventory.problems]
    for found in snapshot.inventory.distributions:
        kind = FateKind.MIRRORED if found.name in SOURCES else FateKind.EXCLUDED
        fates.append(a_fate(found.name, found.version, kind, layer=found.layer, location=found.location))
    lock = supported(
        a_lock(
            *packages,
            snapshot=snapshot.digest,
            base=a_base(image_id="sha256:" + "e" * 64),
            fates=tuple(sorted(fates, key=lambda fate: (fate.name, fate.layer))),
            indexes=("https://index.example/simple",),
        )
    )
    r_packages = tuple(
        LockedRPackage(
            name=name,
            version=version,
            source=source,
            depends=("R6",) if name != "R6" else (),
            needs_compilation=True,
            system_requirements="libcurl: libcurl4-openssl-dev (deb)",
        )
        for name, (version, source) in sorted(R_SOURCES.items())
    )
    r_lock = RLock(
        snapshot=snapshot.digest,
        r_version="4.3.2",
        repositories=("https://cran.example",),
        packages=r_packages,
        fates=tuple(an_r_fate(p.name, p.version, library=p.library) for p in snapshot.inventory.r_packages),
        base="sha256:" + "e" * 64,
    )
    return lock, r_lock


def report_value(snapshot: Snapshot) -> Report:
    """A report with a row of each kind."""
    return Report(
        image_id="sha256:" + "1" * 64,
        snapshot=snapshot.digest,
        lock="sha256:" + "2" * 64,
        comparisons=(Comparison(name="numpy", expected="1.23.5", found="1.23.5"),),
        imports=(ImportAttempt(distribution="numpy", module="numpy", error=None, expected=None),),
        findings=(
            Finding(
                rule="L02", title="System", severity=Severity.ERROR, outcome=Outcome.WAIVED, message="m", waiver="w"
            ),
            Finding(rule="L07", title="T", severity=Severity.WARNING, outcome=Outcome.FAILED, message="m"),
        ),
        extra=(("wheel", "0.38.4"),),
        r_packages=(RPackageCheck(name="curl", expected="5.0.0", found=None, error="e"),),
        r_failed=(RFailure(name="acme", version="1", reason="compiler"),),
        verifier="dbmirror 0.1, rules 000000000000",
    )


def documents() -> dict[str, bytes]:
    """Every file of the mirror's folder by its name, all valid and of one another."""
    snapshot = snapshot_value()
    lock, r_lock = locks(snapshot)
    repository = ImageSettings(r_repository=RAptRepository(location="https://cran.example/bin/linux/ubuntu jammy/"))
    debian = debian_lock(lock, r_lock=r_lock, flavour=Flavour.PYTHON_R, settings=repository)
    built = Built(
        image_id="sha256:" + "1" * 64, tags=("team/demo:15.4-x-y",), snapshot=snapshot.digest, lock="sha256:" + "2" * 64
    )
    return {
        "snapshot.json": snapshot.encode(),
        "pylock.toml": encode_pylock(lock),
        "debian-lock.json": canonical_json(debian),
        "fates.json": encode_fates(lock),
        "renv.lock": encode_renv(r_lock),
        "r-fates.json": encode_r_fates(r_lock),
        "verification.json": encode_report(report_value(snapshot)),
        "build.json": canonical_json(built),
        **ARCHIVES,
    }


def signed(document: Any) -> dict[str, bytes]:
    """A changed snapshot with the digest of what is in it, and a lock that names it: what a careful forger writes."""
    content = json.dumps(document).encode()
    with suppress(msgspec.DecodeError, UnicodeEncodeError, RecursionError, LookupError, TypeError, AttributeError):
        parts = {
            "schema": document.get("schema"),
            "cluster": msgspec.convert(document["cluster"], Cluster),
            "inventory": msgspec.convert(document["inventory"], type(snapshot_value().inventory)),
        }
        digest = digest_of(parts)
        old = snapshot_value().digest.encode()
        locked = {name: FILES[name].replace(old, digest.encode()) for name in LOCK_FILES}
        return {"snapshot.json": json.dumps({**document, "digest": digest}).encode(), **locked}
    return {"snapshot.json": content}


def write(root: Path, files: dict[str, bytes]) -> Path:
    """The project with these files in the folder of its mirror `demo`; that folder."""
    folder = root / "mirrors" / "demo"
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (path.is_file() and path.read_bytes() == content):
            path.write_bytes(content)
    return folder


def printed(renderable: RenderableType) -> str:
    """What a terminal gets to see."""
    stream = io.StringIO()
    Console(file=stream, width=120, force_terminal=False).print(renderable, markup=False)
    return stream.getvalue()


def exercise(root: Path, steps: Sequence[Step] | None = None) -> list[str]:
    """Everything that commands do with the files of the project, each by itself; the messages of the errors.

    Raises what is no DbmirrorError: a traceback.
    """
    messages = []
    try:
        loaded = load_config(root / "dbmirror.toml")
        mirror = Mirror("demo", loaded)
        _ = mirror.folder, mirror.section, mirror.lab, mirror.indexes
    except DbmirrorError as error:
        return [str(error)]
    for step in STEPS if steps is None else steps:
        try:
            step(mirror)
        except DbmirrorError as error:
            messages.append(str(error))
    return messages


def _snapshot(mirror: Mirror) -> None:
    printed(snapshot_table(mirror.snapshot()))


def _read_snapshot(mirror: Mirror) -> None:
    mirror.snapshot()


def _read_lock(mirror: Mirror) -> None:
    mirror.lock()


def _select(mirror: Mirror) -> None:
    snapshot = mirror.snapshot()
    find_runtime(mirror, snapshot)
    choose_flavour(snapshot)
    for name in ("numpy", "curl", "a\nb"):
        for explain, language in ((explain_python, "Python"), (explain_r, "R")):
            with suppress(DbmirrorError):
                printed(mirror_tables.explanation(explain(mirror, snapshot, name), (), language=language))
    select_python(mirror, snapshot)
    select_r(mirror, snapshot)


def _compare(mirror: Mirror) -> None:
    one, other = mirror.snapshot(), snapshot_value()
    differences = compare(one.inventory, other.inventory)
    printed(
        mirror_tables.differences(
            differences, "a", "b", shown="all", sections=("python", "r", "debian", "jars", "facts")
        )
    )
    cluster_changes(one.cluster, other.cluster)


def _deploy(mirror: Mirror) -> None:
    render_deployment(
        mirror.snapshot().cluster,
        mirror="demo",
        reference="registry.example/team/demo:1",
        digest="sha256:" + "1" * 64,
        pull_secret=PullSecret.for_registry("own"),
    )


def _show(mirror: Mirror) -> None:
    lock = mirror.lock()
    printed(mirror_tables.fates(lock, "all"))
    canonical_json(lock_document(lock))
    mirror.tag(lock)
    flavour_of(mirror, mirror.snapshot())


def render(mirror: Mirror) -> None:
    render_files(mirror, mirror.lock())


def _sbom(mirror: Mirror) -> None:
    render_sbom(mirror.lock(), mirror.snapshot(), mirror="demo")


def _report(mirror: Mirror) -> None:
    report = read_report(mirror.folder / "verification.json")
    printed(verification_tables.verification(report, mirror="demo"))
    canonical_json(report_document(report))
    mirror.report()


def read_record(mirror: Mirror) -> None:
    built = read_built(mirror.folder / "build.json")
    replace(built, tags=built.tags[:1])


def _rehearse(mirror: Mirror) -> None:
    with Mirror("demo", mirror.loaded, dry_run=True) as rehearsed:
        _ = rehearsed.folder


STEPS: tuple[Step, ...] = (
    _snapshot,
    _select,
    _compare,
    _deploy,
    _show,
    render,
    _sbom,
    _report,
    read_record,
    _rehearse,
)
ON_FILES = (_read_snapshot, _read_lock, _report)
ON_RECORDS = (_report, read_record)
ON_LOCKS = (_show, render, _sbom)
ON_CONFIGURATION = (_select, _show, render)
FILES = documents()
LOCK_FILES = ("pylock.toml", "debian-lock.json", "fates.json", "renv.lock", "r-fates.json")
