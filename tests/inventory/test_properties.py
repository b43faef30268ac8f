"""Whatever a host sends, what comes out fits the model's grammar or is a problem."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbmirror.files import canonical_json
from dbmirror.foreign_text.clean_urls import CredentialsInUrl, clean_url
from dbmirror.inventory.assemble import assemble
from dbmirror.inventory.collector_answer import (
    Entry,
    Facts,
    Folder,
    Jars,
    Layer,
    Python,
    RDescription,
    RLibrary,
    Unreadable,
    Variables,
    Wire,
)
from dbmirror.inventory.model import Inventory
from dbmirror.inventory.python_packages import distributions

HOSTILE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "1.0\nRUN evil",
            "$(touch /tmp/x)",
            "--index-url=http://evil.example",
            "a\u2028b",
            "a\x85b",
            "\x1b]0;x\x07",
            "'; DROP",
            '"',
            "{{ 7*7 }}",
            "a" * 10_000,
            "\ufffd",
            "..",
            "",
        ]
    ),
    st.text("abcxyzABCXYZ0189._-", min_size=1, max_size=21),
)
FILES = st.dictionaries(
    st.sampled_from(["METADATA", "PKG-INFO", "INSTALLER", "WHEEL", "direct_url.json", "requires.txt", "target"]),
    st.one_of(
        HOSTILE,
        st.builds("Name: {}\nVersion: {}\nRequires-Dist: {}\nRequires-Python: {}\n".format, *[HOSTILE] * 4),
        st.builds("Tag: {}\nBuild: {}\n".format, HOSTILE, HOSTILE),
        st.builds(
            lambda url, commit: json.dumps({"url": url, "vcs_info": {"vcs": "git", "commit_id": commit}}),
            HOSTILE,
            HOSTILE,
        ),
    ),
)
KINDS = st.sampled_from(["dist-info", "egg-info", "egg", "egg-link"])
ENTRIES = st.builds(
    lambda name, kind, files, problems, record, owner: Entry(
        name=f"{name}.{kind}", kind=kind, files=files, problems=problems, record=record, owner=owner
    ),
    HOSTILE,
    KINDS,
    FILES,
    st.dictionaries(HOSTILE, HOSTILE, max_size=1),
    st.none() | st.tuples(*[st.integers(0, 9)] * 3),
    st.none() | HOSTILE,
)
FOLDERS = st.builds(
    Folder,
    layer=st.sampled_from(Layer),
    path=HOSTILE.map(lambda path: "/" + path) | HOSTILE,
    via=st.just("") | HOSTILE,
    entries=st.lists(ENTRIES, max_size=4).map(tuple),
)
WIRES = st.builds(
    Wire,
    wire=st.just(1),
    python=st.just(Python(path="/usr/bin/python3", version="3.11.2", implementation="cpython")),
    interpreters=st.just(()),
    folders=st.lists(FOLDERS, max_size=3).map(tuple),
    r_libraries=st.lists(
        st.builds(
            RLibrary,
            path=HOSTILE.map(lambda path: "/" + path),
            packages=st.lists(
                st.builds(
                    RDescription,
                    name=HOSTILE,
                    description=st.none()
                    | st.builds("Package: {}\nVersion: {}\nImports: {}\nRemoteSha: {}\n".format, *[HOSTILE] * 4),
                    problem=st.none() | HOSTILE,
                    owner=st.none() | HOSTILE,
                ),
                max_size=3,
            ).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    dpkg_status=st.lists(
        st.builds("Package: {}\nVersion: {}\nArchitecture: {}\nStatus: install ok installed\n".format, *[HOSTILE] * 3),
        max_size=3,
    ).map("\n".join),
    jars=st.builds(Jars, folder=st.just("/databricks/jars"), names=st.lists(HOSTILE, max_size=3).map(tuple)),
    facts=st.builds(
        Facts,
        architecture=st.just("x86_64"),
        libc=HOSTILE,
        os_release=st.builds("ID={}\nVERSION_ID={}\n".format, HOSTILE, HOSTILE),
        runtime_version=HOSTILE,
        spark_version=HOSTILE,
        java_release=st.builds("JAVA_VERSION={}\n".format, HOSTILE),
        scala=HOSTILE,
    ),
    variables=st.builds(
        Variables, names=st.lists(HOSTILE, max_size=3).map(tuple), values=st.dictionaries(HOSTILE, HOSTILE, max_size=2)
    ),
    errors=st.lists(
        st.builds(Unreadable, path=HOSTILE, reason=HOSTILE, layer=st.none() | st.sampled_from(Layer)), max_size=2
    ).map(tuple),
)


@given(WIRES)
def test_an_inventory_of_hostile_content_always_fits_the_grammar(wire: Wire) -> None:
    inventory = assemble(wire, host="driver")

    assert msgspec.json.decode(canonical_json(inventory), type=Inventory) == inventory


@given(st.lists(ENTRIES, max_size=6).map(tuple))
def test_every_entry_is_a_distribution_or_a_problem(entries: tuple[Entry, ...]) -> None:
    folder = Folder(layer=Layer.RUNTIME, path="/site", via="", entries=entries)
    links = sum(entry.kind == "egg-link" and entry.files.get("target") == "/site" for entry in entries)
    # What apt describes twice is one package: only there may two entries give one value.
    by_apt = sum(entry.owner is not None for entry in entries)

    assert len(entries) - links - by_apt <= len(list(distributions([folder]))) <= len(entries)


SECRET = "hunter2hunter2"
NOISE = st.text(st.sampled_from("aZ0/:@?#&;=%._-[]\\ "), max_size=12)


@given(NOISE, NOISE, st.sampled_from(["https", "ssh", "git+https", "http", "ftp"]))
@example("u", "", "https")
@example("u:x/", "h", "https")
def test_a_password_never_comes_through(before: str, after: str, scheme: str) -> None:
    url = f"{scheme}://user:{SECRET}@h.example/{before}?{after}&token={SECRET}"
    try:
        clean = clean_url(url)
    except CredentialsInUrl:
        return
    assert SECRET not in clean


@given(NOISE, NOISE)
def test_a_secret_before_the_host_never_comes_through_whatever_is_around_it(before: str, after: str) -> None:
    url = f"https://{before}:{SECRET}@{after}"
    try:
        clean = clean_url(url)
    except CredentialsInUrl:
        return
    if SECRET in clean:
        pytest.fail(f"{url!r} became {clean!r}")


@pytest.mark.parametrize("stated", ["glibc 2.99999999999", "glibc 2.\u0663\u0665", "glibc 2", "musl 1.2"])
def test_a_c_library_of_no_version_is_an_unknown_one(stated: str) -> None:
    """Its minor versions are counted down from it where wheels are looked for."""
    facts = Facts(
        architecture="x86_64",
        libc=stated,
        os_release="ID=ubuntu\nVERSION_ID=22.04\n",
        runtime_version="",
        spark_version="",
        java_release="",
        scala="",
    )
    wire = Wire(
        wire=1,
        python=Python(path="/usr/bin/python3", version="3.11.2", implementation="cpython"),
        interpreters=(),
        folders=(),
        r_libraries=(),
        dpkg_status="",
        jars=Jars(folder="/databricks/jars", names=()),
        facts=facts,
        variables=Variables(names=(), values={}),
        errors=(),
    )
    assert assemble(wire, host="driver").glibc is None
