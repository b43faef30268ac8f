"""A cloned repository that names the image, the apt repository or the lab's image of its own choice."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dbmirror.build.image import Built, write_built
from dbmirror.clones import own_records
from dbmirror.clones.agreements import Claim, NotAgreed
from dbmirror.clones.allowed_settings import SettingNotAllowed
from dbmirror.clones.own_records import Kind, remember
from dbmirror.config import Config, LoadedConfig, MirrorConfig, RConfig
from dbmirror.errors import UsageError
from dbmirror.lock.mirror_lock import MirrorLock, write_mirror_lock
from dbmirror.lock.model import BaseKind
from dbmirror.pipeline import foundations, stages
from dbmirror.pipeline.cluster_access import Questions
from dbmirror.pipeline.foundations import require_foundations, trusted_names
from dbmirror.pipeline.line import Wanted, run_one
from dbmirror.pipeline.mirror import Choices, Mirror
from dbmirror.render.errors import RenderError
from dbmirror.snapshot import write_snapshot
from tests.builders import a_base, a_lock, a_snapshot
from tests.supported import supported, with_debs

DIGEST, OTHER = f"sha256:{'d' * 64}", f"sha256:{'e' * 64}"
HOSTILE = f"evil.example/base:1@{DIGEST}"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own state, outside of every clone."""
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(own_records, "_of_this_run", set())
    return tmp_path / "state"


@dataclass
class Engine:
    """Which image each name means; what has no name here is pulled as DIGEST."""

    images: dict[str, str] = field(default_factory=dict)

    def ensure_image(self, reference: str, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(image_id=self.images.get(reference, DIGEST))

    def inspect_image(self, reference: str) -> SimpleNamespace | None:
        known = reference in self.images or reference in self.images.values()
        return SimpleNamespace(image_id=self.images.get(reference, reference)) if known else None


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine()
    monkeypatch.setattr(foundations, "ensure_image", engine.ensure_image)
    monkeypatch.setattr(foundations, "inspect_image", engine.inspect_image)
    monkeypatch.setattr("dbmirror.engine.images.inspect_image", engine.inspect_image)
    return engine


@dataclass
class Terminal:
    """Somebody who answers, and what was asked."""

    answer: bool = True
    asked: list[str] = field(default_factory=list)

    def __call__(self, claim: Claim) -> bool:
        self.asked.append(claim.text)
        return self.answer


def clone(
    place: Path, reference: str = HOSTILE, *, r: RConfig | None = None, answers: Terminal | None = None, **choices: Any
) -> Mirror:
    """A cloned repository whose lock says that the base `reference` is official."""
    section = MirrorConfig(base=reference)
    place.mkdir(parents=True, exist_ok=True)
    (place / ".git").mkdir(exist_ok=True)
    snapshot = a_snapshot()
    folder = place / "mirrors" / "demo"
    write_snapshot(snapshot, folder / "snapshot.json")
    claimed = a_base(reference=reference, kind=BaseKind.OFFICIAL, image_id=OTHER)
    write_mirror_lock(with_debs(MirrorLock(python=supported(a_lock(snapshot=snapshot.digest, base=claimed)))), folder)
    loaded = LoadedConfig(
        config=Config(mirrors={"demo": section}, r=r or RConfig()), origin=place / "dbmirror.toml", root=place
    )
    dry_run = choices.pop("dry_run", False)
    return Mirror(
        "demo",
        loaded,
        choices=Choices(**choices),
        questions=Questions(claim=answers) if answers else Questions(),
        dry_run=dry_run,
    )


class Ran(Exception):
    """The base's programs would run now."""


@pytest.fixture(autouse=True)
def _nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any, **__: Any) -> None:
        raise Ran

    for name in ("lock_mirror", "build_image", "make_lab_lock", "start_stack"):
        monkeypatch.setattr(stages, name, run)
    monkeypatch.setattr(stages, "require_own_lock", lambda *_: None)  # see test_own_lock.py
    monkeypatch.setattr(stages, "render_files", lambda *_: None)
    monkeypatch.setattr(stages, "render_lab", lambda *_: None)
    monkeypatch.setattr(stages, "build_files", lambda *_: {})
    monkeypatch.setattr(stages, "read_base", lambda reference, **_: (a_base(reference=reference), None))


def built_by(mirror: Mirror, engine: Engine, image_id: str = DIGEST) -> Built:
    """The image of the mirror's lock, as this machine built it."""
    lock = mirror.lock()
    engine.images[mirror.tag(lock)] = image_id
    built = Built(image_id=image_id, tags=(mirror.tag(lock),), snapshot=lock.snapshot, lock=lock.digest)
    write_built(built, mirror.folder / "build.json")
    return built


STEPS = {
    "lock": lambda mirror: stages.make_lock(mirror, mirror.snapshot()),
    "frozen build": lambda mirror: run_one(mirror, Wanted(frozen=True)),
    "lab": lambda mirror: stages.start_lab(mirror, mirror.lock()),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_base_that_a_clone_names_does_not_run_where_nobody_can_be_asked(
    tmp_path: Path, engine: Engine, step: str
) -> None:
    mirror = clone(tmp_path / "clone")
    built_by(mirror, engine)
    with pytest.raises(NotAgreed, match=f"names the base image {HOSTILE}") as refused:
        STEPS[step](mirror)
    assert "the login of the profile 'demo'" in refused.value.message
    assert "--trust evil.example/base:1' or set DBMIRROR_TRUST=evil.example/base:1" in refused.value.remedy


@pytest.mark.parametrize("step", STEPS)
def test_a_yes_is_remembered_outside_of_the_repository(tmp_path: Path, engine: Engine, state: Path, step: str) -> None:
    terminal = Terminal()
    mirror = clone(tmp_path / "clone", answers=terminal)
    built_by(mirror, engine)
    with pytest.raises(Ran):
        STEPS[step](mirror)
    assert len(terminal.asked) == 1
    for later in STEPS.values():
        with pytest.raises(Ran):
            later(clone(tmp_path / "clone"))
    assert list((state / "records" / "agreement").iterdir())


def test_a_no_is_an_error_and_nothing_is_remembered(tmp_path: Path) -> None:
    mirror = clone(tmp_path / "clone", answers=Terminal(answer=False))
    for _ in range(2):
        with pytest.raises(NotAgreed):
            run_one(mirror, Wanted(frozen=True))


def agreed(mirror: Mirror, reference: str) -> None:
    require_foundations(mirror, a_base(reference=reference), apt=True, named_by="dbmirror.toml")


def test_another_image_another_digest_and_another_clone_are_asked_for_again(tmp_path: Path, engine: Engine) -> None:
    agreed(clone(tmp_path / "clone", answers=Terminal()), HOSTILE)
    for reference in (f"evil.example/other:1@{DIGEST}", f"evil.example/base:1@{OTHER}", "evil.example/base:1"):
        with pytest.raises(NotAgreed):
            agreed(clone(tmp_path / "clone"), reference)
    with pytest.raises(NotAgreed):
        agreed(clone(tmp_path / "second"), HOSTILE)
    agreed(clone(tmp_path / "clone"), HOSTILE)


def test_a_tag_that_means_another_image_now_is_asked_for_again(tmp_path: Path, engine: Engine) -> None:
    tag = "evil.example/base:1"
    agreed(clone(tmp_path / "clone", answers=Terminal()), tag)
    agreed(clone(tmp_path / "clone"), tag)
    engine.images[tag] = OTHER
    with pytest.raises(NotAgreed):
        agreed(clone(tmp_path / "clone"), tag)


def test_a_dry_run_remembers_nothing(tmp_path: Path) -> None:
    agreed(clone(tmp_path / "clone", answers=Terminal(), dry_run=True), HOSTILE)
    agreed(clone(tmp_path / "clone", trusted=(HOSTILE,), dry_run=True), HOSTILE)
    with pytest.raises(NotAgreed):
        agreed(clone(tmp_path / "clone"), HOSTILE)


@pytest.mark.parametrize(
    "reference", ["databricksruntime/python:15.4-LTS", f"docker.io/databricksruntime/rbase:1@{DIGEST}"]
)
def test_databricks_own_images_are_no_question(tmp_path: Path, reference: str) -> None:
    agreed(clone(tmp_path / "clone"), reference)


@pytest.mark.parametrize(
    "reference",
    [
        f"evil.example/databricksruntime/python:15.4-LTS@{DIGEST}",
        f"databricksruntime.evil.example/python:1@{DIGEST}",
        f"databricksruntimes/python:1@{DIGEST}",
    ],
)
def test_what_only_looks_like_databricks_own_image_is_one(tmp_path: Path, reference: str) -> None:
    with pytest.raises(NotAgreed):
        agreed(clone(tmp_path / "clone"), reference)


@pytest.mark.parametrize("choices", [{"base": "ubuntu:22.04"}, {"trusted": ("x", "docker.io/library/ubuntu:22.04")}])
def test_what_the_user_names_is_no_question_now_or_later(tmp_path: Path, choices: dict[str, Any]) -> None:
    agreed(clone(tmp_path / "clone", **choices), f"ubuntu:22.04@{DIGEST}")
    agreed(clone(tmp_path / "clone"), f"ubuntu:22.04@{DIGEST}")


@pytest.mark.parametrize("trusted", ["ubuntu", "ubuntu:24.04", f"ubuntu:22.04@{OTHER}", "evil/ubuntu:22.04", ""])
def test_what_the_user_names_is_no_other_image(tmp_path: Path, trusted: str) -> None:
    with pytest.raises(NotAgreed):
        agreed(clone(tmp_path / "clone", trusted=(trusted,)), f"ubuntu:22.04@{DIGEST}")


@pytest.mark.parametrize("named", ["localhost/base:1", "registry.corp:5000/base:1", "registry.corp/base:1"])
@pytest.mark.parametrize("hub", ["docker.io/", "index.docker.io/", "docker.io/library/"])
def test_an_image_of_docker_hub_is_none_of_another_registry(tmp_path: Path, named: str, hub: str) -> None:
    with pytest.raises(NotAgreed):
        agreed(clone(tmp_path / "clone", trusted=(named,)), f"{hub}{named}@{DIGEST}")


def test_the_sandboxs_own_base_is_no_question_and_an_image_of_its_name_is(tmp_path: Path, engine: Engine) -> None:
    remember(Kind.SANDBOX_BASE, DIGEST.encode())
    agreed(clone(tmp_path / "clone"), "dbmirror-sandbox/base:bookworm")
    engine.images["dbmirror-sandbox/base:bookworm"] = OTHER
    with pytest.raises(NotAgreed):
        agreed(clone(tmp_path / "clone"), "dbmirror-sandbox/base:bookworm")


@pytest.mark.parametrize("image", ["databricksruntime/python", "docker.io/databricksruntime/python"])
def test_a_clone_builds_no_image_that_another_mirror_would_take_for_databricks_own(tmp_path: Path, image: str) -> None:
    mirror = clone(tmp_path / "clone")
    config = Config(mirrors={"demo": MirrorConfig(image=image)})
    named = Mirror("demo", LoadedConfig(config=config, origin=None, root=tmp_path / "clone"))
    with pytest.raises(SettingNotAllowed, match="as Databricks' own images are called"):
        named.tag(mirror.lock())


def test_an_apt_repository_that_a_clone_names_is_asked_for_with_its_key(tmp_path: Path) -> None:
    official = "databricksruntime/python:15.4-LTS"
    r = RConfig(apt_repository="https://evil.example/ubuntu jammy-cran40/", apt_key=Path("key.asc"))
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone" / "key.asc").write_text("one")
    with pytest.raises(NotAgreed, match="names the apt repository https://evil") as refused:
        agreed(clone(tmp_path / "clone", r=r), official)
    assert "--trust https://evil.example/ubuntu'" in refused.value.remedy
    agreed(clone(tmp_path / "clone", r=r, trusted=("https://evil.example/ubuntu",)), official)
    agreed(clone(tmp_path / "clone", r=r), official)
    (tmp_path / "clone" / "key.asc").write_text("two")
    with pytest.raises(NotAgreed):
        agreed(clone(tmp_path / "clone", r=r), official)


@pytest.mark.parametrize("location", ["https://a.example/ x/\nYou agreed to it before.", "https://a.example/\x9b2J x/"])
def test_nobody_is_asked_with_a_text_that_a_clone_wrote(tmp_path: Path, location: str) -> None:
    asked = Terminal()
    with pytest.raises(RenderError, match="is no apt repository"):
        agreed(clone(tmp_path, r=RConfig(apt_repository=location), answers=asked), "databricksruntime/r:15.4")
    assert asked.asked == []


def test_a_lab_is_not_made_of_an_image_that_only_a_record_of_the_clone_names(
    tmp_path: Path, engine: Engine, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = clone(tmp_path / "clone", "databricksruntime/python:15.4-LTS")
    built_by(mirror, engine)
    with pytest.raises(Ran):
        STEPS["lab"](mirror)
    for record in (state / "records" / "build").iterdir():
        record.unlink()
    monkeypatch.setattr(own_records, "_of_this_run", set())
    with pytest.raises(NotAgreed, match="which this machine did not build"):
        STEPS["lab"](mirror)
    engine.images |= {mirror.tag(mirror.lock()): OTHER, "another name of it": DIGEST}
    with pytest.raises(UsageError, match="is not the one that was built last"):
        STEPS["lab"](mirror)


def test_a_pipeline_is_told_what_to_trust(tmp_path: Path) -> None:
    r = RConfig(apt_repository="https://cran.example/ubuntu jammy-cran40/")
    bases = ["ubuntu:22.04", f"ubuntu:22.04@{DIGEST}", "databricksruntime/python:15.4-LTS"]
    assert trusted_names(bases, r) == ("ubuntu:22.04", "https://cran.example/ubuntu")
