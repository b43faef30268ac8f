"""Which process runs which tests: what shares costly fixtures together, and the longest of the stack tests first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

_TOGETHER = {
    "tests/stack/lab/test_r_kernel.py": "R",
    "tests/stack/test_r.py": "R",
    "tests/stack/test_r_from_the_command_line.py": "R",
    "tests/stack/lab/test_spark_in_the_lab.py": "Spark",
    "tests/stack/test_spark.py": "Spark",
    "tests/stack/lab/test_hostile_mirror.py": "hostile lab",
    "tests/stack/lab/test_jump_host.py": "lab whose driver goes",
    "tests/stack/lab/test_killed_lab.py": "lab whose driver goes",
    "tests/stack/lab/test_outages.py": "lab whose driver goes",
    "tests/stack/lab/test_proxy_command.py": "lab whose driver goes",
    "tests/stack/lab/test_second_start.py": "lab whose driver goes",
    "tests/stack/lab/": "lab",
    "tests/stack/test_main_job.py": "sandbox",
    "tests/stack/test_bad_input.py": "sandbox",
    "tests/stack/test_push_from_the_command_line.py": "sandbox",
    "tests/stack/test_ways.py": "sandbox",
    "tests/stack/test_wheel.py": "sandbox",
    # They import jsonschema, whose grammars take a second to read.
    "tests/render/test_workflows.py": "schemas",
    "tests/publish/sbom/test_cyclonedx.py": "schemas",
}
"""How a file's path begins, and the name that its tests share one process under: they share a sandbox or a lab."""
_SECONDS = {
    "R": 540,
    "sandbox": 400,
    "Spark": 290,
    "lab": 250,
    "lab whose driver goes": 240,
    "tests/stack/test_another_user.py": 180,
    "tests/stack/test_driver_kernel.py": 120,
    "tests/stack/test_sandbox.py": 100,
    "hostile lab": 75,
    "tests/stack/test_confinement.py": 70,
    "tests/stack/test_push.py": 65,
    "tests/stack/test_foreign_code.py": 60,
    "tests/stack/test_verify.py": 50,
    "tests/stack/test_hostile_r_package.py": 45,
}
"""About what a process takes for one of them; the others take less. `make stack` says at its end what each took."""


class Scheduling(LoadFileScheduling):
    """A file's tests in one process, as with --dist loadfile, and in one process what shares more than a file.

    The marks of --dist loadgroup do not arrive: pytest-xdist 3.8 writes them where pytest 9.2 does not read them.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, which --no-loadscope-reorder hands out in this order: the processes end at about one time."""
    items.sort(key=lambda item: -_SECONDS.get(_group(item.nodeid), 0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """How long each process was busy with which stack tests."""
    if not config.getoption("durations"):
        return
    busy: defaultdict[str, float] = defaultdict(float)
    for report in _reports(terminalreporter):
        if report.nodeid.startswith("tests/stack/"):
            worker = getattr(report, "worker_id", "")
            busy[f"{worker} {_group(report.nodeid)}"] += report.duration
    for words, seconds in sorted(busy.items(), key=lambda entry: -entry[1]):
        terminalreporter.write_line(f"{seconds:7.0f} s  {words}")


def _reports(reporter: pytest.TerminalReporter) -> Iterator[pytest.TestReport]:
    for reports in reporter.stats.values():
        yield from (report for report in reports if isinstance(report, pytest.TestReport))


def _group(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    return next((name for start, name in _TOGETHER.items() if file.startswith(start)), file)
