"""The steps that install Debian packages: what each is asked for, after which, and the files that it is handed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import structs

from dbmirror.filters.flavour import Flavour
from dbmirror.lock.debs.model import DebianLock
from dbmirror.render.debian_steps import debian_steps
from dbmirror.render.errors import RenderError
from dbmirror.render.image import all_file_groups, render
from dbmirror.runtimes.lookup import lookup
from tests.render.steps import steps
from tests.render.test_hostile import HOSTILE, shape
from tests.render.test_r_layers import CURL, of, r_lock
from tests.supported import debian_lock


def rendered(lock, debian: DebianLock | None):
    return render(lock, lookup("15.4"), mirror="demo", debian=debian)


def test_each_step_comes_after_the_one_whose_packages_are_there(everything) -> None:
    found = {step.name: step for step in debian_steps(rendered(everything, None).files)}
    assert [(name, step.below) for name, step in found.items()] == [
        ("system", None),
        ("compilers", "system"),
        ("build-runtime", "compilers"),
        ("packages", "system"),
    ]
    assert {"sudo", "python3.11"} < set(found["system"].packages)
    assert "python3-dbus=1.3.2-4+b1" in found["packages"].packages
    assert not any(word.startswith("#") for step in found.values() for word in step.packages)
    assert not any(step.preferences for step in found.values())


def test_where_there_is_r_its_preferences_hold_from_its_own_step_on() -> None:
    found = {step.name: step for step in debian_steps(of(Flavour.PYTHON_R, r_lock(CURL)).files)}
    assert [(name, step.below, step.preferences) for name, step in found.items()] == [
        ("system", None, False),
        ("compilers", "system", False),
        ("build-runtime", "compilers", False),
        ("r", "system", True),
        ("r-build", "r", True),
        ("packages", "r", True),
    ]


def test_an_official_base_is_what_the_first_steps_run_on(locks) -> None:
    found = {step.name: step.below for step in debian_steps(rendered(locks["official"], None).files)}
    assert found == {"compilers": None, "build-runtime": "compilers", "packages": None}


def test_every_step_of_apt_has_no_network_and_is_handed_the_files_of_its_own_step() -> None:
    dockerfile = of(Flavour.PYTHON_R).files["Dockerfile"].decode()
    apt = [
        step
        for step in steps(dockerfile)
        if step.scripts & {"install-apt.sh", "install-r.sh", "install-r-libraries.sh"}
    ]
    assert len(apt) == 7
    for step in apt:
        assert step.offline
        assert "type=secret" not in step.text
        assert step.text.count("from=files-debian-") == 1
    (libraries,) = [step for step in apt if "install-r-libraries.sh" in step.scripts]
    assert "from=files-debian-r-build," in libraries.text, "out of what the packages were built with"


def test_the_files_are_among_the_groups_of_the_build_and_in_its_lists(everything) -> None:
    debian = debian_lock(everything)
    groups = all_file_groups(everything, lookup("15.4"), flavour=Flavour.PYTHON, r_lock=None, debian=debian)
    (file,) = groups["debian-system"]
    assert file.sha256 == debian.steps[0].files[0].sha256
    row = f"{file.name}\t{file.sha256}\thttp://archive.example/pool/system_1%3a2.0~x%2b1_amd64.deb\n"
    assert rendered(everything, debian).files["files/debian-system.tsv"].decode() == row


def test_a_step_that_needs_nothing_is_handed_nothing(everything) -> None:
    debian = debian_lock(everything)
    first, *rest = debian.steps
    nothing = structs.replace(debian, steps=(structs.replace(first, files=()), *rest))
    files = rendered(everything, nothing).files
    assert b"files-debian-system" not in files["Dockerfile"]
    assert "files/debian-system.tsv" not in files


def test_packages_of_another_lock_are_refused_with_the_command_that_chooses_them(everything) -> None:
    debian = debian_lock(everything)
    first, *rest = debian.steps
    for other in (
        DebianLock(),
        structs.replace(debian, steps=tuple(rest)),
        structs.replace(debian, steps=(structs.replace(first, packages=(*first.packages, "evil")), *rest)),
        structs.replace(debian, steps=(structs.replace(first, below="compilers"), *rest)),
    ):
        with pytest.raises(RenderError, match="not for the Debian packages") as caught:
            rendered(everything, other)
        assert "'dbmirror lock demo'" in caught.value.remedy


def test_the_digest_of_the_debian_packages_is_a_label(everything) -> None:
    assert (
        b'LABEL io.dbmirror.debian-lock="sha256:' in rendered(everything, debian_lock(everything)).files["Dockerfile"]
    )


PLACES: dict[str, Callable[[str], dict[str, str]]] = {
    "file name": lambda text: {"filename": text},
    "version": lambda text: {"filename": f"a_{text}_amd64.deb"},
    "address": lambda text: {"url": f"http://archive.example/{text}"},
    "host": lambda text: {"url": f"http://{text}/a.deb"},
    "scheme": lambda text: {"url": f"{text}://archive.example/a.deb"},
    "hash": lambda text: {"sha256": text},
}


@pytest.mark.parametrize("text", [*HOSTILE, "../../etc/cron.d/a_1_all.deb", "file:///etc/shadow", "\tx"])
@pytest.mark.parametrize("place", PLACES)
def test_a_hostile_value_is_refused_or_stays_a_value(place: str, text: str, everything) -> None:
    debian = debian_lock(everything)
    first, *rest = debian.steps
    expected = shape(rendered(everything, debian))
    file = structs.replace(first.files[0], **PLACES[place](text))
    try:
        context = rendered(everything, structs.replace(debian, steps=(structs.replace(first, files=(file,)), *rest)))
    except RenderError:
        return
    assert shape(context) == expected
    (row,) = context.files["files/debian-system.tsv"].decode().splitlines()
    name, sha256, url = row.split("\t")
    assert "/" not in name
    assert len(sha256) == 64
    assert not set(url) & set(" $`\\\"'")
