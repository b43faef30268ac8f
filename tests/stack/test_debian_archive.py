"""Which Debian packages a build gets, by a real base's own apt, also from an archive whose owner is hostile."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dbmirror.ca_bundle import find_ca_bundle
from dbmirror.lock.debs import own_sources
from dbmirror.lock.debs.base_apt import KEY, BaseApt, RApt
from dbmirror.lock.debs.model import DebFile, DebianLock, DebianStep
from dbmirror.lock.errors import AptUnavailable
from dbmirror.lock.model import BaseImage, BaseKind
from dbmirror.render.r_layers import r_preferences
from dbmirror.sandbox.base import ensure_base

pytestmark = pytest.mark.stack

SYSTEM = DebianStep(name="system", below=None, packages=("sudo", "python3.11"))
COMPILERS = DebianStep(name="compilers", below="system", packages=("python3.11-dev",))
PACKAGES = DebianStep(name="packages", below="system", packages=("python3.11-venv",))
SHA256 = "a" * 64
PLACES = {
    "acme-good": "pool/acme-good_1.0_amd64.deb",
    "acme-parent": "../../../../etc/cron.d/acme.deb",
    "acme-elsewhere": "http://evil.example/acme.deb",
    "acme-file": "file:///etc/shadow",
    "acme-control": "pool/\x1b[2Jacme.deb",
    "acme-quote": "pool/acme' evil_1.0_all.deb 1 SHA256:" + "b" * 64,
}
"""Package to where the archive says that its file lies."""


def entry(name: str, place: str, digest: str = f"SHA256: {SHA256}") -> str:
    return (
        f"Package: {name}\nVersion: 1.0\nArchitecture: amd64\nMaintainer: Evil <evil@evil.example>\n"
        f"Filename: {place}\nSize: 12\n{digest}\nDescription: a package\n\n"
    )


class Archive:
    """A signed archive on loopback."""

    def __init__(self, folder: Path, gpg: Path) -> None:
        self.folder, self._gpg = folder, gpg
        self.address = ""
        listed = [entry(name, place) for name, place in PLACES.items()]
        self.publish("".join([*listed, entry("acme-nohash", "pool/acme.deb", "MD5sum: " + "a" * 32)]))

    def gpg(self, *words: str) -> bytes:
        argv = ["gpg", "--homedir", str(self._gpg), "--batch", "--yes", *words]
        return subprocess.run(argv, check=True, capture_output=True).stdout

    def publish(self, packages: str) -> None:
        content = packages.encode()
        (self.folder / "Packages").write_bytes(content)
        release = self.folder / "Release"
        release.write_text(
            "Origin: Acme\nSuite: stable\nArchitectures: amd64\nDate: Sat, 28 Nov 2026 00:00:00 UTC\nSHA256:\n"
            f" {hashlib.sha256(content).hexdigest()} {len(content)} Packages\n"
        )
        self.gpg("--clearsign", "--output", str(self.folder / "InRelease"), str(release))

    def apt(self, key: str | None = None) -> RApt:
        return RApt(
            preferences=r_preferences("4.2.2"),
            sources=f"Types: deb\nURIs: {self.address}\nSuites: ./\nSigned-By: {KEY}\n",
            key=self.gpg("--armor", "--export", "acme").decode() if key is None else key,
        )


@pytest.fixture(scope="module")
def gpg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    for name in ("acme", "other"):
        argv = ["gpg", "--homedir", str(home), "--batch", "--passphrase", "", "--quick-gen-key", name, "rsa2048"]
        subprocess.run([*argv, "sign", "never"], check=True, capture_output=True)
    yield home
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True, capture_output=True)


@pytest.fixture(scope="module")
def archive(gpg: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """This machine's apt knows it, beside the distribution's own."""
    folder = tmp_path_factory.mktemp("archive")
    found = Archive(folder, gpg)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.address = f"http://127.0.0.1:{server.server_port}"
    sources = tmp_path_factory.mktemp("apt")
    shutil.copytree("/etc/apt", sources, dirs_exist_ok=True)
    (sources / "sources.list.d" / "acme.list").write_text(f"deb {found.address} ./\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_sources, "APT", sources)
        patch.setenv("DBMIRROR_HOME", str(tmp_path_factory.mktemp("home")))
        yield found
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def lock(archive: Archive) -> Iterator[Callable[..., DebianLock]]:
    """What apt chooses on the sandbox's base, with the archive as R's; it is started once for all of those."""
    base = BaseImage(reference=ensure_base().name, kind=BaseKind.BARE, os_id="debian", os_version="12")
    of_base = partial(BaseApt, base, internal_hosts=frozenset(), ca_bundle=find_ca_bundle(None))
    with of_base(r=archive.apt()) as ours:

        def of(*steps: DebianStep, r: RApt | None = None, previous: DebianLock | None = None) -> DebianLock:
            if r is None:
                return ours.lock(steps, previous)
            with of_base(r=r) as apt:
                return apt.lock(steps, previous)

        yield of


def names(files: tuple[DebFile, ...]) -> set[str]:
    return {file.filename.partition("_")[0] for file in files}


def test_a_step_gets_all_that_it_needs_and_nothing_that_is_there_already(lock: Callable[..., DebianLock]) -> None:
    system, compilers, packages = lock(SYSTEM, COMPILERS, PACKAGES).steps
    assert {"sudo", "python3.11", "libpython3.11-stdlib"} <= names(system.files)
    assert {"python3.11-dev", "libpython3.11-dev", "libc6-dev"} <= names(compilers.files)
    assert "python3.11-venv" in names(packages.files)
    for step in (compilers, packages):
        assert not names(step.files) & names(system.files)
    assert "libc6-dev" not in names(packages.files), "what another stage installs"


def test_a_step_that_is_kept_counts_as_installed_at_its_own_versions(lock: Callable[..., DebianLock]) -> None:
    first = lock(SYSTEM)
    second = lock(SYSTEM, COMPILERS, previous=first)
    assert second.steps[0] == first.steps[0]
    assert names(second.steps[1].files) == names(lock(SYSTEM, COMPILERS).steps[1].files)


def test_r_is_chosen_at_the_version_of_the_preferences(lock: Callable[..., DebianLock], archive: Archive) -> None:
    step = DebianStep(name="r", below=None, packages=("r-base-core",), preferences=True)
    (r,) = lock(step).steps
    (core,) = [file for file in r.files if file.filename.startswith("r-base-core_")]
    assert core.package.partition("=")[2].startswith("4.2.2")
    none = RApt(preferences="Package: r-base-core\nPin: version *\nPin-Priority: -1\n")
    with pytest.raises(AptUnavailable, match="r-base-core"):
        lock(step, r=none)


def test_an_archive_that_is_given_with_its_key_has_its_packages_locked_by_hash(
    lock: Callable[..., DebianLock], archive: Archive
) -> None:
    ((file,),) = (step.files for step in lock(DebianStep(name="r", below=None, packages=("acme-good",))).steps)
    assert file == DebFile(
        filename="acme-good_1.0_amd64.deb", url=f"{archive.address}/{PLACES['acme-good']}", sha256=SHA256, size=12
    )


def test_an_archive_that_another_key_signed_is_refused(lock: Callable[..., DebianLock], archive: Archive) -> None:
    other = archive.gpg("--armor", "--export", "other").decode()
    with pytest.raises(AptUnavailable, match="sign"):
        lock(DebianStep(name="r", below=None, packages=("acme-good",)), r=archive.apt(other))


@pytest.mark.parametrize("name", [*(name for name in PLACES if name != "acme-good"), "acme-nohash"])
def test_an_archive_can_name_no_file_of_another_place(
    lock: Callable[..., DebianLock], archive: Archive, name: str
) -> None:
    try:
        ((file,),) = (step.files for step in lock(DebianStep(name="r", below=None, packages=(name,))).steps)
    except AptUnavailable:
        return
    assert file.filename == f"{name}_1.0_amd64.deb"
    assert file.sha256 == SHA256
    assert f"http://{urlsplit(file.url).netloc}" == archive.address
    assert file.url.isprintable()


def test_a_word_of_a_lock_is_no_option_of_apt(lock: Callable[..., DebianLock]) -> None:
    with pytest.raises(AptUnavailable):
        lock(DebianStep(name="r", below=None, packages=("-oAPT::Update::Pre-Invoke::=touch /tmp/x",)))
