"""What a build works with is locked by hash, and found out without running any of it."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror.fetch.store import Store
from dbmirror.inventory.model import Layer
from dbmirror.lock.errors import IndexUnreachable, LockError
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.model import BaseImage, ImageLayer, IndexFile, Lock, LockedPackage, Target
from dbmirror.lock.python.build_needs import BuildNeeds, with_support
from dbmirror.lock.python.index import Index


def wheel(name: str, version: str, *requires: str) -> bytes:
    stream = io.BytesIO()
    folder = f"{name}-{version}.dist-info"
    lines = "".join(f"Requires-Dist: {line}\n" for line in requires)
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(f"{folder}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}")
        archive.writestr(f"{folder}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{folder}/RECORD", "")
    return stream.getvalue()


def source(text: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo("acme-1.0/pyproject.toml")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
    return gzip.compress(stream.getvalue(), mtime=0)


NOTHING = BuildNeeds()


class Market:
    """An index with what builds require, and the lock of a cluster that has `acme` only as a source."""

    def __init__(self, server, index: Index, base: BaseImage, folder: Path) -> None:
        self.server, self.index, self.base, self.folder = server, index, base, folder
        self.offer("backend", "1.0")
        self.offer("backend", "2.0", "helper>=1")
        self.offer("helper", "1.1")

    def offer(self, name: str, version: str, *requires: str) -> str:
        filename = f"{name}-{version}-py3-none-any.whl"
        return str(self.server.add(name, filename, wheel(name, version, *requires)))

    def lock(self, *requires: str) -> Lock:
        text = f"[build-system]\nrequires = {list(requires)}\nbuild-backend = 'backend'\n"
        sha256 = self.server.add("acme", "acme-1.0.tar.gz", source(text))
        file = IndexFile(
            filename="acme-1.0.tar.gz",
            url=f"{self.server.address}/files/acme-1.0.tar.gz",
            sha256=sha256,
            index=self.server.url,
        )
        package = LockedPackage(name="acme", version="1.0", layer=ImageLayer.CLUSTER, source=file)
        fate = Fate(
            name="acme",
            version="1.0",
            layer=Layer.CLUSTER,
            location="/x",
            kind=FateKind.MIRRORED,
            reason="The index has it.",
        )
        return Lock(
            snapshot="sha256:0",
            runtime="15.4",
            target=Target(python="3.11.11", architecture="x86_64", glibc="2.35"),
            base=self.base,
            packages=(package,),
            fates=(fate,),
            indexes=(self.server.url,),
        )

    def supported(self, lock: Lock, needs: BuildNeeds = NOTHING, previous: Lock | None = None) -> Lock:
        with Store(self.folder / "files") as store:
            return with_support(lock, needs, index=self.index, store=store, folder=self.folder, previous=previous)


@pytest.fixture
def market(
    server, index_of: Callable[..., Index], base: BaseImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Market]:
    monkeypatch.setenv("DBMIRROR_HOME", str(tmp_path / "home"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return Market(server, index_of(server.url), base, tmp_path)


def pins(lock: Lock) -> dict[str, str]:
    (package,) = lock.packages
    return {pin.name: pin.version for pin in package.build_requires}


def test_all_that_a_build_needs_is_pinned_with_the_file_of_each(market: Market) -> None:
    lock = market.supported(market.lock("backend"))

    assert pins(lock) == {"backend": "2.0", "helper": "1.1"}
    assert {file.filename for file in lock.support} == {"backend-2.0-py3-none-any.whl", "helper-1.1-py3-none-any.whl"}
    assert {pin.sha256 for pin in lock.packages[0].build_requires} == {file.sha256 for file in lock.support}


def test_bounds_and_what_no_file_names_are_those_of_the_package(market: Market) -> None:
    bound = BuildNeeds(constraints={"acme": ("backend<2",), "": ("backend<1",)}, extra={"acme": ("helper",)})
    assert pins(market.supported(market.lock("backend"), bound)) == {"backend": "1.0", "helper": "1.1"}


def test_a_requirement_without_a_wheel_is_locked_as_a_source_with_what_its_own_build_needs(
    market: Market, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    text = f"[build-system]\nrequires = ['helper']\n# open({str(ran)!r}, 'w')"
    sha256 = market.server.add("py-cairo", "py-cairo-1.0.tar.gz", source(text))
    market.server.add("py-cairo", "py-cairo-2.0.tar.gz", source(text))
    needs = BuildNeeds(built={"acme": ("py-cairo==1.0",)})

    lock = market.supported(market.lock("backend<2", "Py_Cairo>=0.9"), needs)

    assert pins(lock) == {"backend": "1.0", "helper": "1.1", "py-cairo": "1.0"}
    assert sha256 in {pin.sha256 for pin in lock.packages[0].build_requires}
    assert {file.filename for file in lock.support} >= {"py-cairo-1.0.tar.gz", "helper-1.1-py3-none-any.whl"}
    assert market.supported(market.lock("backend<2", "Py_Cairo>=0.9"), needs, previous=lock) == lock
    newer = BuildNeeds(built={"acme": ("py-cairo==2.0",)})
    assert pins(market.supported(market.lock("backend<2", "Py_Cairo"), newer, previous=lock))["py-cairo"] == "2.0"
    assert not ran.exists()


def test_only_wheels_are_build_requirements_because_a_source_would_run_code_here(
    market: Market, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    market.server.add("evil", "evil-1.0.tar.gz", source(f"open({str(ran)!r}, 'w')"))

    lock = market.supported(market.lock("backend", "evil"))

    assert lock.packages == ()
    (fate,) = lock.fates
    assert fate.kind is FateKind.UNAVAILABLE
    assert "evil" in fate.reason
    assert "http" not in fate.reason
    assert not ran.exists()


def test_a_source_that_is_another_one_now_is_not_built(market: Market) -> None:
    lock = market.lock("backend")
    market.server.say("/files/acme-1.0.tar.gz", content=b"another")

    (fate,) = market.supported(lock).fates

    assert fate.kind is FateKind.UNAVAILABLE
    assert "another file than the one that was locked" in fate.reason


def test_an_index_that_gives_no_answer_is_no_word_on_a_package(market: Market) -> None:
    lock = market.lock("backend")
    market.server.say("/simple/backend/", status=403)

    with pytest.raises(IndexUnreachable, match="gave no answer about build requirements"):
        market.supported(lock)


def test_what_was_locked_stays_although_the_index_has_newer_versions(market: Market) -> None:
    first = market.supported(market.lock("backend"))
    market.offer("backend", "3.0")

    again = market.supported(market.lock("backend"), previous=first)
    within = market.supported(market.lock("backend"), BuildNeeds(constraints={"": ("backend<2",)}), previous=first)

    assert again == first
    assert pins(within) == {"backend": "1.0"}


def test_tools_are_locked_by_the_hash_that_their_requirement_states(market: Market) -> None:
    sha256 = market.offer("uv", "1.2")
    bare = replace(market.lock("backend"), packages=(), fates=())

    lock = market.supported(bare, BuildNeeds(pinned=("# a comment", f"uv==1.2 --hash=sha256:{sha256}")))
    assert [file.sha256 for file in lock.support] == [sha256]

    with pytest.raises(LockError, match=r"uv 1\.2 is needed to build the image, and cannot be locked"):
        market.supported(bare, BuildNeeds(pinned=(f"uv==1.2 --hash=sha256:{'0' * 64}",)))


def test_the_index_gets_its_login_from_the_resolver_and_no_command_line_has_it(
    market: Market, index_of: Callable[..., Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    import base64

    from dbmirror.lock.python import resolve

    market.server.credentials = "Basic " + base64.b64encode(b"me:s3cr:t/@").decode()
    seen: list[str] = []
    real = resolve.run

    def watched(argv, **more):
        seen.extend(argv)
        return real(argv, **more)

    monkeypatch.setattr(resolve, "run", watched)
    market.index = index_of(market.server.url, credentials=("me", "s3cr:t/@"))

    assert pins(market.supported(market.lock("backend"))) == {"backend": "2.0", "helper": "1.1"}
    assert seen
    assert not [word for word in seen if "s3cr" in word or "127.0.0.1" in word]
