"""What the sandbox leaves for the other commands: a profile file, a key pair, and the section of its mirror."""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from typing import Any, Final

import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from dbmirror.config import (
    FILE_NAME,
    LOGINS_FILE,
    MIRROR_NAME_FORM,
    SANDBOX_REGISTRY,
    SERVERS_FILE,
    is_mirror_name,
)
from dbmirror.config.registries import host_variable, variable_stem
from dbmirror.files import write_atomically
from dbmirror.folders import sandbox_folder, sandbox_profile_file
from dbmirror.sandbox.driver.spark import CONNECT_PORT
from dbmirror.sandbox.errors import SandboxRefused
from dbmirror.sandbox.registry.detached import DetachedRegistry

_SPARK_IN_LAB: Final = {"forwards": [4040, CONNECT_PORT], "spark_remote": f"sc://tunnel:{CONNECT_PORT}"}
_WAIVED: Final = {
    "L02": "The sandbox's base image is Debian 12, a stand-in: not every machine can pull an Ubuntu image.",
    "L03": "The sandbox's base image is Debian 12, whose archive has no Java 8, which runtime 15.4 starts with.",
}


def require_free_name(name: str) -> None:
    """Raises SandboxRefused where `name` cannot name a mirror, or where the user has a profile of that name."""
    if not is_mirror_name(name):
        raise SandboxRefused(
            f"{name!r} cannot be the sandbox's name.",
            remedy=f"Use {MIRROR_NAME_FORM}.",
        )
    places = [Path.home() / ".databrickscfg"]
    if configured := os.environ.get("DATABRICKS_CONFIG_FILE"):
        places.append(Path(configured).expanduser())
    for path in places:
        if path.absolute() != sandbox_profile_file().absolute() and name in _profiles(path):
            raise SandboxRefused(
                f"{path} already has a profile '{name}', and the sandbox must not be mistaken for it.",
                remedy="Choose another name: 'dbmirror sandbox up --name sandbox'.",
            )


def ensure_key(name: str) -> tuple[Path, str]:
    """The file of the private key `id_NAME` (ed25519, mode 0600) and the public key's line; made if missing."""
    path = sandbox_folder() / f"id_{name}"
    public = path.with_suffix(path.suffix + ".pub")
    if not (path.is_file() and public.is_file()):
        key = Ed25519PrivateKey.generate()
        encoded = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        write_atomically(path, private, mode=0o600)
        write_atomically(public, f"{encoded} dbmirror-sandbox\n".encode())
    return path, public.read_text().strip()


def write_profile(*, name: str, host: str, token: str, cluster_id: str) -> None:
    """Write the profile file, readable by its owner alone."""
    parser = configparser.ConfigParser(interpolation=None)
    parser[name] = {"host": host, "token": token, "cluster_id": cluster_id}
    lines = [f"[{name}]", *(f"{key} = {value}" for key, value in parser[name].items())]
    write_atomically(sandbox_profile_file(), ("\n".join(lines) + "\n").encode(), mode=0o600)


def write_mirror(
    *,
    name: str,
    cluster_id: str,
    base: str,
    identity_file: Path,
    network: str,
    files_url: str,
    r_repository: str | None = None,
    spark: bool = False,
    registry: DetachedRegistry | None = None,
) -> None:
    """Write the `[mirrors.NAME]` section that makes `dbmirror build NAME` work with no other configuration.

    `files_url` is the server of the packages that the driver has from addresses of their own: it is on this machine,
    and may be asked. With `spark` the lab reaches the driver's Spark Connect server, which no workspace stands in front
    of here. `registry` becomes `[registries.sandbox]`; its login goes into a file for its owner alone.
    """
    section: dict[str, Any] = {
        "profile": name,
        "cluster": cluster_id,
        "base": base,
        "ssh": {"identity_file": str(identity_file)},
        "lab": {"networks": [network], **(_SPARK_IN_LAB if spark else {})},
        "waive": [{"rule": rule, "reason": reason} for rule, reason in _WAIVED.items()],
    }
    if r_repository is not None:
        section["r"] = {"repositories": [r_repository]}
    document: dict[str, Any] = {"mirrors": {name: section}}
    logins = {}
    if registry is not None:
        document["registries"] = {SANDBOX_REGISTRY: {"kind": "oci", "host": registry.host, "insecure": True}}
        stem = variable_stem(SANDBOX_REGISTRY)
        logins = {
            host_variable(SANDBOX_REGISTRY): registry.host,
            f"{stem}_USERNAME": registry.username,
            f"{stem}_PASSWORD": registry.password,
        }
    write_atomically(sandbox_folder() / LOGINS_FILE, tomli_w.dumps(logins).encode(), mode=0o600)
    write_atomically(sandbox_folder() / FILE_NAME, tomli_w.dumps(document).encode())
    write_atomically(sandbox_folder() / SERVERS_FILE, tomli_w.dumps({"files_url": files_url}).encode())


def _profiles(path: Path) -> list[str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(path)
    except (configparser.Error, OSError, UnicodeDecodeError):
        return []
    return parser.sections()
