"""pylock.toml and fates.json: read back exactly, read by uv, and no hostile edit gets through."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uv
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Pylock

from dbmirror.inventory.layers import Layer
from dbmirror.lock.errors import LockError
from dbmirror.lock.fates import Fate, FateKind
from dbmirror.lock.model import (
    AptPackage,
    BaseImage,
    BaseKind,
    CapturedWheel,
    GitSource,
    ImageLayer,
    IndexFile,
    Lock,
    LockedPackage,
    Source,
    Target,
    UrlFile,
)
from dbmirror.lock.python.lock_files import lock_digest, read_lock, write_lock
from dbmirror.lock.python.pylock import decode, encode_fates, encode_pylock

SHA = "ab" * 32
COMMIT = "cd" * 20
INDEX = "https://index.example/simple/"
SOURCES: dict[str, tuple[str, Source]] = {
    "acme": ("1.0+corp.1", CapturedWheel(path="wheels/acme-1.0+corp.1-py3-none-any.whl", sha256=SHA)),
    "dbus-python": ("1.2.18", AptPackage(package="python3-dbus", version="1.2.18-3build1")),
    "from-git": (
        "0.1",
        GitSource(
            url="ssh://git@git.example/a.git",
            commit=COMMIT,
            path=f"sources/from-git-{COMMIT}.tar.gz",
            sha256=SHA,
            subdirectory="python",
        ),
    ),
    "from-url": ("3.0", UrlFile(filename="from_url-3.0.zip", url="https://h.example/from_url-3.0.zip", sha256=SHA)),
    "lazr-uri": (
        "1.0.6",
        IndexFile(
            filename="lazr.uri-1.0.6.tar.gz", url="https://f.example/lazr.uri-1.0.6.tar.gz", sha256=SHA, index=INDEX
        ),
    ),
    "legacy": ("0.1-ubuntu~x", CapturedWheel(path="wheels/legacy-0.1-py3-none-any.whl", sha256=SHA)),
    "pytz": (
        "2022.07",
        IndexFile(
            filename="pytz-2022.7-py2.py3-none-any.whl",
            url="https://f.example/pytz-2022.7-py2.py3-none-any.whl",
            sha256=SHA,
            size=499368,
            index=INDEX,
        ),
    ),
}


def a_lock(sources: dict[str, tuple[str, Source]], fates: tuple[Fate, ...] = ()) -> Lock:
    packages = tuple(
        LockedPackage(
            name=name,
            version=version,
            layer=ImageLayer.SYSTEM if isinstance(source, AptPackage) else ImageLayer.RUNTIME,
            source=source,
            requires=("six>=1.0; python_version < '3'", 'a[b]; extra == "c"') if name == "pytz" else (),
        )
        for name, (version, source) in sorted(sources.items())
    )
    mirrored = tuple(
        Fate(
            name=p.name,
            version=p.version,
            layer=Layer.RUNTIME,
            location="/x",
            kind=FateKind.MIRRORED,
            reason="The index has it.",
        )
        for p in packages
    )
    return Lock(
        snapshot="sha256:" + SHA,
        runtime="15.4",
        target=Target(python="3.11.11", architecture="x86_64", glibc="2.35"),
        base=BaseImage(reference="ubuntu:22.04", kind=BaseKind.BARE, image_id="sha256:" + SHA, os_id="ubuntu"),
        packages=packages,
        fates=tuple(sorted((*mirrored, *fates), key=lambda fate: fate.name)),
        indexes=(INDEX,),
    )


@pytest.fixture
def lock() -> Lock:
    """A lock with every kind of source."""
    gone = Fate(
        name="gone",
        version="1.0",
        layer=Layer.CLUSTER,
        location="/local_disk0/x",
        kind=FateKind.SUBSTITUTED,
        reason='It says "no".',
        substitute="gone 2.0",
    )
    return a_lock(SOURCES, (gone,))


def test_a_lock_is_read_back_as_it_was_written(lock: Lock, tmp_path: Path) -> None:
    assert write_lock(lock, tmp_path) == ("pylock.toml", "fates.json")
    assert read_lock(tmp_path) == lock


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_kind_of_source_is_read_back_by_itself(name: str) -> None:
    lock = a_lock({name: SOURCES[name]})
    assert decode(encode_pylock(lock), encode_fates(lock)) == lock


LINES = st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40)


@given(reason=LINES, requires=st.lists(LINES, max_size=3), runtime=LINES)
def test_any_text_that_a_lock_may_hold_is_read_back(reason: str, requires: list[str], runtime: str) -> None:
    version, source = SOURCES["pytz"]
    package = LockedPackage(
        name="pytz", version=version, layer=ImageLayer.CLUSTER, source=source, requires=tuple(requires)
    )
    fate = Fate(
        name="pytz", version=version, layer=Layer.CLUSTER, location=reason, kind=FateKind.MIRRORED, reason=reason
    )
    empty = a_lock({})
    lock = Lock(
        snapshot=runtime, runtime=runtime, target=empty.target, base=empty.base, packages=(package,), fates=(fate,)
    )
    assert decode(encode_pylock(lock), encode_fates(lock)) == lock


def test_the_digest_is_that_of_the_file(lock: Lock, tmp_path: Path) -> None:
    import hashlib

    write_lock(lock, tmp_path)
    assert lock_digest(lock) == "sha256:" + hashlib.sha256((tmp_path / "pylock.toml").read_bytes()).hexdigest()


def test_writing_the_same_lock_again_changes_nothing(lock: Lock, tmp_path: Path) -> None:
    write_lock(lock, tmp_path)
    assert write_lock(lock, tmp_path) == ()


def test_archives_that_the_lock_no_longer_names_are_removed_and_nothing_else(lock: Lock, tmp_path: Path) -> None:
    kept = [f"wheels/{n}" for n in ("acme-1.0+corp.1-py3-none-any.whl", "legacy-0.1-py3-none-any.whl")]
    for name in [*kept, "wheels/old-1.0-py3-none-any.whl", "sources/old.tar.gz", "Dockerfile"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert set(write_lock(lock, tmp_path)) >= {"wheels/old-1.0-py3-none-any.whl", "sources/old.tar.gz"}
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*kept, "Dockerfile", "pylock.toml", "fates.json"}


def test_the_file_keeps_to_pep_751(lock: Lock) -> None:
    document = tomllib.loads(encode_pylock(lock).decode())
    parsed = Pylock.from_dict(document)
    assert [package.name for package in parsed.packages] == sorted(set(SOURCES) - {"dbus-python"})
    assert str(parsed.requires_python) == "==3.11.*"


def test_uv_installs_from_it(server: Any, tmp_path: Path) -> None:
    wheel_sha, archive_sha = (
        server.add("six", "six-1.0-py3-none-any.whl"),
        server.add("zipp", "zipp-2.0-py3-none-any.whl"),
    )
    address = f"{server.address}/files"
    (tmp_path / "wheels").mkdir()
    own = server.answers["/files/zipp-2.0-py3-none-any.whl"].content
    (tmp_path / "wheels" / "zipp-2.0-py3-none-any.whl").write_bytes(own)
    six = "six-1.0-py3-none-any.whl"
    lock = a_lock(
        {
            "six": ("1.0", IndexFile(filename=six, url=f"{address}/{six}", sha256=wheel_sha, index=server.url)),
            "zipp": ("2.0", CapturedWheel(path="wheels/zipp-2.0-py3-none-any.whl", sha256=archive_sha)),
        }
    )
    write_lock(lock, tmp_path)
    arguments = ["pip", "install", "--no-deps", "--no-config", "--no-cache", "--target", str(tmp_path / "out")]
    arguments += ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_35", "--python", sys.executable]
    done = subprocess.run(
        [uv.find_uv_bin(), *arguments, "-r", str(tmp_path / "pylock.toml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").glob("*.dist-info")} == {"six-1.0.dist-info", "zipp-2.0.dist-info"}


def edited(content: bytes, old: str, new: str) -> bytes:
    text = content.decode()
    assert old in text
    return text.replace(old, new, 1).encode()


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('name = "pytz"', 'name = "pytz\\nRUN id"', "packages"),
        ('name = "pytz"', 'name = "--upgrade"', "packages"),
        ('name = "acme"', 'name = "pytz"', "packages"),
        ('version = "3.0"', 'version = "3.1"', "from-url"),
        ('version = "0.1-ubuntu~x"', 'version = "0.1; id"', "packages[4].tool.dbmirror"),
        ('layer = "runtime"', 'layer = "root"', "packages[0].tool.dbmirror"),
        (f'sha256 = "{SHA}"', 'sha256 = "$(id)"', "packages[0]"),
        (f'sha256 = "{SHA}"', f'md5 = "{SHA}"', "packages[0]"),
        ("wheels/acme-1.0+corp.1", "../wheels/acme-1.0+corp.1", "packages[0]"),
        ("https://f.example/pytz", "https://f.example/py tz", "packages"),
        ("https://f.example/pytz", "ftp://f.example/pytz", "packages"),
        ("ssh://git@git.example", "ext::sh -c id", "packages[1]"),
        (f'commit = "{COMMIT}"', 'commit = "--upload-pack=id"', "packages[1]"),
        ('package = "python3-dbus"', 'package = "python3-dbus && id"', "tool.dbmirror"),
        ('version = "1.2.18-3build1"', 'version = "$(id)"', "tool.dbmirror"),
        ('reference = "ubuntu:22.04"', 'reference = "ubuntu\\nRUN id"', "tool.dbmirror"),
        ('architecture = "x86_64"', 'architecture = "x86 64"', "tool.dbmirror"),
        ('python = "3.11.11"', 'python = "3.12.1"', "environments"),
        ("schema = 3", "schema = 2", "schema"),
        ("schema = 3", "schema = 3\nextra = 1", "tool.dbmirror"),
        ('requires-python = "==3.11.*"', 'requires-python = ">=3"', "requires-python"),
        ('created-by = "dbmirror"', 'created-by = "me"', "created-by"),
        ('index = "https://index.example/simple/"', "", "packages"),
        ('lock-version = "1.0"', 'lock-version = "2.0"', "not a valid lock"),
        ('lock-version = "1.0"', "lock-version =", "not valid TOML"),
    ],
)
def test_a_hostile_edit_of_the_lock_is_refused_with_the_key(lock: Lock, old: str, new: str, key: str) -> None:
    with pytest.raises(LockError) as caught:
        decode(edited(encode_pylock(lock), old, new), encode_fates(lock))
    assert "pylock.toml" in str(caught.value) or "fates.json" in str(caught.value)
    assert key in str(caught.value)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda d: d["fates"][0].update(reason="a\nb"), "reason"),
        (lambda d: d["fates"][0].update(kind="lost"), "kind"),
        (lambda d: d["fates"][0].update(name="A B"), "name"),
        (lambda d: d["fates"][0].update(version="9"), "acme"),
        (lambda d: d["fates"].pop(0), "acme"),
        (lambda d: d["fates"].append({**d["fates"][0], "name": "zzz"}), "zzz"),
        (lambda d: d["counts"].update(mirrored=99), "counts.mirrored"),
        (lambda d: d.update(snapshot="sha256:0"), "snapshot"),
        (lambda d: d.update(more=1), "more"),
    ],
)
def test_a_hostile_edit_of_the_fates_is_refused_with_the_key(
    lock: Lock, change: Callable[[dict[str, Any]], object], key: str
) -> None:
    document = json.loads(encode_fates(lock))
    change(document)
    with pytest.raises(LockError, match=r"fates\.json") as caught:
        decode(encode_pylock(lock), json.dumps(document).encode())
    assert key in str(caught.value)


def test_a_lock_that_is_missing_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(LockError, match=r"no .*pylock\.toml") as caught:
        read_lock(tmp_path)
    assert "dbmirror lock" in caught.value.remedy
