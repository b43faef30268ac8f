"""The SSH key of a profile: made on this machine, and put on a cluster."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from dbmirror.files import write_atomically
from dbmirror.folders import ssh_key_of
from dbmirror.hosts.host_key import parse_public_key
from dbmirror.workspace.answers import GET, ask, texts
from dbmirror.workspace.client import WorkspaceClient
from dbmirror.workspace.errors import KeyNotInstalled, said_clearly

MOST_KEYS = 10
"""As many keys does the field ssh_public_keys of a cluster hold."""
_EDITABLE = (
    *("apply_policy_default_values", "autoscale", "autotermination_minutes", "aws_attributes", "azure_attributes"),
    *("cluster_log_conf", "cluster_name", "custom_tags", "data_security_mode", "dependency_mode", "docker_image"),
    *("driver_instance_pool_id", "driver_node_type_flexibility", "driver_node_type_id", "enable_elastic_disk"),
    *("enable_local_disk_encryption", "gcp_attributes", "init_scripts", "instance_pool_id", "is_single_node", "kind"),
    *("node_type_id", "num_workers", "policy_id", "remote_disk_throughput", "runtime_engine", "single_user_name"),
    *("spark_conf", "spark_env_vars", "spark_version", "ssh_public_keys", "total_initial_remote_disk_size"),
    *("use_ml_runtime", "worker_node_type_flexibility", "workload_type"),
)
"""The settings of a cluster among what the API says of it (parameters of clusters/edit in the Python SDK 0.156)."""
_SET_BY_POOL = ("node_type_id", "driver_node_type_id", "enable_elastic_disk")
"""The API states these for a cluster of an instance pool, and refuses them in an edit of one."""


def ensure_key(profile: str) -> Path:
    """The private key `~/.ssh/id_<profile>`, made (ed25519, no passphrase, 0600) if there is none; never overwritten.

    Its public half stands beside it in `.pub`. Raises KeyNotInstalled where the profile's name cannot be a file's, or
    the public half of a key with a passphrase is missing.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._ @+-]*", profile):
        raise KeyNotInstalled(
            f"The profile's name {profile!r} cannot be part of a key's file name.",
            remedy="Name a key in the mirror's section ([mirrors.MIRROR.ssh] identity_file = …).",
        )
    path = ssh_key_of(profile)
    public_path = path.with_name(f"{path.name}.pub")
    if path.exists() and public_path.exists():
        return path
    if path.exists():
        try:
            key = load_ssh_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError, OSError) as error:
            raise KeyNotInstalled(
                f"The public half of {path} is missing and cannot be made.",
                remedy=f'Make it with \'ssh-keygen -y -f "{path}" > "{public_path}"\'.',
            ) from error
    else:
        key = Ed25519PrivateKey.generate()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), mode=0o600)
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    write_atomically(public_path, public + f" dbmirror-{profile.replace(' ', '-')}\n".encode())
    return path


def read_public_key(path: Path) -> str:
    """The public half of the private key at `path`, as one line. Raises KeyNotInstalled where it is none."""
    try:
        text = path.with_name(f"{path.name}.pub").read_text(errors="replace").strip()
    except OSError as error:
        raise KeyNotInstalled(f"{path}.pub cannot be read: {error.strerror or error}.") from error
    if parse_public_key(text) is None:
        raise KeyNotInstalled(f"{path}.pub holds no public key.")
    return text


def has_key(w: WorkspaceClient, cluster_id: str, public_key: str) -> bool:
    """Whether the cluster has `public_key` already. Raises WorkspaceError."""
    wanted = parse_public_key(public_key)
    with said_clearly(w.config.host, profile=w.config.profile, auth=w.config.auth_type):
        keys = texts(ask(w, GET, {"cluster_id": cluster_id}), "ssh_public_keys")
    return wanted is not None and wanted in [parse_public_key(key) for key in keys]


def install(w: WorkspaceClient, cluster_id: str, public_key: str) -> bool:
    """Add `public_key` to the cluster; False if it has it already. A running cluster restarts: ask first.

    The edit sends back every setting that the API states, as the JSON that it stated, so that none is lost, known to
    this program or not. Raises KeyNotInstalled where the cluster has ten keys, `public_key` is none, or a setting
    cannot be sent back; WorkspaceError.
    """
    wanted = parse_public_key(public_key)
    if wanted is None:
        raise KeyNotInstalled("What should be installed is no public SSH key.")
    with said_clearly(w.config.host, profile=w.config.profile, auth=w.config.auth_type):
        answer = ask(w, GET, {"cluster_id": cluster_id})
        settings = edit_of(answer)
        keys = list(settings.get("ssh_public_keys") or ())
        if wanted in [parse_public_key(key) for key in keys]:
            return False
        if len(keys) >= MOST_KEYS:
            raise KeyNotInstalled(
                f"The cluster {cluster_id} has {len(keys)} SSH keys, and no more fit.",
                remedy="Remove one under Compute > Advanced > SSH in the workspace.",
            )
        settings["ssh_public_keys"] = [*keys, public_key.strip()]
        w.api_client.do("POST", "/api/2.1/clusters/edit", body=settings)
    return True


def edit_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The edit that changes nothing of a cluster, from the answer of clusters/get.

    That is its `spec`, the settings as the user gave them last; an answer without one states them beside what was
    derived of them. Raises KeyNotInstalled where the password of a container registry is not in the answer and would
    be lost.
    """
    spec = answer.get("spec")
    if isinstance(spec, dict) and "spark_version" in spec:
        settings = dict(spec)
    else:
        settings = {name: answer[name] for name in _EDITABLE if name in answer}
        if settings.get("instance_pool_id"):
            settings = {name: value for name, value in settings.items() if name not in _SET_BY_POOL}
        if settings.get("autoscale"):
            settings.pop("num_workers", None)
    login = (settings.get("docker_image") or {}).get("basic_auth")
    if login and not login.get("password"):
        raise KeyNotInstalled(
            f"The cluster {answer.get('cluster_id')} runs a container image whose registry password the API does not "
            "give back, so that an edit would lose it.",
            remedy="Add the key by hand under Compute > Advanced > SSH in the workspace.",
        )
    return settings | {"cluster_id": answer["cluster_id"]}
