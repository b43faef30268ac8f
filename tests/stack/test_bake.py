"""Real bakes with the real buildx: many images at once, of which some fail."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path, PurePosixPath

import pytest

from dbmirror.build.bake_images import RenderedMirror, bake_images, write_bakefile
from dbmirror.build.bakefile import BakeTarget, render_bakefile, target_name
from dbmirror.build.image import Built, read_built, write_built
from dbmirror.config import Config, LoadedConfig, MirrorConfig
from dbmirror.engine.bake import bake
from dbmirror.engine.buildx import BuildResult
from dbmirror.engine.docker import EngineUnavailable
from dbmirror.engine.failures import BuildFailed
from dbmirror.engine.images import image_history, inspect_image
from dbmirror.inventory.model import Interpreter, Inventory
from dbmirror.lock.mirror_lock import MirrorLock, write_mirror_lock
from dbmirror.lock.model import BaseImage, BaseKind, Lock, Target
from dbmirror.pipeline.all_mirrors import AllMirrors
from dbmirror.pipeline.line import Failed, Finished, Wanted
from dbmirror.pipeline.mirror import Mirror
from dbmirror.progress import Observer
from dbmirror.publish.sbom.sbom_file import write_sbom
from dbmirror.sandbox.base import ensure_base
from dbmirror.snapshot import Cluster, Snapshot, Taken, write_snapshot
from tests.stack.bases import ENVIRONMENT, WITH_PYTHON
from tests.supported import supported, with_debs

pytestmark = pytest.mark.stack

REPOSITORY = "scratch-bake-test"
BROKEN = "RUN sleep 1; echo 'dbmirror: failed pyodbc 4.0.38 (build)'; exit 1"
MIRRORS = ("one", "two", "three.x", "default")


class Recorder(Observer):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def started(self, stage: str, *, total: int | None = None) -> None:
        self.calls.append(f"{stage} started {total}")

    def advanced(self, stage: str, text: str = "", *, steps: int = 1) -> None:
        words = text.partition(": ")[2].partition(";")[0]
        self.calls.append(f"{stage} {'done' if steps else 'now'} {words}")

    def finished(self, stage: str, text: str = "") -> None:
        self.calls.append(f"{stage} finished {text}")

    def note(self, text: str) -> None:
        self.calls.append(text)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    yield ensure_base().name
    tags = [f"{REPOSITORY}:{mirror}" for mirror in MIRRORS]
    subprocess.run(["docker", "rmi", "-f", *tags], check=False, capture_output=True)


@pytest.fixture
def workplace(tmp_path: Path, base: str) -> Workplace:
    return Workplace(tmp_path, base)


class Workplace:
    """A folder with a bake file and the contexts that it names."""

    def __init__(self, folder: Path, base: str) -> None:
        self.folder = folder
        self.file = folder / "docker-bake.json"
        self.base = base

    def write(self, mirror: str, *lines: str) -> RenderedMirror:
        """A mirror whose Dockerfile has `lines`."""
        context = self.folder / "mirrors" / mirror / "image"
        context.mkdir(parents=True, exist_ok=True)
        (context / "Dockerfile").write_text("\n".join([f"FROM {self.base} AS image", *lines]) + "\n")
        return RenderedMirror(
            mirror=mirror,
            context=context,
            tags=(f"{REPOSITORY}:{mirror}",),
            snapshot="sha256:" + "5" * 64,
            lock="sha256:" + "6" * 64,
            record=context.parent / "build.json",
        )

    def bake(
        self, *mirrors: RenderedMirror, no_cache: bool = True, observer: Observer | None = None, **variables: str
    ) -> dict[str, BuildResult | BuildFailed]:
        """Bake `mirrors` together."""
        write_bakefile(self.file, mirrors)
        stages = {target_name(mirror.mirror): mirror.mirror for mirror in mirrors}
        return bake(self.file, stages=stages, variables=variables, no_cache=no_cache, observer=observer or Observer())


def test_all_mirrors_are_built_with_their_tags_and_progress_of_their_own(workplace: Workplace) -> None:
    recorder = Recorder()
    mirrors = [workplace.write(name, f"RUN echo {name} > /name") for name in MIRRORS]
    results = workplace.bake(*mirrors, observer=recorder)
    for mirror in mirrors:
        result = results[target_name(mirror.mirror)]
        image = inspect_image(mirror.tags[0])
        assert isinstance(result, BuildResult)
        assert image is not None
        assert result.image_id == image.image_id
        assert (result.steps, result.cached_steps) == (1, 0)
        assert f"{mirror.mirror} started 1" in recorder.calls
        assert f"{mirror.mirror} finished 1 steps, 0 of them from the cache" in recorder.calls


def test_mirrors_are_built_side_by_side_and_what_they_share_is_built_once(workplace: Workplace) -> None:
    recorder = Recorder()
    shared = f"RUN echo {time.time()}; head -c 9 /dev/urandom > /shared"
    mirrors = [workplace.write(name, shared, f"RUN sleep 2; echo {name} > /name") for name in ("one", "two")]
    workplace.bake(*mirrors, no_cache=False, observer=recorder)
    sleeping = [call for call in recorder.calls if "sleep 2" in call]
    assert sorted(sleeping[:2]) == ["one now sleep 2", "two now sleep 2"]
    assert sorted(sleeping[2:]) == ["one done sleep 2", "two done sleep 2"]
    layers = [image.layers for mirror in mirrors if (image := inspect_image(mirror.tags[0]))]
    assert layers[0][:-1] == layers[1][:-1]
    assert layers[0][-1] != layers[1][-1]


def test_a_mirror_that_fails_is_named_and_hides_no_other(workplace: Workplace) -> None:
    recorder = Recorder()
    good = [workplace.write(name, "RUN sleep 2", f"RUN echo {time.time()} > /name") for name in ("one", "two")]
    results = workplace.bake(*good, workplace.write("three.x", BROKEN), no_cache=False, observer=recorder)
    assert list(results) == ["one", "two", "three__x"]
    failed = results["three__x"]
    assert isinstance(failed, BuildFailed)
    assert failed.package == "pyodbc 4.0.38"
    assert failed.step.startswith("image 2/2: sleep 1")
    assert all(isinstance(results[name], BuildResult) for name in ("one", "two"))
    assert "three__x failed; one, two is baked without." in recorder.calls


def test_a_dockerfile_that_cannot_be_read_fails_its_mirror_alone(workplace: Workplace) -> None:
    mirrors = [workplace.write("one", "RUN true"), workplace.write("two", "RNU true")]
    results = workplace.bake(*mirrors)
    assert isinstance(results["one"], BuildResult)
    assert isinstance(results["two"], BuildFailed)
    assert "unknown instruction: RNU" in str(results["two"])


def test_a_secret_reaches_the_steps_by_a_variable_and_neither_image_nor_file(workplace: Workplace) -> None:
    secret = workplace.folder / "secret"
    secret.write_text("hunter2")
    line = "RUN --mount=type=secret,id=ca-bundle grep -q ^hunter.$ /run/secrets/ca-bundle"
    mirror = workplace.write("one", line)
    assert isinstance(workplace.bake(mirror, DBMIRROR_CA_BUNDLE=str(secret))["one"], BuildResult)
    assert "hunter2" not in "\n".join(image_history(mirror.tags[0]))
    assert str(workplace.folder) not in workplace.file.read_text()


def test_the_file_builds_by_itself_with_no_secret_at_hand(workplace: Workplace) -> None:
    line = "RUN --mount=type=secret,id=ca-bundle,required=false [ ! -s /run/secrets/ca-bundle ]"
    mirror = workplace.write("one", line)
    write_bakefile(workplace.file, [mirror])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DBMIRROR_")}
    subprocess.run(
        ["docker", "buildx", "bake", "--builder", "default"],
        cwd=workplace.folder,
        env=environment,
        check=True,
        capture_output=True,
    )
    assert inspect_image(mirror.tags[0]) is not None


def test_no_step_has_a_proxy_in_its_environment(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hunter2@proxy.example:3128")
    results = workplace.bake(workplace.write("one", 'RUN [ -z "$HTTPS_PROXY" ]'))
    assert isinstance(results["one"], BuildResult)
    assert "hunter2" not in "\n".join(image_history(f"{REPOSITORY}:one"))


def test_labels_are_taken_to_the_letter(workplace: Workplace) -> None:
    workplace.write("one", "RUN true")
    label = 'a ${b} %{if} $c "q" \\ ä'
    target = BakeTarget(
        mirror="one", context=PurePosixPath("mirrors/one/image"), tags=(f"{REPOSITORY}:one",), labels={"x.y": label}
    )
    workplace.file.write_bytes(render_bakefile([target]))
    bake(workplace.file, stages={"one": "one"})
    image = inspect_image(f"{REPOSITORY}:one")
    assert image is not None
    assert image.labels["x.y"] == label


def test_an_engine_that_does_not_run_is_one_clear_message(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    with pytest.raises(EngineUnavailable, match="does not answer"):
        workplace.bake(workplace.write("one", "RUN true"), workplace.write("two", "RUN true"))


def test_arguments_reach_the_images_that_ask_for_them_and_no_login_does(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://me:hunter2@index.example/simple")
    asking = (
        "ARG KEEP_GOING=\n"
        'RUN --mount=type=secret,id=netrc,target=/netrc,required=false test "$KEEP_GOING" = 1 && [ ! -s /netrc ]'
    )
    mirrors = [workplace.write("one", asking), workplace.write("two", "RUN true")]
    write_bakefile(workplace.file, mirrors)
    outcomes = bake_images(
        workplace.file,
        mirrors,
        build_arguments={"KEEP_GOING": "1"},
    )
    assert [type(outcome) for outcome in outcomes.values()] == [tuple, tuple], outcomes


def test_each_image_has_its_record_and_a_failed_mirror_keeps_the_one_that_it_had(workplace: Workplace) -> None:
    good, bad = workplace.write("one", "RUN true"), workplace.write("two", BROKEN)
    before = Built(image_id="sha256:" + "b" * 64, tags=("before:1",), snapshot="sha256:s", lock="sha256:l")
    write_built(before, bad.record)
    write_bakefile(workplace.file, [good, bad])
    outcomes = bake_images(workplace.file, [good, bad])
    assert isinstance(outcomes["two"], BuildFailed)
    assert isinstance(outcomes["one"], tuple)
    assert read_built(good.record) == outcomes["one"][0]
    assert read_built(good.record).tags == good.tags
    assert read_built(bad.record) == before


def test_all_mirrors_of_the_file_go_to_their_verification_past_the_ones_that_fail(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render(mirror: Mirror, _lock: object) -> None:
        # What is rendered would install from an index; what follows does not depend on what is in the image.
        workplace.write(mirror.name, *((WITH_PYTHON, ENVIRONMENT) if mirror.name == "good" else (BROKEN,)))

    monkeypatch.setattr("dbmirror.pipeline.stages.render_files", render)
    monkeypatch.setattr("dbmirror.pipeline.all_mirrors.build_contexts", lambda *_, **__: nullcontext({}))
    sections = {name: MirrorConfig(image=f"{REPOSITORY}/{name}") for name in ("broken", "good", "missing")}
    loaded = LoadedConfig(config=Config(mirrors=sections), origin=None, root=workplace.folder)
    for name in ("broken", "good"):
        _commit(workplace.folder / "mirrors" / name, workplace.base, name)
    with AllMirrors(loaded) as mirrors:
        outcomes = mirrors.run(Wanted(frozen=True))
    good, broken = (workplace.folder / "mirrors" / name / "build.json" for name in ("good", "broken"))
    assert list(outcomes) == ["broken", "good", "missing"]
    assert isinstance(outcomes["broken"], Failed)
    assert "pyodbc 4.0.38" in outcomes["broken"].error.message
    assert isinstance(outcomes["missing"], Failed)
    assert "There is no snapshot" in outcomes["missing"].error.message
    done = outcomes["good"]
    assert isinstance(done, Finished)
    assert done.report.image_id == done.built.image_id == read_built(good).image_id
    assert not done.report.passed  # a bare base keeps no contract
    assert not broken.exists()
    sbom = write_sbom(
        good.parent,
        mirror="good",
        lock=done.lock,
        snapshot=done.snapshot,
        built=done.built,
    )
    found = {component["name"]: component.get("purl", "") for component in json.loads(sbom.read_text())["components"]}
    assert found["python3-minimal"].startswith("pkg:deb/")
    targets = json.loads(workplace.file.read_text())["target"]
    assert set(targets) == {"_mirror", "broken", "good"}
    subprocess.run(["docker", "rmi", "-f", *done.built.tags], check=False, capture_output=True)


def _commit(folder: Path, base: str, name: str) -> None:
    """The files of a mirror of a cluster with no packages at all."""
    snapshot = Snapshot(
        cluster=Cluster(cluster_id=name, cluster_name=name, spark_version="15.4.x-scala2.12"),
        inventory=Inventory(
            os_id="ubuntu",
            os_version="22.04",
            architecture="x86_64",
            glibc="2.35",
            python=Interpreter(path="/databricks/python3/bin/python", version="3.11.11"),
        ),
        taken=Taken(at="2026-11-20T12:00:00Z", host="driver", dbmirror="0"),
    )
    write_snapshot(snapshot, folder / "snapshot.json")
    lock = Lock(
        snapshot=snapshot.digest,
        runtime="15.4",
        target=Target(python="3.11.11", architecture="x86_64", glibc="2.35"),
        base=BaseImage(reference=base, kind=BaseKind.BARE, os_id="debian", os_version="12"),
        packages=(),
        fates=(),
    )
    write_mirror_lock(with_debs(MirrorLock(python=supported(lock))), folder)
