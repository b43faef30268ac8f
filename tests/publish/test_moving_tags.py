"""A tag that moves beside the immutable one: where nobody loses an image by it, or the user said so."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbmirror.clones.agreements import Claim, NotAgreed
from dbmirror.filters.flavour import Flavour
from dbmirror.publish.moving_tags import MIRROR_LABEL, AlsoTagged, move_tags, require_may_move
from dbmirror.publish.registries.credential import ANONYMOUS
from dbmirror.publish.registries.target import RegistryTarget
from dbmirror.render.image_labels import labels
from tests.builders import a_lock

OLD, NEW = b'{"layers": [], "old": 1}', b'{"layers": []}'
KIND = "application/vnd.docker.distribution.manifest.v2+json"


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Registry(http.server.BaseHTTPRequestHandler):
    """One repository's manifests and configurations, by tag and by digest."""

    manifests: dict[str, bytes]

    def do_GET(self) -> None:
        content = (
            self.manifests.get(self.path.rpartition("/")[2])
            if "/manifests/" in self.path or "/blobs/" in self.path
            else b"{}"
        )
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Type", KIND)
        self.send_header("Content-Length", str(len(content or b"")))
        if content is not None:
            self.send_header("Docker-Content-Digest", digest_of(content))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content or b"")

    do_HEAD = do_GET  # noqa: N815

    def do_PUT(self) -> None:
        self.manifests[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def target() -> Iterator[RegistryTarget]:
    """A repository that has the new image by its digest, and an old one under `15.4`."""
    Registry.manifests = {digest_of(NEW): NEW, digest_of(OLD): OLD, "15.4": OLD}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        host = f"127.0.0.1:{server.server_port}"
        yield RegistryTarget(name="team", kind="oci", host=host, repository="team/demo", insecure=True)
        server.shutdown()


def never(*_: object) -> None:
    raise AssertionError("nothing was to be asked")


def test_a_tag_that_is_not_there_is_made_and_recorded_with_its_digest(target: RegistryTarget) -> None:
    assert move_tags(["latest-15.4"], digest_of(NEW), target, ANONYMOUS, mirror="demo", may_move=never) == (
        AlsoTagged(reference=f"{target.full_name}:latest-15.4", digest=digest_of(NEW), before=None),
    )
    assert Registry.manifests["latest-15.4"] == NEW


def test_a_tag_that_names_the_image_already_is_left_alone(target: RegistryTarget) -> None:
    Registry.manifests["15.4"] = NEW
    (also,) = move_tags(["15.4"], digest_of(NEW), target, ANONYMOUS, mirror="demo", may_move=never)
    assert also.before == also.digest == digest_of(NEW)


def an_image(configuration: object) -> bytes:
    """The manifest of an image, which is in the registry with this configuration."""
    content = json.dumps(configuration).encode()
    Registry.manifests[digest_of(content)] = content
    manifest = json.dumps({"config": {"digest": digest_of(content)}, "layers": []}).encode()
    Registry.manifests[digest_of(manifest)] = manifest
    return manifest


def test_a_tag_of_the_mirrors_earlier_image_moves_without_a_question(target: RegistryTarget) -> None:
    """The setting is the permission, also in CI, where nobody can answer and no record of the last push is."""
    Registry.manifests["15.4"] = earlier = an_image({"config": {"Labels": {"io.dbmirror.mirror": "demo"}}})
    (also,) = move_tags(["15.4"], digest_of(NEW), target, ANONYMOUS, mirror="demo", may_move=never)
    assert (also.before, Registry.manifests["15.4"]) == (digest_of(earlier), NEW)


def test_the_label_that_is_looked_for_is_the_one_that_images_get() -> None:
    given = labels(a_lock(), None, debian=None, mirror="demo", waivers=(), flavour=Flavour.PYTHON)
    assert (MIRROR_LABEL, "demo") in given


@pytest.mark.parametrize(
    "configuration",
    [
        {"config": {"Labels": {"io.dbmirror.mirror": "another"}}},
        {"config": {"Labels": None}},
        {"config": None},
        {},
        [],
        {"config": {"Labels": {"io.dbmirror.mirror": ["demo"]}}},
    ],
)
def test_any_other_image_is_asked_about(target: RegistryTarget, configuration: object) -> None:
    Registry.manifests["15.4"] = foreign = an_image(configuration)
    asked = []
    move_tags(["15.4"], digest_of(NEW), target, ANONYMOUS, mirror="demo", may_move=lambda *tag: asked.append(tag))
    assert asked == [(target, "15.4", digest_of(foreign))]


def test_a_tag_of_another_image_moves_once_the_user_said_so_and_is_not_asked_about_again(
    target: RegistryTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    asked: list[Claim] = []

    def move(*, says: bool | None) -> tuple[AlsoTagged, ...]:
        def ask(claim: Claim) -> bool:
            asked.append(claim)
            return bool(says)

        return move_tags(
            ["15.4"],
            digest_of(NEW),
            target,
            ANONYMOUS,
            mirror="demo",
            may_move=lambda *tag: require_may_move(*tag, root=tmp_path, ask=None if says is None else ask),
        )

    for says in (None, False):
        with pytest.raises(NotAgreed, match=f"names an image that is none of this mirror .{digest_of(OLD)}") as raised:
            move(says=says)
        assert "--move-tag" in raised.value.remedy
        assert Registry.manifests["15.4"] == OLD
    (also,) = move(says=True)
    assert (also.before, also.digest) == (digest_of(OLD), digest_of(NEW))
    assert Registry.manifests["15.4"] == NEW
    Registry.manifests["15.4"] = OLD
    move(says=None)
    assert Registry.manifests["15.4"] == NEW
    assert len(asked) == 2
