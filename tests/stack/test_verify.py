"""Real images, each with one fault planted in it: verification must see it and say what it is.

The images hold a handful of made distributions on the sandbox's base, so that they build and verify in seconds.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dbmirror.config import Waiver
from dbmirror.engine.buildx import build
from dbmirror.engine.images import ImageUnavailable, inspect_image
from dbmirror.inventory.model import Interpreter
from dbmirror.lock.fates import FateKind
from dbmirror.lock.model import BaseKind, Lock
from dbmirror.progress import SILENT, Observer
from dbmirror.runtimes.lookup import lookup
from dbmirror.snapshot import Snapshot
from dbmirror.verify.model import Finding, Outcome, Report, Severity
from dbmirror.verify.report import read_report, write_report
from dbmirror.verify.verify import verify
from tests.stack.bases import with_environment
from tests.verify.conftest import distribution, fate, lock, package, snapshot

pytestmark = pytest.mark.stack

SITE_PACKAGES = "databricks/python3/lib/python3.11/site-packages"
VERSIONS = {"alpha": "1.0", "beta": "2.1", "gamma": "3.0"}
CONTENT = {"alpha": "import beta\n", "beta": "", "gamma": "import pyspark\n"}


def make(
    base: str, folder: Path, *, name: str, versions: dict[str, str], content: dict[str, str], lines: list[str]
) -> str:
    """An image of `base` with the distributions `versions` and the further Dockerfile `lines`."""
    context = folder / name
    for package_name, version in versions.items():
        metadata = context / "files" / SITE_PACKAGES / f"{package_name}-{version}.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package_name}\nVersion: {version}\n")
        (metadata / "RECORD").write_text(f"{package_name}.py,,\n{package_name}-{version}.dist-info/METADATA,,\n")
        (context / "files" / SITE_PACKAGES / f"{package_name}.py").write_text(content[package_name])
    (context / "Dockerfile").write_text("\n".join([f"FROM {base}", "COPY files/ /", *lines]) + "\n")
    tag = f"scratch-verify-{uuid.uuid4().hex[:8]}:{name}"
    build(context, tags=[tag], labels={}, secrets={})
    return tag


@pytest.fixture(scope="module")
def python_base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The sandbox's base with Python, the environment, and the user `libraries`."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "Dockerfile").write_text(with_environment())
    build(folder, tags=["scratch-verify-base:python"], labels={}, secrets={})
    yield "scratch-verify-base:python"
    subprocess.run(["docker", "rmi", "-f", "scratch-verify-base:python"], check=False, capture_output=True)


@pytest.fixture(scope="module")
def image(python_base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Makes images, and removes them at the end."""
    folder = tmp_path_factory.mktemp("images")
    made: list[str] = []

    def of(
        name: str, *lines: str, versions: dict[str, str] | None = None, content: dict[str, str] | None = None
    ) -> str:
        tag = make(
            python_base,
            folder,
            name=f"{name}-{len(made)}",
            versions=VERSIONS if versions is None else versions,
            content=CONTENT | (content or {}),
            lines=list(lines),
        )
        made.append(tag)
        return tag

    yield of
    subprocess.run(["docker", "rmi", "-f", *made], check=False, capture_output=True)


def the_snapshot() -> Snapshot:
    taken = snapshot(*(distribution(name, version) for name, version in VERSIONS.items()))
    python = Interpreter(path="/databricks/python3/bin/python", version="3.11.2")
    return replace(taken, inventory=replace(taken.inventory, python=python))


def the_lock() -> Lock:
    return lock(
        *(package(name, version) for name, version in VERSIONS.items()),
        fates=tuple(fate(name, version) for name, version in VERSIONS.items()),
        reference="scratch-verify-base:python",
        kind=BaseKind.BARE,
        image_id="sha256:" + "0" * 64,
    )


def verified(tag: str, *waivers: Waiver, against: Lock | None = None, observer: Observer = SILENT) -> Report:
    return verify(
        tag,
        lock=against or the_lock(),
        snapshot=the_snapshot(),
        runtime=lookup("15.4"),
        waivers=waivers,
        observer=observer,
    )


def finding(report: Report, number: str) -> Finding:
    return next(found for found in report.findings if found.rule == number)


TINY = tuple(
    Waiver(rule=rule, reason="The image of this test is tiny.") for rule in ("L02", "L03", "L04", "L07", "L13")
)


def test_an_image_as_locked_passes_with_its_exceptions_in_the_open(image: Callable[..., str], tmp_path: Path) -> None:
    tag = image("good")
    report = verified(tag, *TINY)
    facts = inspect_image(tag)
    assert facts is not None
    assert report.passed, [f for f in report.findings if f.outcome is Outcome.FAILED]
    assert report.image_id == facts.image_id
    assert [comparison.found for comparison in report.comparisons] == ["1.0", "2.1", "3.0"]
    assert {f.rule for f in report.findings if f.outcome is Outcome.WAIVED} == {waiver.rule for waiver in TINY}
    gamma = next(attempt for attempt in report.imports if attempt.module == "gamma")
    assert gamma.expected is not None
    assert "Spark" in gamma.expected
    write_report(report, tmp_path / "verification.json")
    assert read_report(tmp_path / "verification.json") == report


def test_verifying_twice_gives_the_same_report_and_leaves_no_container(image: Callable[..., str]) -> None:
    tag = image("twice")
    assert verified(tag, *TINY) == verified(tag, *TINY)
    left = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"ancestor={tag}"], check=True, capture_output=True, text=True
    )
    assert left.stdout == ""


def test_without_its_waivers_the_same_image_fails_by_those_rules(image: Callable[..., str]) -> None:
    report = verified(image("unwaived"))
    assert not report.passed
    assert finding(report, "L02").outcome is Outcome.FAILED
    assert "debian 12" in finding(report, "L02").message


def test_one_replaced_package_turns_the_report_red_and_is_named(image: Callable[..., str]) -> None:
    report = verified(image("mutated", versions=VERSIONS | {"beta": "2.2"}), *TINY)
    assert not report.passed
    assert [(c.name, c.expected, c.found) for c in report.comparisons if not c.equal] == [("beta", "2.1", "2.2")]


def test_one_missing_package_turns_the_report_red_in_comparison_and_import(image: Callable[..., str]) -> None:
    report = verified(image("lacking", versions={n: v for n, v in VERSIONS.items() if n != "beta"}), *TINY)
    assert [(c.name, c.found) for c in report.comparisons if not c.equal] == [("beta", None)]
    broken = [a for a in report.imports if a.error is not None and a.expected is None]
    assert [(a.module, a.error) for a in broken] == [("alpha", "ModuleNotFoundError: No module named 'beta'")]


def test_a_dependency_that_a_filter_took_away_names_the_rule(image: Callable[..., str]) -> None:
    fewer = replace(
        the_lock(),
        packages=tuple(p for p in the_lock().packages if p.name != "beta"),
        fates=(fate("alpha"), fate("beta", "2.1", FateKind.EXCLUDED, "blacklist (beta): not wanted"), fate("gamma")),
    )
    tag = image("filtered", versions={n: v for n, v in VERSIONS.items() if n != "beta"})
    report = verified(tag, *TINY, against=fewer)
    alpha = next(attempt for attempt in report.imports if attempt.module == "alpha")
    assert not report.passed
    assert alpha.error is not None
    assert "blacklist (beta): not wanted" in alpha.error


def test_a_user_other_than_root_is_seen_and_does_not_hinder_the_examination(image: Callable[..., str]) -> None:
    report = verified(image("nobody", "USER nobody"), *TINY)
    assert finding(report, "L05").outcome is Outcome.FAILED
    assert finding(report, "L08").outcome is Outcome.PASSED
    assert all(comparison.equal for comparison in report.comparisons)


def test_cmd_entrypoint_and_conda_are_seen(image: Callable[..., str]) -> None:
    tag = image(
        "started",
        "RUN mkdir -p /opt/conda/bin && touch /opt/conda/bin/conda && chmod +x /opt/conda/bin/conda",
        "ENV PATH=/opt/conda/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        'ENTRYPOINT ["/bin/false"]',
        'CMD ["jupyter", "lab"]',
        "HEALTHCHECK --interval=1s CMD false",
    )
    report = verified(tag, *TINY)
    assert finding(report, "L14").outcome is Outcome.FAILED
    assert finding(report, "L15").severity is Severity.WARNING
    assert "CMD and ENTRYPOINT and HEALTHCHECK" in finding(report, "L15").message


def test_planted_secrets_are_found_wherever_they_lie_and_never_shown(image: Callable[..., str]) -> None:
    token = "dapi" + "0123456789abcdef" * 2
    key = "AKIA" + "ABCDEFGHIJKLMNOP"
    tag = image(
        "canary",
        f"RUN mkdir -p /opt/app && printf 'x = \"{token}\"\\n' > /opt/app/settings.py",
        "RUN printf 'machine h login u password hunter2\\n' > /root/.netrc",
        f"RUN mkdir -p /home/u && printf '{key}\\n' > '/home/u/notes of mine.txt'",
        f"RUN printf -- '-----BEGIN PRIVATE KEY-----\\n{'MIIE' * 12}\\n' > /root/id",
        "ENV API_TOKEN=hunter2",
    )
    found = finding(verified(tag, *TINY), "L28")
    assert found.outcome is Outcome.FAILED
    for place in ("/opt/app/settings.py (Databricks token)", "/root/.netrc (netrc password)", "API_TOKEN"):
        assert place in found.message
    for secret in (token, key, "hunter2"):
        assert secret not in found.message


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("[global]\\nindex-url = https://u:hunter2@index.example/\\n", "/etc/pip.conf"),
        ("[DEFAULT]\\ntoken = hunter2\\n", "/root/.databrickscfg"),
        ('{"auths":{"r":{"auth":"aHVudGVyMg=="}}}', "/root/.docker/config.json"),
    ],
)
def test_files_known_for_their_secrets_are_read(image: Callable[..., str], content: str, place: str) -> None:
    tag = image("known", f"RUN mkdir -p {Path(place).parent} && printf '{content}' > {place}")
    assert place in finding(verified(tag, *TINY), "L28").message


def test_what_only_looks_like_a_secret_is_not_accused(image: Callable[..., str]) -> None:
    tag = image(
        "innocent",
        "RUN printf '[global]\\nindex-url = https://index.example/simple\\n' > /etc/pip.conf",
        "RUN printf 'machine h\\n' > /root/.netrc && echo AKIAIOSFODNN7EXAMPLE > /opt/readme.txt",
        "RUN echo 'HEADER = \"-----BEGIN PRIVATE KEY-----\"' > /opt/code.py",
    )
    assert finding(verified(tag, *TINY), "L28").outcome is Outcome.PASSED


def test_an_image_whose_python_does_not_run_gets_a_report_that_says_so(image: Callable[..., str]) -> None:
    report = verified(image("pythonless", "RUN rm -f /databricks/python3/bin/python*"), *TINY)
    assert not report.passed
    assert finding(report, "L06").outcome is Outcome.FAILED
    assert finding(report, "L09").outcome is Outcome.FAILED
    assert len(report.findings) == 29


def test_an_image_that_is_not_there_is_one_clear_error() -> None:
    with pytest.raises(ImageUnavailable, match="There is no image scratch-verify:none"):
        verified("scratch-verify:none")


def test_ctrl_c_leaves_no_container(image: Callable[..., str]) -> None:
    tag = image("interrupted", content={"beta": "import time; time.sleep(50)\n"})
    program = (
        "import os, signal\n"
        "from dbmirror.progress import Observer\n"
        "from tests.stack.test_verify import verified\n"
        "class Presses(Observer):\n"
        "    def advanced(self, stage, text='', *, steps=1):\n"
        "        if text.endswith(': beta'): os.kill(os.getpid(), signal.SIGINT)\n"
        f"verified({tag!r}, observer=Presses())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=60,
        check=False,
        text=True,
    )
    assert "KeyboardInterrupt" in done.stderr
    left = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"ancestor={tag}"], check=True, capture_output=True, text=True
    )
    assert left.stdout == ""
