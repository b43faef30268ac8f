"""Values from a hostile cluster, forced past the model: no instruction, argument or requirement can be added."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from dockerfile_parse import DockerfileParser

from dbmirror.config import Waiver
from dbmirror.lock.model import (
    AptPackage,
    BaseImage,
    BaseKind,
    CapturedWheel,
    GitSource,
    ImageLayer,
    IndexFile,
    Lock,
    UrlFile,
)
from dbmirror.render.errors import RenderError
from dbmirror.render.image import render
from dbmirror.render.image_settings import ImageSettings
from dbmirror.runtimes.lookup import lookup
from tests.builders import a_base, a_lock, a_locked_package
from tests.supported import SETUPTOOLS, supported

HOSTILE = [
    "x\nRUN id",
    "x\r\nRUN id",
    "x\\\nRUN id",
    "x\u2028RUN id",
    "x\x85RUN id",
    "x\x00RUN id",
    'x" && id #',
    'x"\nENV A=B',
    "x' ; id ; '",
    "$(id)",
    "`id`",
    "${PATH}",
    "x --index-url https://evil.example",
    "--index-url=https://evil.example",
    "-r/etc/passwd",
    "x # comment",
    "# syntax=evil.example/frontend",
    "x \\",
    "\\",
    "x,target=/etc",
    "../../etc/passwd",
    "{{ 7 * 7 }}",
    "{% include '/etc/passwd' %}",
    "x<<EOF",
    "x\u202eRUN",
    "x\ud800",
]


def index_file(**changes: str) -> IndexFile:
    values = {"filename": "a-1.0-py3-none-any.whl", "url": "https://files.example/a", "sha256": "a" * 64}
    return IndexFile(**({**values, "index": "https://index.example"} | changes))


MACHINE = {"python": "3.11.2", "glibc": "2.36"}


def lock_without_packages() -> Lock:
    return a_lock(base=BaseImage(reference="debian:bookworm", kind=BaseKind.BARE), target=MACHINE)


SUPPORT = (
    *supported(lock_without_packages()).support,
    IndexFile(
        filename="setuptools-81.0.0-py3-none-any.whl",
        url="https://files.example/setuptools",
        sha256=SETUPTOOLS.sha256,
        index="https://index.example",
    ),
)


def support_with(**changes: str) -> tuple[IndexFile, ...]:
    return (*SUPPORT[:-1], msgspec.structs.replace(SUPPORT[-1], **changes))


def lock_with(*, source: Any = None, name: str = "a", version: str = "1.0", layer: Any = ImageLayer.RUNTIME, **top):
    base = a_base(**{"reference": "debian:bookworm", "os_id": "debian", "os_version": "12"} | top.pop("base", {}))
    target = MACHINE | top.pop("target", {})
    source = source or index_file()
    needs = () if source.is_wheel or isinstance(source, AptPackage) else (top.pop("requirement", SETUPTOOLS),)
    package = a_locked_package(name, version, layer=layer, source=source, build_requires=needs)
    return a_lock(package, base=base, target=target, **{"support": SUPPORT} | top)


def git(**changes: str) -> GitSource:
    values = {
        "url": "https://git.example/a",
        "commit": "c" * 40,
        "path": "sources/a.tar.gz",
        "sha256": "a" * 64,
        "subdirectory": "lib",
    }
    return GitSource(**(values | changes))


def url_file(**changes: str) -> UrlFile:
    return UrlFile(**({"filename": "a.zip", "url": "https://files.example/a.zip", "sha256": "a" * 64} | changes))


PLACES: dict[str, Callable[[str], Lock]] = {
    "name": lambda text: lock_with(name=text),
    "version": lambda text: lock_with(version=text),
    "layer": lambda text: lock_with(layer=text),
    "snapshot": lambda text: lock_with(snapshot=text),
    "runtime": lambda text: lock_with(runtime=text),
    "base reference": lambda text: lock_with(base={"reference": text}),
    "base id": lambda text: lock_with(base={"os_id": text}),
    "base version": lambda text: lock_with(base={"os_version": text}),
    "python": lambda text: lock_with(target={"python": text}),
    "architecture": lambda text: lock_with(target={"architecture": text}),
    "file name": lambda text: lock_with(source=index_file(filename=text)),
    "file name of a wheel": lambda text: lock_with(source=index_file(filename=f"{text}.whl")),
    "hash": lambda text: lock_with(source=index_file(sha256=text)),
    "index": lambda text: lock_with(source=index_file(index=text)),
    "address": lambda text: lock_with(source=url_file(url=f"https://files.example/{text}.zip")),
    "address of a wheel": lambda text: lock_with(
        source=url_file(filename="a-1.0-py3-none-any.whl", url=f"https://files.example/{text}")
    ),
    "subdirectory": lambda text: lock_with(source=url_file(subdirectory=text)),
    "commit": lambda text: lock_with(source=git(commit=text)),
    "source": lambda text: lock_with(source=git(path=f"sources/{text}")),
    "subdirectory of a source": lambda text: lock_with(source=git(subdirectory=text)),
    "captured wheel": lambda text: lock_with(source=CapturedWheel(path=f"wheels/{text}", sha256="a" * 64)),
    "debian package": lambda text: lock_with(source=AptPackage(package=text, version="1")),
    "debian version": lambda text: lock_with(source=AptPackage(package="a", version=text)),
    "build requirement": lambda text: lock_with(
        source=git(), requirement=msgspec.structs.replace(SETUPTOOLS, name=text)
    ),
    "build requirement's version": lambda text: lock_with(
        source=git(), requirement=msgspec.structs.replace(SETUPTOOLS, version=text)
    ),
    "build requirement's hash": lambda text: lock_with(
        source=git(), requirement=msgspec.structs.replace(SETUPTOOLS, sha256=text)
    ),
    "build requirement's file name": lambda text: lock_with(source=git(), support=support_with(filename=text)),
    "build requirement's address": lambda text: lock_with(
        source=git(), support=support_with(url=f"https://files.example/{text}")
    ),
}


def shape(context) -> tuple[list[str], dict[str, int]]:
    """The kinds of the Dockerfile's instructions, and of each other file its number of lines."""
    parsed = DockerfileParser(fileobj=io.BytesIO(context.files["Dockerfile"])).structure
    kinds = [item["instruction"] for item in parsed if item["instruction"] != "COMMENT"]
    # str.splitlines knows every kind of line end, also those that no tool here should see.
    return kinds, {name: len(content.decode().splitlines()) for name, content in context.files.items()}


def words(context) -> list[str]:
    """All that an installer, apt or a shell could take for an option or an expansion, beyond what is ours."""
    found = []
    for name, content in context.files.items():
        if name.startswith(("requirements/", "apt/", "builds/", "files/")) and "environments" not in name:
            for line in content.decode().splitlines():
                text = line.partition(" #")[0] if not line.startswith("#") else ""
                found += [word for word in text.split(" ")[1:] if not word.startswith(("--hash=sha256:", "@", "http"))]
                found += [char for char in "$`\\\"'" if char in text]
    return [word for word in found if not word.startswith("file:///run/dbmirror/sources/")]


@pytest.mark.parametrize("place", PLACES)
def test_a_hostile_value_is_refused_or_stays_a_value(place):
    benign = {"runtime": "15.4", "layer": "cluster", "python": "3.11.2", "hash": "b" * 64, "commit": "d" * 40}
    benign |= {
        "index": "https://index.example",
        "debian version": "1",
        "version": "1.0",
        "base version": "99",
        "name": "a",
    }
    benign |= {"build requirement's version": "81.0.0", "build requirement's hash": SETUPTOOLS.sha256}
    wheel = "a-1.0-py3-none-any"
    benign |= {"file name": f"{wheel}.whl", "file name of a wheel": wheel, "captured wheel": f"{wheel}.whl"}
    expected = shape(render(PLACES[place](benign.get(place, "benign")), lookup("15.4"), mirror="demo"))
    for text in HOSTILE:
        try:
            context = render(PLACES[place](text), lookup("15.4"), mirror="demo")
        except RenderError:
            continue
        assert (text, *shape(context)) == (text, *expected)
        assert (text, words(context)) == (text, [])


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_of_a_mirror_is_refused(text, everything):
    with pytest.raises(RenderError):
        render(everything, lookup("15.4"), mirror=text)


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.isprintable() and "\u202e" not in text])
def test_the_reason_of_a_waiver_reaches_the_label_as_it_is(text, everything):
    reason = f"{text} (hostile reason)"
    context = render(
        everything, lookup("15.4"), mirror="demo", settings=ImageSettings(waivers=(Waiver(rule="L02", reason=reason),))
    )
    (line,) = [line for line in context.files["Dockerfile"].decode().splitlines() if "io.dbmirror.waivers" in line]
    quoted = line.removeprefix('LABEL io.dbmirror.waivers="').removesuffix('"')
    assert quoted.replace('\\"', '"').replace("\\$", "$").replace("\\\\", "\\") == f"L02: {reason}"


@pytest.mark.parametrize("rule", ["L2", "L02\nRUN id", 'L02"'])
def test_a_waiver_of_no_rule_is_refused(rule, everything):
    settings = ImageSettings(waivers=(Waiver(rule=rule, reason="long enough a reason"),))
    with pytest.raises(RenderError):
        render(everything, lookup("15.4"), mirror="demo", settings=settings)


def test_what_is_refused_here_is_refused_when_a_lock_is_read_too():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(msgspec.to_builtins(lock_with(name="x\nRUN id")), Lock)
