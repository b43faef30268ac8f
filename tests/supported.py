"""A lock that is made by hand, with the wheels and the Debian packages that a build of it works with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from dbmirror.ca_bundle import find_ca_bundle
from dbmirror.files import sha256_hex
from dbmirror.filters.flavour import Flavour
from dbmirror.lock.debs.base_apt import BaseApt, RApt
from dbmirror.lock.debs.model import DebFile, DebianLock, DebianStep, LockedStep
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.lock.model import AptPackage, BuildRequirement, IndexFile, Lock
from dbmirror.lock.r.model import RLock
from dbmirror.render.debian_steps import debian_steps
from dbmirror.render.file_groups import pinned_requirements
from dbmirror.render.image import render
from dbmirror.render.image_settings import ImageSettings
from dbmirror.render.r_layers import r_preferences
from dbmirror.runtimes.lookup import lookup

SETUPTOOLS = BuildRequirement(name="setuptools", version="81.0.0", sha256=hashlib.sha256(b"setuptools").hexdigest())


def supported(lock: Lock, flavour: Flavour = Flavour.PYTHON_R) -> Lock:
    """`lock` with the installer, the environments' tools, and setuptools for each package that is built."""
    lines = [
        line for lines in pinned_requirements(lock, lookup(lock.runtime), flavour=flavour).values() for line in lines
    ]
    pins = [match.groups() for line in lines if (match := re.match(r"(\S+)==(\S+) --hash=sha256:(\S+)", line))]
    packages = tuple(
        replace(package, build_requires=(SETUPTOOLS,))
        if not package.source.is_wheel and not isinstance(package.source, AptPackage)
        else package
        for package in lock.packages
    )
    if packages != lock.packages:
        pins.append((SETUPTOOLS.name, SETUPTOOLS.version, SETUPTOOLS.sha256))
    files = {
        sha256: IndexFile(
            filename=f"{name.replace('-', '_')}-{version}-py3-none-any.whl",
            url=f"https://files.example/{name}-{version}-py3-none-any.whl",
            sha256=sha256,
            index="https://index.example/simple",
        )
        for name, version, sha256 in pins
    }
    support = tuple(sorted(files.values(), key=lambda file: (file.filename, file.sha256)))
    return replace(lock, packages=packages, support=support)


def with_debs(lock: MirrorLock) -> MirrorLock:
    """`lock` with a Debian package for each step that its image installs some in."""
    return replace(lock, debian=debian_lock(lock.python, r_lock=lock.r_in_image, flavour=lock.flavour))


def debian_lock(
    lock: Lock,
    *,
    r_lock: RLock | None = None,
    flavour: Flavour = Flavour.PYTHON,
    settings: ImageSettings | None = None,
) -> DebianLock:
    """The Debian packages of the image of `lock`: one for each step."""
    draft = render(lock, lookup(lock.runtime), mirror="demo", settings=settings, r_lock=r_lock, flavour=flavour)
    return DebianLock(
        base=lock.base.reference,
        image_id=lock.base.image_id,
        steps=tuple(locked_step(step) for step in debian_steps(draft.files)),
    )


def locked_step(step: DebianStep, version: str = "1%3a2.0~x+1") -> LockedStep:
    """`step` with a file of its own name."""
    name = f"{step.name}_{version}_amd64.deb"
    url = f"http://archive.example/pool/{name.replace('+', '%2b')}"
    file = DebFile(filename=name, url=url, sha256=sha256_hex(name.encode()), size=1)
    return LockedStep(
        name=step.name, below=step.below, packages=step.packages, preferences=step.preferences, files=(file,)
    )


def chosen_debs(
    lock: Lock,
    *,
    r_lock: RLock | None = None,
    flavour: Flavour = Flavour.PYTHON,
    known: Sequence[LockedStep] = (),
) -> DebianLock:
    """The Debian packages of the image of `lock` as its base's apt chooses them now; those of `known` as they are."""
    draft = render(lock, lookup(lock.runtime), mirror="demo", r_lock=r_lock, flavour=flavour)
    given = {step.name: step for step in known}
    wanted = debian_steps(draft.files)
    r = RApt(preferences=r_preferences(r_lock.r_version)) if r_lock is not None else None
    with BaseApt(lock.base, internal_hosts=frozenset(), ca_bundle=find_ca_bundle(None), r=r) as apt:
        chosen = apt.lock([step for step in wanted if step.name not in given])
    steps = {step.name: step for step in chosen.steps} | given
    return structs.replace(chosen, steps=tuple(steps[step.name] for step in wanted))
