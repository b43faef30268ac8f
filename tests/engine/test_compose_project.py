"""How compose is called: all that it has to know, and none of what the shell says beside it."""

from __future__ import annotations

from pathlib import Path

from dbmirror.engine.compose_project import ComposeProject, command, docker_environment

PROJECT = ComposeProject(
    name="dbmirror-demo-0123",
    label="dev.dbmirror.lab",
    owner="0123",
    folder=Path("/srv/mirrors/demo"),
    file=Path("/state/compose.yaml"),
    environment_file=Path("/state/environment"),
)


def test_every_call_names_project_folder_file_and_variables() -> None:
    assert command(PROJECT, "ps") == [
        *("docker", "compose", "--project-name", "dbmirror-demo-0123", "--project-directory", "/srv/mirrors/demo"),
        *("--file", "/state/compose.yaml", "--env-file", "/state/environment", "ps"),
    ]


def test_the_shell_chooses_the_engine_and_nothing_else() -> None:
    engine = {"DOCKER_HOST": "tcp://x", "DOCKER_CONTEXT": "remote", "DOCKER_CONFIG": "/c", "DOCKER_TLS_VERIFY": "1"}
    others = {"PATH": "/bin", "HOME": "/home/me", "HTTPS_PROXY": "http://proxy"}
    hostile = {
        **{f"COMPOSE_{name}": "x" for name in ("PROJECT_NAME", "FILE", "ENV_FILES", "PROFILES", "REMOVE_ORPHANS")},
        **{f"DBMIRROR_{name}": "x" for name in ("LAB_UID", "WORKSPACE", "SSH_KEY", "LAB_ID")},
        "DOCKER_DEFAULT_PLATFORM": "linux/arm64",
    }
    assert docker_environment({**engine, **others, **hostile}) == {**engine, **others}
