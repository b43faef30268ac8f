"""The verbs in the order in which a user meets them: where each is, and its line in the overview."""

from __future__ import annotations

from typing import Final, NamedTuple


class Verb(NamedTuple):
    """A command or a family of commands, which is imported when it is called."""

    place: str
    """`MODULE:ATTRIBUTE`, below dbmirror.cli."""
    summary: str
    """How its own help begins: the overview and the completion show it without the module."""


VERBS: Final[dict[str, Verb]] = {
    "build": Verb("build:build_command", "Turn a running cluster into a verified image."),
    "profiles": Verb("workspace:profiles_command", "List the workspaces that you can reach."),
    "clusters": Verb("workspace:clusters_command", "List the clusters that can be mirrored."),
    "ssh": Verb("ssh:ssh_group", "SSH keys and pinned host keys."),
    "snapshot": Verb("single_stages:snapshot_command", "Read what is installed on the cluster."),
    "filter": Verb("filters:filter_group", "The whitelist and the blacklist."),
    "explain": Verb("filters:explain_command", "Say all about one package."),
    "lock": Verb("single_stages:lock_command", "Find every package's source; show the fates."),
    "render": Verb("single_stages:render_command", "Write the Dockerfile and all that it reads."),
    "verify": Verb("single_stages:verify_command", "Check the image against its lock and the contract."),
    "push": Verb("push:push_command", "Push the verified image to registries."),
    "diff": Verb("compare:diff_command", "Compare the packages of two places."),
    "check": Verb("compare:check_command", "Has the cluster drifted from the committed snapshot?"),
    "lab": Verb("lab:lab_group", "JupyterLab in the mirrored environment on this machine."),
    "ci": Verb("ci:ci_command", "Write a pipeline that keeps a mirror up to date."),
    "sandbox": Verb("sandbox:sandbox_group", "A stand-in cluster on this machine."),
    "doctor": Verb("doctor:doctor_command", "Say what is missing on this machine."),
}
