"""R end to end on the real engine: a driver with R, its lock, images for R and for both, each verified."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from dbmirror.build.image import Built
from dbmirror.config import load_config
from dbmirror.engine.failures import BuildFailed
from dbmirror.files import sha256_hex
from dbmirror.filters.flavour import Flavour, choose_flavour
from dbmirror.lock.fates import FateKind
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.lock.r.model import CapturedRPackage, CranFile, LockedRPackage, RAptPackage, RGitSource, RLock
from dbmirror.pipeline import snapshot_stage, stages
from dbmirror.pipeline.mirror import Choices
from dbmirror.pipeline.mirror import Mirror as OpenedMirror
from dbmirror.sandbox.r_repository import source_archive, source_package
from dbmirror.snapshot import Snapshot
from dbmirror.verify.model import Finding, Outcome, Report
from dbmirror.verify.r_facts import with_failures
from tests.builders import an_r_fate
from tests.stack.conftest import Done, User

pytestmark = pytest.mark.stack

KERNEL = """
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3")
reply = client.execute_interactive("import pandas; print(6 * 7)", timeout=60)
assert reply["content"]["status"] == "ok", reply
client.stop_channels()
manager.shutdown_kernel(now=True)
"""


@dataclass(frozen=True)
class Mirror:
    """A mirror that was locked and built."""

    opened: OpenedMirror
    snapshot: Snapshot
    lock: MirrorLock
    built: Built

    @property
    def r_lock(self) -> RLock:
        assert self.lock.r_in_image is not None
        return self.lock.r_in_image

    def changed(self, r_lock: RLock, **choices: bool) -> Mirror:
        """The mirror of another lock, built with other choices."""
        opened = OpenedMirror("demo", self.opened.loaded, choices=Choices(flavour=self.lock.flavour, **choices))
        lock = replace(self.lock, r=r_lock)
        stages.render_files(opened, lock)
        built, _ = stages.build(opened, lock)
        return Mirror(opened, self.snapshot, lock, built)

    def verified(self) -> Report:
        return stages.verify_image(self.opened, self.built, self.lock, self.snapshot, again=True)


@pytest.fixture(scope="module", autouse=True)
def home(r_user: User) -> Iterator[None]:
    """What runs here runs as the user of the sandbox with R."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "DBMIRROR_HOME", "DOCKER_CONFIG"):
            patch.setenv(name, r_user.environment[name])
        for name in ("DATABRICKS_CONFIG_FILE", "DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module")
def both(r_user: User, r_built: Done) -> Mirror:
    """The mirror for Python and R, as the command line built it."""
    assert r_built.document["flavour"] == "python-r"
    opened = OpenedMirror("demo", load_config(start=r_user.folder), choices=Choices(flavour=Flavour.PYTHON_R))
    return Mirror(opened, opened.snapshot(), opened.lock(), opened.built())


@pytest.fixture(scope="module")
def only_r(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """The mirror for R alone."""
    loaded = load_config(start=tmp_path_factory.mktemp("only-r"))
    with OpenedMirror("demo", loaded, choices=Choices(accept_host_key=True, flavour=Flavour.R)) as opened:
        snapshot = snapshot_stage.take_snapshot(opened)
        lock = stages.make_lock(opened, snapshot)
        stages.render_files(opened, lock)
        built, _ = stages.build(opened, lock)
        yield Mirror(opened, snapshot, lock, built)
    subprocess.run(["docker", "rmi", "-f", built.image_id], check=False, capture_output=True)


def finding(report: Report, number: str) -> Finding:
    return next(found for found in report.findings if found.rule == number)


def run(mirror: Mirror, *argv: str) -> str:
    ended = subprocess.run(
        ["docker", "run", "--rm", "--network", "none", mirror.built.image_id, *argv],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_the_cluster_asks_for_an_image_for_both(only_r: Mirror) -> None:
    choice = choose_flavour(only_r.snapshot)
    assert choice.flavour is Flavour.PYTHON_R
    assert "R 4.2.2" in choice.reason


def test_there_is_a_package_of_every_kind_of_source(only_r: Mirror) -> None:
    sources = {package.name: package.source for package in only_r.r_lock.packages}
    assert isinstance(sources["sandboxPrivate"], CapturedRPackage)
    assert isinstance(sources["sandboxRemote"], RGitSource)
    assert isinstance(sources["R6"] if "R6" in sources else sources["base64enc"], RAptPackage)
    assert isinstance(sources["sandboxOld"], CranFile)
    assert isinstance(sources["sandboxSums"], CranFile)
    assert len(only_r.r_lock.fates) == len(only_r.snapshot.inventory.r_packages)


def test_an_image_for_r_has_every_package_at_its_version_and_no_compiler(only_r: Mirror) -> None:
    report = only_r.verified()
    assert report.passed, [f for f in report.findings if f.outcome is Outcome.FAILED] + [
        check for check in report.r_packages if not check.good
    ]
    found = {check.name: check.found for check in report.r_packages}
    assert found["sandboxGreeting"] == "1.2.0"
    assert found["sandboxOld"] == "0.9-2"
    assert {"base", "MASS", "hwriterPlus", "Rserve"} <= set(found)
    assert finding(report, "L17").outcome is Outcome.PASSED
    assert finding(report, "L10").outcome is Outcome.NOT_APPLICABLE
    assert run(only_r, "sh", "-c", "! command -v gcc && virtualenv --version").startswith("virtualenv ")


def test_compiled_code_finds_its_libraries(only_r: Mirror) -> None:
    assert run(only_r, "Rscript", "-e", "cat(nchar(sandboxSodium::release()) > 0, sandboxSums::total(1:3))") == "TRUE 6"


def test_r_cannot_float_away_from_its_version(only_r: Mirror) -> None:
    policy = run(only_r, "apt-cache", "policy")
    for name in ("r-base", "r-base-core"):
        assert f"{name} -> 4.2.2.20221110-2 with priority 1001" in policy


def test_a_package_from_git_says_which_commit_it_is(only_r: Mirror) -> None:
    source = next(p.source for p in only_r.r_lock.packages if p.name == "sandboxRemote")
    assert isinstance(source, RGitSource)
    assert run(only_r, "Rscript", "-e", 'cat(packageDescription("sandboxRemote")$RemoteSha)') == source.commit


def test_an_image_for_both_runs_both_kinds_of_notebook(both: Mirror) -> None:
    report = both.verified()
    assert report.passed, [f for f in report.findings if f.outcome is Outcome.FAILED] + [
        check for check in report.r_packages if not check.good
    ]
    for number in ("L06", "L10", "L11", "L17"):
        assert finding(report, number).outcome is Outcome.PASSED, finding(report, number).message
    assert run(both, "/databricks/python3/bin/python", "-c", KERNEL) == "42"
    assert run(both, "Rscript", "-e", "library(hwriterPlus); cat(hwriteString(6 * 7))") == "<p>42</p>"


def with_broken(mirror: Mirror) -> RLock:
    """The mirror's lock with a package that does not compile, one that needs it, and what is known of them."""
    broken = source_package("sandboxBroken")
    repository = mirror.r_lock.repositories[0]
    source = CranFile(
        filename=broken.filename,
        url=f"{repository}/src/contrib/{broken.filename}",
        repository=repository,
        sha256=sha256_hex(source_archive(broken)),
    )
    added = LockedRPackage(name=broken.name, version=broken.version, source=source, needs_compilation=True)
    needs_it = next(package for package in mirror.r_lock.packages if package.name == "sandboxOld")
    packages = {package.name: package for package in mirror.r_lock.packages}
    packages |= {broken.name: added, "sandboxOld": replace(needs_it, depends=(broken.name,))}
    fate = an_r_fate(broken.name, broken.version, library="/usr/local/lib/R/site-library")
    return replace(
        mirror.r_lock, packages=tuple(packages[name] for name in sorted(packages)), fates=(*mirror.r_lock.fates, fate)
    )


def test_a_package_that_does_not_compile_is_named_with_the_last_lines_of_its_log(only_r: Mirror) -> None:
    with pytest.raises(BuildFailed) as caught:
        only_r.changed(with_broken(only_r))
    assert caught.value.package == "sandboxBroken 0.1.0"
    assert any("a_header_that_no_system_has.h: No such file" in line for line in caught.value.log)
    assert "--keep-going" in caught.value.remedy


def test_the_mirror_of_all_the_others_can_be_built_on_request(only_r: Mirror) -> None:
    lock = with_broken(only_r)
    mirror = only_r.changed(lock, keep_going=True)
    report = mirror.verified()
    subprocess.run(["docker", "rmi", "-f", mirror.built.image_id], check=False, capture_output=True)
    assert report.passed, [check for check in report.r_packages if not check.good]
    reasons = {failure.name: failure.reason for failure in report.r_failed}
    assert "a_header_that_no_system_has.h" in reasons["sandboxBroken"]
    assert "it needs sandboxBroken" in reasons["sandboxOld"]
    fates = {fate.name: fate for fate in with_failures(lock, report.r_failed).fates}
    assert fates["sandboxBroken"].kind is FateKind.UNAVAILABLE
    assert "a_header_that_no_system_has.h" in fates["sandboxBroken"].reason
    assert fates["sandboxSums"].kind is FateKind.MIRRORED
