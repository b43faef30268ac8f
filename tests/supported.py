"""A lock that is made by hand, with the wheels that a build of it works with."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

from dbmirror.filters.flavour import Flavour
from dbmirror.lock.model import AptPackage, BuildRequirement, IndexFile, Lock
from dbmirror.render.file_groups import pinned_requirements
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
