"""The lists of Debian packages name each at its locked version."""

from __future__ import annotations

from dataclasses import replace

from dbmirror.lock.model import AptPackage
from dbmirror.render.debian_versions import unpinned_packages
from dbmirror.render.image import render
from dbmirror.runtimes.lookup import lookup


def test_each_list_names_the_locked_version_and_keeps_what_has_one(everything):
    plain = render(everything, lookup("15.4"), mirror="demo").files
    names = unpinned_packages(plain)
    locked = replace(everything, debian=tuple(AptPackage(package=name, version="1:2-3") for name in names))

    files = render(locked, lookup("15.4"), mirror="demo").files

    assert {"sudo", "git", "libpq-dev", "build-essential"} <= set(names)
    assert b"\nsudo=1:2-3\n" in files["apt/system.txt"]
    assert b"libpq-dev=1:2-3\n" in files["apt/build-runtime.txt"]
    assert b"python3-dbus=1.3.2-4+b1\n" in files["apt/packages.txt"], "a package of the cluster keeps the cluster's"
    assert unpinned_packages(files) == ()
    assert files["Dockerfile"].split(b"LABEL")[0] == plain["Dockerfile"].split(b"LABEL")[0]


def test_r_itself_is_left_to_its_own_pin():
    assert unpinned_packages({"apt/r.txt": b"# R\nr-base\nr-base-core\nr-cran-digest\n", "apt/x": b"no-list\n"}) == (
        "r-cran-digest",
    )
