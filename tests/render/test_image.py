"""A lock as the files of a build context: where each kind of package goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbmirror.filters.flavour import Flavour
from dbmirror.lock.model import BaseImage, BaseKind, ImageLayer, IndexFile, UrlFile
from dbmirror.lock.python.lock_files import lock_digest
from dbmirror.render.errors import RenderError
from dbmirror.render.file_groups import build_needs
from dbmirror.render.image import linked_files, render
from dbmirror.render.image_settings import ImageSettings
from dbmirror.runtimes.lookup import lookup
from tests.supported import SETUPTOOLS


def files_of(lock, **settings) -> dict[str, str]:
    context = render(lock, lookup(lock.runtime), mirror="demo", settings=ImageSettings(**settings))
    return {name: content.decode() for name, content in context.files.items()}


def test_a_wheel_of_an_index_is_pinned_by_name_version_and_hash(everything):
    assert files_of(everything)["requirements/runtime.txt"].splitlines()[1].startswith("numpy==1.23.5 --hash=sha256:")


def test_a_source_distribution_is_built_and_not_installed_as_a_wheel(everything):
    files = files_of(everything)
    assert (
        files["builds/runtime/packages.tsv"]
        .splitlines()[0]
        .startswith("psycopg2\t2.9.3\tfiles/psycopg2-2.9.3.tar.gz\t")
    )
    assert "psycopg2-2.9.3.tar.gz\t" in files["files/build-runtime.tsv"]
    assert "psycopg2" not in files["requirements/runtime.txt"]


def test_headers_stay_in_the_build_stage_and_libraries_go_into_the_image(everything):
    files = files_of(everything)
    assert "libpq-dev\n" in files["apt/build-runtime.txt"]
    assert "libpq5\n" in files["apt/packages.txt"]
    assert "-dev" not in files["apt/packages.txt"] + files["apt/system.txt"]


def test_a_program_that_a_package_calls_goes_into_the_image_though_it_is_a_wheel(everything):
    assert "git\n" in files_of(everything)["apt/packages.txt"]


def test_what_a_build_requires_is_pinned_by_hash_for_each_package_and_among_its_files(everything):
    files = files_of(everything)
    assert files["builds/runtime/requirements/pyyaml.txt"] == f"setuptools==81.0.0 --hash=sha256:{SETUPTOOLS.sha256}\n"
    assert SETUPTOOLS.sha256 in files["files/build-runtime.tsv"]


def test_a_package_has_its_own_build_constraints_beside_those_of_all(everything):
    needs = build_needs(everything, lookup("15.4"), flavour=Flavour.PYTHON)
    assert needs.constraints["pyyaml"] == ("setuptools<82", "cython<3")
    assert needs.constraints[""] == ("setuptools<82",)
    assert needs.extra["fasttext"] == ("pybind11",)
    assert needs.built["pygobject"] == ("pycairo==1.26.1",)


def test_a_lock_that_does_not_say_where_a_needed_file_is_cannot_be_rendered(everything):
    with pytest.raises(RenderError, match="does not say where a file comes from"):
        files_of(replace(everything, support=()))


def test_a_debian_package_is_pinned_at_the_clusters_version(everything):
    assert "python3-dbus=1.3.2-4+b1\n" in files_of(everything)["apt/packages.txt"]


def test_a_captured_wheel_is_installed_from_its_layers_folder_by_hash(everything):
    assert files_of(everything)["requirements/cluster.captured.txt"].startswith("acme-pricing==1.4+db1 --hash=sha256:")
    assert linked_files(everything)["wheels/cluster/acme_pricing-1.4+db1-py3-none-any.whl"] == (
        "wheels/acme_pricing-1.4+db1-py3-none-any.whl"
    )


def test_a_vendored_source_is_built_from_its_layers_folder_by_hash(everything):
    name = f"acme-tools-{'c' * 40}.tar.gz"
    line = files_of(everything)["builds/notebook/packages.tsv"].splitlines()[1]
    assert line.split("\t")[:3] == ["acme-tools", "0.3", f"sources/{name}"]
    assert line.endswith("\tpython/tools")
    assert linked_files(everything)[f"sources/notebook/{name}"] == f"sources/{name}"


def test_an_archive_keeps_its_address_without_anything_that_a_shell_would_read_into_it(everything):
    files = files_of(everything)
    assert "\thttps://files.example/%24a/itsdangerous-" in files["files/notebook.tsv"]
    assert files["requirements/notebook.txt"].startswith("itsdangerous==2.1.2 --hash=sha256:")


def test_archives_of_addresses_get_names_of_their_own(everything):
    files = files_of(everything)
    report = next(line for line in files["files/build-notebook.tsv"].splitlines() if "report.zip" in line)
    name = report.partition("\t")[0]
    assert name.startswith("acme-report-")
    assert name.endswith(".zip")
    assert f"\tfiles/{name}\t" in files["builds/notebook/packages.tsv"]
    assert report.endswith("\thttps://files.example/report.zip")


def test_packages_of_the_system_layer_that_apt_lacks_are_installed_before_the_runtimes(make_lock, make_package):
    source = IndexFile(
        filename="wadllib-1.3.6.tar.gz", url="https://files.example/w", sha256="a" * 64, index="https://index.example"
    )
    files = files_of(make_lock(make_package("wadllib", "1.3.6", source, ImageLayer.SYSTEM)))
    assert files["builds/system/packages.tsv"].startswith("wadllib\t1.3.6\t")
    assert "AS build-system" in files["Dockerfile"]


def test_a_lock_without_packages_still_makes_an_image(make_lock):
    files = files_of(make_lock())
    assert "apt/packages.txt" not in files
    assert "install-packages.sh" not in files["Dockerfile"]


def test_java_is_the_runtimes_where_the_distribution_has_it(locks):
    assert "openjdk-17-jre-headless\n" in files_of(locks["runtime-17.3"])["apt/system.txt"]
    assert "openjdk-8-jre-headless\n" in files_of(locks["runtime-10.4"])["apt/system.txt"]


def test_another_java_is_said_where_the_distribution_lacks_it(locks):
    system = files_of(locks["wheels"])["apt/system.txt"]
    assert "default-jre-headless\n" in system
    assert "Java 8; on debian 12 the default stands in" in system


def test_the_override_of_fips_mode_is_for_the_runtimes_that_need_it(locks):
    assert "OPENSSL_FORCE_FIPS_MODE=0" in files_of(locks["runtime-17.3"])["Dockerfile"]
    assert "OPENSSL_FORCE_FIPS_MODE" not in files_of(locks["wheels"])["Dockerfile"]


def test_a_base_without_the_clusters_python_is_refused_with_bases_that_have_it(make_lock):
    with pytest.raises(RenderError, match=r"debian 12\) has no Python 3\.12") as caught:
        files_of(make_lock(runtime="17.3", python="3.12.3"))
    assert "ubuntu-24.04" in caught.value.remedy
    assert "databricksruntime/python:17.3-LTS" in caught.value.remedy


def test_a_base_that_has_only_a_release_candidate_says_so(make_lock):
    base = BaseImage(reference="ubuntu:22.04", kind=BaseKind.BARE, os_id="ubuntu", os_version="22.04")
    assert "release candidate" in files_of(make_lock(base=base))["apt/system.txt"]


def test_a_runtime_whose_tools_are_unknown_needs_the_official_base(make_lock, bases):
    with pytest.raises(RenderError, match="does not know which virtualenv") as caught:
        files_of(make_lock(base=bases["ubuntu 24.04"], runtime="18.3", python="3.12.3"))
    assert "databricksruntime/python:18.3-LTS" in caught.value.remedy


def test_a_version_that_no_installer_takes_is_named(make_lock, make_package):
    source = IndexFile(
        filename="odd-1-py3-none-any.whl",
        url="https://files.example/odd",
        sha256="a" * 64,
        index="https://index.example",
    )
    with pytest.raises(RenderError, match=r"odd has the version '1\.0-final~x'"):
        files_of(make_lock(make_package("odd", "1.0-final~x", source)))


@pytest.mark.parametrize("url", ["https://user:secret@files.example/a.whl", "file:///dbfs/a.whl"])
def test_an_address_with_credentials_or_into_a_file_system_is_refused_without_showing_it(make_lock, make_package, url):
    source = UrlFile(filename="a-1.0-py3-none-any.whl", url=url, sha256="a" * 64)
    with pytest.raises(RenderError) as caught:
        files_of(make_lock(make_package("a", "1.0", source)))
    assert "secret" not in str(caught.value)


def test_labels_say_what_the_image_is_made_from(everything):
    dockerfile = files_of(everything)["Dockerfile"]
    assert f'LABEL io.dbmirror.snapshot="{everything.snapshot}"\n' in dockerfile
    assert f'LABEL io.dbmirror.lock="{lock_digest(everything)}"\n' in dockerfile
    assert 'LABEL io.dbmirror.runtime="15.4"\n' in dockerfile
