"""What the Docker SDK raises becomes one clear sentence with what to do; references and answers are read exactly."""

from __future__ import annotations

import errno
import os

import docker.errors
import pytest
import requests

from dbmirror.engine.docker import BuildxUnavailable, EngineUnavailable, require_buildx, unavailable
from dbmirror.engine.images import image_facts, split_reference


def wrapped(cause: Exception) -> docker.errors.DockerException:
    """`cause` as the SDK hands it on: among the arguments of an error of requests, which its own error wraps."""
    error = docker.errors.DockerException("Error while fetching server API version")
    error.__cause__ = requests.ConnectionError("Connection aborted.", cause)
    return error


@pytest.mark.parametrize(
    ("number", "message", "remedy"),
    [
        (errno.EACCES, "permission denied", "group 'docker'"),
        (errno.ENOENT, "does not answer: no such file", "systemctl start docker"),
        (errno.ECONNREFUSED, "does not answer: connection refused", "DOCKER_HOST"),
        (errno.ENOSPC, "disk is full", "docker system df"),
    ],
)
def test_the_cause_below_the_sdks_error_decides(
    number: int, message: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    error = unavailable(wrapped(OSError(number, os.strerror(number))))
    assert message in error.message
    assert remedy in error.remedy
    assert error.exit_code == 4


def test_without_the_docker_command_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    error = unavailable(wrapped(FileNotFoundError(errno.ENOENT, "No such file or directory")))
    assert isinstance(error, EngineUnavailable)
    assert "not installed" in error.message
    assert "buildx" in error.remedy


@pytest.mark.parametrize(
    ("version", "words"), [(None, "no buildx"), ("0.12.1", "0.12.1 is too old"), ("0.9.0", "too old")]
)
def test_a_missing_or_old_buildx_is_refused_with_what_to_install(version: str | None, words: str) -> None:
    with pytest.raises(BuildxUnavailable, match=words) as caught:
        require_buildx(version)
    assert "docker-buildx" in caught.value.remedy


@pytest.mark.parametrize("version", ["0.13.0", "0.13.1", "0.30.0", "1.0.0"])
def test_a_recent_buildx_is_accepted(version: str) -> None:
    require_buildx(version)


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("ubuntu", ("ubuntu", "latest")),
        ("ubuntu:22.04", ("ubuntu", "22.04")),
        ("registry.example:5000/a/b", ("registry.example:5000/a/b", "latest")),
        ("registry.example:5000/a/b:1", ("registry.example:5000/a/b", "1")),
        ("a/b@sha256:0", ("a/b", "sha256:0")),
        ("registry.example:5000/a/b:1@sha256:0", ("registry.example:5000/a/b", "sha256:0")),
        ("registry.example:5000/a@sha256:0", ("registry.example:5000/a", "sha256:0")),
    ],
)
def test_a_reference_is_taken_apart(reference: str, parts: tuple[str, str]) -> None:
    assert split_reference(reference) == parts


def test_an_inspect_answer_without_configuration_is_read_too() -> None:
    facts = image_facts({"Id": "sha256:0", "Config": None, "RepoTags": None, "Size": None})
    assert (facts.image_id, facts.environment, facts.command, facts.size) == ("sha256:0", {}, (), 0)


def test_a_variable_of_an_image_may_hold_equals_signs_and_nothing() -> None:
    facts = image_facts({"Id": "x", "Config": {"Env": ["A=b=c", "EMPTY="]}})
    assert facts.environment == {"A": "b=c", "EMPTY": ""}
