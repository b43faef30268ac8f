"""Build contexts for R: byte for byte, linted, in the right order, and safe from hostile values."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from dockerfile_parse import DockerfileParser

from dbmirror.filters.flavour import Flavour
from dbmirror.lock.r.model import CapturedRPackage, CranFile, LockedRPackage, RAptPackage, RGitSource, RLock, RSource
from dbmirror.render.context import BuildContext
from dbmirror.render.dockerfile_templates import shipped_folder
from dbmirror.render.errors import RenderError
from dbmirror.render.image import linked_files, render
from dbmirror.render.image_settings import ImageSettings, RAptRepository
from dbmirror.render.r_debian_packages import needs
from dbmirror.render.r_layers import r_part
from dbmirror.runtimes.lookup import lookup
from tests.render.conftest import BOOKWORM, EVERYTHING, OFFICIAL, lock_of
from tests.render.steps import assert_foreign_code_meets_no_secret, steps
from tests.render.test_hostile import HOSTILE
from tests.supported import debian_lock

TOOLS = Path(sys.executable).parent
GOLDEN = Path(__file__).parent / "golden"
SNAPSHOT = "sha256:" + "5" * 64
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQINBGB=\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
CRAN = RAptRepository(location="https://cran.example/bin/linux/ubuntu noble-cran40/", key=KEY)


def cran(name: str, version: str, **changes: object) -> CranFile:
    filename = f"{name}_{version}.tar.gz"
    values = {
        "filename": filename,
        "url": f"https://cran.example/src/contrib/{filename}",
        "repository": "https://cran.example",
        "sha256": "a" * 64,
    }
    return CranFile(**(values | changes))


def package(name: str, version: str, source: RSource | None = None, **more: object) -> LockedRPackage:
    return LockedRPackage(name=name, version=version, source=source or cran(name, version), **more)


def r_lock(*packages: LockedRPackage, r_version: str = "4.2.2") -> RLock:
    return RLock(
        snapshot=SNAPSHOT,
        r_version=r_version,
        repositories=("https://cran.example",),
        packages=tuple(sorted(packages, key=lambda each: each.name)),
        fates=(),
    )


RLANG = package("rlang", "1.1.6", from_cluster_library=True, needs_compilation=True)
DPLYR = package("dplyr", "1.1.4", depends=("R6", "rlang", "vctrs"))
VCTRS = package("vctrs", "0.6.5", depends=("rlang",), needs_compilation=True)
R6 = package("R6", "2.5.1", RAptPackage(package="r-cran-r6", version="2.5.1-1"))
CURL = package(
    "curl", "6.4.0", system_requirements="libcurl (>= 7.73): libcurl-devel (rpm) or libcurl4-openssl-dev (deb)"
)
RMARKDOWN = package("rmarkdown", "2.29", system_requirements="pandoc (>= 1.14) - http://pandoc.org")
OLD = package("hwriterPlus", "1.0-3", cran("hwriterPlus", "1.0-3", sha256="b" * 64, archived=True))
BINARY = package("arrow", "19.0.1", cran("arrow", "19.0.1", binary=True))
FOLDER = package(
    "inhouse", "1.0", cran("inhouse", "1.0", path="r-sources/inhouse_1.0.tar.gz"), from_cluster_library=True
)
PRIVATE = package(
    "acme", "2.0.1", CapturedRPackage(path="r-sources/acme_2.0.1_R_x86_64-pc-linux-gnu.tar.gz", sha256="c" * 64)
)
REMOTE = package(
    "tool",
    "0.4.0",
    RGitSource(
        url="https://git.example/tool.git",
        commit="d" * 40,
        path=f"r-sources/tool-{'d' * 40}.tar.gz",
        sha256="e" * 64,
        subdirectory="r/tool",
    ),
    from_cluster_library=True,
)
ALL = r_lock(RLANG, DPLYR, VCTRS, R6, CURL, RMARKDOWN, OLD, BINARY, FOLDER, PRIVATE, REMOTE)
JAMMY = replace(BOOKWORM, reference="ubuntu:22.04", os_id="ubuntu", os_version="22.04")
RBASE = replace(OFFICIAL, reference="databricksruntime/rbase:17.3-LTS", os_version="24.04")


def of(flavour: Flavour, lock: RLock = ALL, *, base=BOOKWORM, settings: ImageSettings | None = None) -> BuildContext:
    python = replace(EVERYTHING, base=base) if flavour.has_python else lock_of(base=base)
    debian = debian_lock(python, r_lock=lock, flavour=flavour, settings=settings)
    return render(python, lookup("15.4"), mirror="demo", settings=settings, r_lock=lock, flavour=flavour, debian=debian)


CONTEXTS: dict[str, Callable[[], BuildContext]] = {
    "r": lambda: of(Flavour.R),
    "python-r": lambda: of(Flavour.PYTHON_R),
    "r-official": lambda: of(Flavour.R, r_lock(CURL, r_version="4.4.2"), base=RBASE),
    "python-r-official": lambda: of(
        Flavour.PYTHON_R, r_lock(DPLYR, r_version="4.4.2"), base=OFFICIAL, settings=ImageSettings(r_repository=CRAN)
    ),
    "r-nothing-built": lambda: of(Flavour.R, r_lock(R6)),
}


@pytest.fixture(params=list(CONTEXTS))
def context(request: pytest.FixtureRequest) -> BuildContext:
    return CONTEXTS[request.param]()


@pytest.fixture
def dockerfile(context: BuildContext) -> str:
    return context.files["Dockerfile"].decode()


@pytest.mark.parametrize("name", ["r", "python-r", "r-official", "python-r-official"])
def test_a_lock_gives_the_files_that_it_gave_before(name: str, request: pytest.FixtureRequest) -> None:
    shipped = ("scripts/", "r-scripts/", "requirements/", "build-constraints/")
    files = {file: content for file, content in CONTEXTS[name]().files.items() if not file.startswith(shipped)}
    folder = GOLDEN / name
    if request.config.getoption("--refresh-golden"):
        BuildContext(files).write(folder)
    stored = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert sorted(files) == sorted(stored)
    for file, content in files.items():
        assert content.decode() == stored[file].decode(), file


def test_hadolint_finds_nothing(dockerfile: str) -> None:
    done = subprocess.run(
        [TOOLS / "hadolint", "--format", "json", "-"], input=dockerfile, capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout) == []


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    scripts = sorted((shipped_folder("images") / "r" / "scripts").glob("*.sh"))
    done = subprocess.run(
        [TOOLS / "shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *scripts],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 0)


def mounted(dockerfile: str) -> list[str]:
    return re.findall(r"--mount=type=bind,source=([^,]+),", dockerfile)


@pytest.mark.parametrize("name", CONTEXTS)
def test_what_is_mounted_is_in_the_context_and_what_is_in_the_context_is_mounted(name: str) -> None:
    context = CONTEXTS[name]()
    linked = (
        linked_files(EVERYTHING, ALL) if name == "python-r" else linked_files(lock_of(), ALL) if name == "r" else {}
    )
    if name == "python-r-official":
        linked = linked_files(EVERYTHING)
    names = {*context.files, *linked} - {"Dockerfile", ".dockerignore"}
    sources = mounted(context.files["Dockerfile"].decode())
    for source in sources:
        assert any(file == source or file.startswith(f"{source}/") for file in names), source
    for file in names:
        assert any(file == source or file.startswith(f"{source}/") for source in sources), file
    allowed = context.files[".dockerignore"].decode().splitlines()[2:]
    assert allowed == sorted({f"!{file.partition('/')[0]}" for file in names})


def test_no_step_with_a_secret_runs_code_of_a_package(dockerfile: str) -> None:
    assert_foreign_code_meets_no_secret(dockerfile)


def test_what_the_image_is_given_of_debian_is_named_where_no_package_has_run() -> None:
    dockerfile = of(Flavour.R).files["Dockerfile"].decode()
    (named,) = [step for step in steps(dockerfile) if "name-r-libraries.sh" in step.scripts]
    assert named.below[0] == "r-compilers"
    assert "from=r-libraries," in dockerfile.rpartition("AS image")[2]


def test_compilers_stay_in_stages_that_only_built_packages_leave(dockerfile: str) -> None:
    image = dockerfile.rpartition("AS image")[2]
    assert "install-r.sh" not in image
    assert "build-r-packages.sh" not in image
    assert all(source == f"/r/{stage}" for stage, source in re.findall(r"from=build-r-([a-z]+),source=(\S+),", image))


def test_only_what_the_cluster_added_is_in_the_later_layer() -> None:
    layers = {layer.name: [each.name for each in layer.packages] for layer in r_part(ALL).layers}
    assert layers["cluster"] == ["inhouse", "tool"]


def test_a_cluster_library_that_the_runtimes_packages_need_is_built_before_them() -> None:
    (layer,) = r_part(r_lock(RLANG, DPLYR, VCTRS)).layers
    assert [each.name for each in layer.packages] == ["dplyr", "rlang", "vctrs"]


def test_a_package_of_apt_is_pinned_and_not_built() -> None:
    files = of(Flavour.R).files
    assert b"\nr-cran-r6=2.5.1-1\n" in files["apt/r.txt"]
    assert b"R6\t" not in files["r/runtime/packages.tsv"]


def test_declared_requirements_become_headers_for_the_build_and_programs_for_the_image() -> None:
    files = of(Flavour.R).files
    assert b"libcurl4-openssl-dev\n" in files["apt/r-build.txt"]
    assert b"libcurl" not in files["apt/r.txt"]
    assert b"pandoc\n" in files["apt/r.txt"]
    assert b"pandoc" not in files["apt/r-build.txt"]


@pytest.mark.parametrize(
    ("said", "build"),
    [
        ("OpenSSL >= 1.0.2", {"libssl-dev"}),
        ("libxml2: libxml2-dev (deb), libxml2-devel (rpm)", {"libxml2-dev"}),
        ("freetype2, libpng, libtiff, libjpeg, libwebp, libwebpmux", {"libfreetype-dev", "libpng-dev", "libtiff-dev"}),
        ("GNU make, zlib: zlib1g-dev (deb), zlib-devel (rpm)", {"zlib1g-dev"}),
        ("ICU4C (>= 61, optional)", {"libicu-dev"}),
        ("libgit2 (>= 1.0): libgit2-devel (rpm) or libgit2-dev (deb)", {"libgit2-dev"}),
        ("V8 engine version 6+ is needed for ES6 and WASM support.", {"libnode-dev"}),
        ("GDAL (>= 2.0.1), GEOS (>= 3.4.0), PROJ (>= 4.8.0), sqlite3", {"libgdal-dev", "libproj-dev"}),
        ("Cargo (Rust's package manager), rustc", {"cargo"}),
    ],
)
def test_the_words_of_real_packages_are_understood(said: str, build: set[str]) -> None:
    found = {name for need in needs() if need.fits(package("x", "1", system_requirements=said)) for name in need.build}
    assert build <= found


def test_words_that_only_look_alike_ask_for_nothing() -> None:
    said = "C++17, GNU make, a Javascript engine, Spark: 2.x, or 3.x, or 4.x; USE_C17"
    assert not [need for need in needs() if need.fits(package("x", "1", system_requirements=said))]


def test_every_need_has_a_reason_and_a_pattern_or_a_name() -> None:
    for need in needs():
        assert need.reason.endswith(".")
        assert need.requirement or need.packages
        assert need.build or need.run


def test_a_base_with_another_r_is_refused_unless_an_apt_repository_has_the_clusters() -> None:
    with pytest.raises(RenderError, match=r"has R 4.1.2, and the cluster runs R 4.2.2") as caught:
        of(Flavour.R, base=JAMMY)
    assert "apt_repository" in caught.value.remedy
    of(Flavour.R, base=JAMMY, settings=ImageSettings(r_repository=CRAN))
    assert CRAN.sources("/r.asc") == (
        "Types: deb\nURIs: https://cran.example/bin/linux/ubuntu\nSuites: noble-cran40/\nSigned-By: /r.asc\n"
    )


def test_r_and_what_comes_with_it_are_pinned_to_the_clusters_version() -> None:
    preferences = of(Flavour.R).files["apt/r.preferences"].decode()
    assert preferences.startswith("Package: r-base r-base-core r-base-dev ")
    assert preferences.endswith("\nPin: version /^4\\.2\\.2[-.+~]/\nPin-Priority: 1001\n")


def test_an_image_for_r_alone_has_neither_python_packages_nor_a_language_server() -> None:
    files = of(Flavour.R).files
    assert "requirements/environments/tools.txt" in files
    assert "requirements/environments/python-lsp.txt" not in files
    with pytest.raises(RenderError, match="cannot have the lock's Python packages"):
        render(EVERYTHING, lookup("15.4"), mirror="demo", r_lock=ALL, flavour=Flavour.R)


def test_halves_of_two_snapshots_and_a_missing_half_are_refused() -> None:
    with pytest.raises(RenderError, match="do not belong"):
        of(Flavour.PYTHON_R, replace(ALL, snapshot="sha256:other"))
    with pytest.raises(RenderError, match="needs the lock's R half"):
        render(EVERYTHING, lookup("15.4"), mirror="demo", flavour=Flavour.PYTHON_R)
    with pytest.raises(RenderError, match="do not belong"):
        render(EVERYTHING, lookup("15.4"), mirror="demo", r_lock=ALL)


def test_the_labels_say_which_flavour_it_is_and_a_python_image_has_none() -> None:
    assert 'LABEL io.dbmirror.flavour="python-r"' in of(Flavour.PYTHON_R).files["Dockerfile"].decode()
    python = render(EVERYTHING, lookup("15.4"), mirror="demo")
    assert b"io.dbmirror.flavour" not in python.files["Dockerfile"]


def test_only_binaries_are_asked_for_in_rs_own_name() -> None:
    files = of(Flavour.R).files
    rows = {row[0]: row for row in (line.split("\t") for line in files["files/r-runtime.tsv"].decode().splitlines())}
    assert rows["arrow_19.0.1.tar.gz"][3] == "R/4.2.2 R (4.2.2 x86_64-pc-linux-gnu x86_64 linux-gnu)"
    assert {row[3] for name, row in rows.items() if not name.startswith("arrow_") and len(row) > 3} == {""}


def test_a_source_that_cran_may_move_is_looked_for_in_its_archive_then() -> None:
    files = of(Flavour.R).files
    rows = {row[0]: row for row in (line.split("\t") for line in files["files/r-runtime.tsv"].decode().splitlines())}
    assert rows["dplyr_1.1.4.tar.gz"][4] == "https://cran.example/src/contrib/Archive/dplyr/dplyr_1.1.4.tar.gz"
    assert len(rows["arrow_19.0.1.tar.gz"]) == 4
    assert len(rows["hwriterPlus_1.0-3.tar.gz"]) == 3


def test_the_order_of_the_lock_does_not_matter() -> None:
    assert (
        of(Flavour.R, replace(ALL, packages=ALL.packages[::-1])).files["r/runtime/packages.tsv"]
        == (of(Flavour.R).files["r/runtime/packages.tsv"])
    )


PLACES: dict[str, Callable[[str], RLock]] = {
    "name": lambda text: r_lock(replace(CURL, name=text)),
    "version": lambda text: r_lock(replace(CURL, version=text)),
    "needed": lambda text: r_lock(replace(CURL, depends=(text,))),
    "requirements": lambda text: r_lock(replace(CURL, system_requirements=f"libcurl {text}")),
    "r": lambda text: replace(r_lock(CURL), r_version=text),
    "address": lambda text: r_lock(package("a", "1.0", cran("a", "1.0", url=f"https://cran.example/{text}"))),
    "scheme": lambda text: r_lock(package("a", "1.0", cran("a", "1.0", url=f"{text}://cran.example/a"))),
    "file name": lambda text: r_lock(package("a", "1.0", cran("a", "1.0", filename=text))),
    "sha256": lambda text: r_lock(package("a", "1.0", cran("a", "1.0", sha256=text))),
    "copy": lambda text: r_lock(package("a", "1.0", cran("a", "1.0", path=f"r-sources/{text}"))),
    "captured": lambda text: r_lock(package("a", "1", CapturedRPackage(path=f"r-sources/{text}", sha256="a" * 64))),
    "commit": lambda text: r_lock(replace(REMOTE, source=msgspec.structs.replace(REMOTE.source, commit=text))),
    "remote": lambda text: r_lock(
        replace(REMOTE, source=msgspec.structs.replace(REMOTE.source, url=f"https://git.example/{text}"))
    ),
    "subdirectory": lambda text: r_lock(
        replace(REMOTE, source=msgspec.structs.replace(REMOTE.source, subdirectory=text))
    ),
    "debian package": lambda text: r_lock(replace(R6, source=RAptPackage(package=text, version="1"))),
    "debian version": lambda text: r_lock(replace(R6, source=RAptPackage(package="r-cran-r6", version=text))),
}


def shape(context: BuildContext) -> tuple[list[str], dict[str, list[int]]]:
    """The kinds of the Dockerfile's instructions, and the number of fields of each line of what the scripts read."""
    parsed = DockerfileParser(fileobj=io.BytesIO(context.files["Dockerfile"])).structure
    kinds = [item["instruction"] for item in parsed if item["instruction"] != "COMMENT"]
    read = ("r/", "apt/r", "files/r-")
    ours = {name: content.decode() for name, content in context.files.items() if name.startswith(read)}
    return kinds, {name: [len(line.split("\t")) for line in text.splitlines()] for name, text in ours.items()}


@pytest.mark.parametrize("place", PLACES)
def test_a_hostile_value_is_refused_or_stays_a_value(place: str) -> None:
    benign = {
        "version": "1.0",
        "r": "4.2.2",
        "scheme": "https",
        "sha256": "b" * 64,
        "commit": "c" * 40,
    }
    benign |= {"debian version": "1", "file name": "a_1.0.tar.gz"}
    expected = shape(of(Flavour.R, PLACES[place](benign.get(place, "benign"))))
    for text in HOSTILE:
        try:
            context = of(Flavour.R, PLACES[place](text))
        except RenderError:
            continue
        assert (text, *shape(context)) == (text, *expected)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_apt_repository_is_refused(text: str) -> None:
    for location in (text, f"https://cran.example/ {text}"):
        with pytest.raises(RenderError):
            RAptRepository(location=location).sources()
    with pytest.raises(RenderError):
        RAptRepository(location=CRAN.location, key=text).sources()


def test_credentials_in_an_address_are_refused() -> None:
    with pytest.raises(RenderError):
        of(Flavour.R, r_lock(package("a", "1", cran("a", "1", url="https://u:p@h/a"))))
    with pytest.raises(RenderError):
        RAptRepository(location="https://u:p@cran.example/ focal/").sources()
