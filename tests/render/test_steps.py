"""The check of the steps sees each kind of step that the Dockerfiles once had."""

from __future__ import annotations

import pytest

from tests.render.steps import mixed

SCRIPTS = "/run/dbmirror/scripts"
SECRET = "--mount=type=secret,id=netrc"


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        (f"RUN {SECRET} bash {SCRIPTS}/build-wheels.sh", "A network where packages run"),
        (f"RUN --network=none {SECRET} bash {SCRIPTS}/build-wheels.sh", "A secret where packages run"),
        (f"RUN --network=none --mount=type=cache,id=x,target=/c bash {SCRIPTS}/install-packages.sh", "A cache"),
        (f"RUN {SECRET} cat /run/secrets/netrc", "A network where packages run"),
        ("RUN useradd libraries", "A network where packages run"),
        (f"RUN bash {SCRIPTS}/install-apt.sh", "A network where packages run"),
        (
            f"RUN --network=none bash {SCRIPTS}/install-packages.sh\nRUN {SECRET} bash {SCRIPTS}/fetch-debs.sh",
            "A step with a network above packages",
        ),
        (
            f"RUN --network=none bash {SCRIPTS}/build-wheels.sh\n"
            f"FROM a AS b\nRUN {SECRET} bash {SCRIPTS}/fetch-debs.sh",
            "A step with a network above packages",
        ),
        (f"RUN {SECRET} python {SCRIPTS}/fetch.py", "An interpreter with packages"),
        (f"RUN {SECRET} bash {SCRIPTS}/create-lab.sh", "A network where packages run"),
    ],
)
def test_a_step_that_mixes_is_named(steps: str, problem: str) -> None:
    (found,) = mixed(f"FROM base AS a\n{steps}\n")
    assert found.startswith(problem)


@pytest.mark.parametrize(
    "step", [f"bash {SCRIPTS}/install-apt.sh", f"python -I -S {SCRIPTS}/fetch.py", "true", f"{SECRET} true"]
)
def test_a_closed_build_has_no_step_with_a_network(step: str) -> None:
    (found,) = mixed(f"FROM base AS a\nRUN {step}\n", closed=True)
    assert found.startswith("A network where packages run")
    (found,) = mixed(f"FROM base AS a\nRUN --network=none {SECRET} {step}\n", closed=True)
    assert found.startswith("A secret where packages run")
    assert mixed(f"FROM base AS a\nRUN --network=none {step.removeprefix(SECRET)}\n", closed=True) == []


def test_steps_that_do_not_mix_are_let_through() -> None:
    dockerfile = (
        f"FROM base AS a\nRUN {SECRET} bash {SCRIPTS}/fetch-debs.sh\nRUN {SECRET} python -I -S {SCRIPTS}/fetch.py\n"
        f"RUN --network=none bash {SCRIPTS}/install-packages.sh\n"
    )
    assert mixed(dockerfile) == []
