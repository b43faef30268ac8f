"""The settings of dbmirror.toml as types: docs/configuration.md is written from them, their texts and examples."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from dbmirror.config.registries import RegistryConfig

FILE_NAME: Final = "dbmirror.toml"
MirrorName = Annotated[str, Meta(pattern=r"\A[a-z0-9]+([._-][a-z0-9]+)*\Z", max_length=100)]
"""A mirror's name is a folder and a part of an image's name: lower case, digits, single `.`, `_` or `-` between."""
MIRROR_NAME_FORM: Final = "lower-case letters and digits, with single '.', '_' or '-' between them"
SparkRemote = Annotated[str, Meta(pattern=r"\Asc://[A-Za-z0-9.-]+(:[0-9]{1,5})?\Z")]
"""Address of a Spark Connect server as the lab sees it: `sc://tunnel:15002` for a forwarded port of the driver."""
ImageName = Annotated[str, Meta(pattern=r"\A[a-z0-9]+([._/:-][a-z0-9]+)*\Z")]
ImageTag = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")]
FlavourName = Annotated[str, Meta(pattern=r"\A(python|r|python-r)\Z")]
Memory = Annotated[str, Meta(pattern=r"\A[1-9][0-9]{0,5}[mg]\Z")]
"""An amount as Docker writes it: `512m`, `12g`."""
RegistryName = Annotated[str, Meta(pattern=r"\A[a-z0-9]+([_-][a-z0-9]+)*\Z", max_length=50)]


class Waiver(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule of the contract that cannot hold for this mirror; the report names it with the reason."""

    rule: Annotated[str, Meta(pattern=r"\AL\d\d\Z", examples=["L02"])]
    """The rule's number in [contract.md](contract.md)."""
    reason: Annotated[str, Meta(min_length=10, examples=["Our base is Debian, tested on our clusters."])]
    """Why it may be broken here."""


class SshConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How the driver is reached, where that differs from the driver's address on port 2200 as `ubuntu`."""

    host: Annotated[str | None, Meta(examples=["my-driver"])] = None
    """An alias of your ssh config, a host name or an address; else the address that the workspace states."""
    port: Annotated[int | None, Meta(examples=[2200])] = None
    """The port of the driver's SSH server; else the ssh config's, else 2200."""
    user: Annotated[str | None, Meta(examples=["ubuntu"])] = None
    """Who logs in there; else the ssh config's user, else `ubuntu`."""
    identity_file: Annotated[Path | None, Meta(examples=["~/.ssh/id_team"])] = None
    """A private key in `~/.ssh`; else the ssh config's, else `~/.ssh/id_PROFILE`."""


class LabConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How the lab of this mirror runs."""

    forwards: Annotated[tuple[Annotated[int, Meta(ge=1, le=65535)], ...], Meta(examples=[[4040, 15002]])] = (4040,)
    """Ports of the driver that lead to the same ports of this machine; 4040 has Spark's pages."""
    networks: Annotated[
        tuple[Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z")], ...], Meta(examples=[["drivers"]])
    ] = ()
    """Docker networks of this machine that the driver is on; none for a driver elsewhere."""
    spark_remote: Annotated[SparkRemote | None, Meta(examples=["sc://tunnel:15002"])] = None
    """The Spark Connect server of a driver with no workspace in front of it, as the lab sees it; `tunnel` is the
    tunnel's end in the lab, the port stands in `forwards`. Else databricks-connect asks the workspace."""
    memory: Annotated[Memory | None, Meta(examples=["12g"])] = None
    """The most that the lab may take; else three quarters of the engine's memory."""
    processes: Annotated[int, Meta(ge=64, le=4_194_304, examples=[8192])] = 4096
    """The most processes and threads that may run in the lab at once."""


class MirrorConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A mirror. Without this section `dbmirror build NAME` takes the Databricks profile NAME and the defaults."""

    profile: Annotated[str | None, Meta(examples=["PROD"])] = None
    """A profile of `~/.databrickscfg` (or `DATABRICKS_CONFIG_FILE`); else the mirror's own name."""
    cluster: Annotated[str | None, Meta(examples=["team-cluster"])] = None
    """A cluster's name or id; else the last snapshot's, the profile's `cluster_id`, the only one that can be."""
    base: Annotated[str | None, Meta(examples=["databricksruntime/python:15.4-LTS"])] = None
    """The base image; any Ubuntu or Debian image will do, once you said so (see `--trust`). Else the official one of
    the cluster's runtime."""
    purpose: Annotated[Literal["cluster", "lab"], Meta(examples=["lab"])] = field(default="cluster", name="for")
    """What the image is for. `lab`: it counts as verified when it matches the cluster, also where it cannot boot under
    Container Services (machine learning runtimes, standard access mode)."""
    filter: Annotated[str, Meta(pattern=r"\A(blacklist|whitelist)\Z", examples=["whitelist"])] = "blacklist"
    """`blacklist` mirrors every package that no list drops, `whitelist` only those that a list keeps."""
    image: Annotated[ImageName | None, Meta(examples=["team/cluster-mirror"])] = None
    """The image's repository in the Docker Engine; else `dbmirror/NAME`."""
    also_tag: Annotated[tuple[ImageTag, ...], Meta(examples=[["15.4"]])] = ()
    """Tags that each push lets name the verified image, too, beside its own tag, which never changes. They move from
    the mirror's earlier image without a question. You are asked once before one moves that names any other image
    (`--move-tag` where nobody can answer)."""
    notebook_environment: Annotated[
        str | None, Meta(examples=["/local_disk0/.ephemeral_nfs/envs/pythonEnv-d30f5b7c"])
    ] = None
    """The folder of the notebook's own packages (`%pip install`) to mirror, where the driver has several."""
    capture: Annotated[bool, Meta(examples=[False])] = True
    """Pack private packages from the driver's files where no index has them."""
    ssh: SshConfig = SshConfig()
    lab: LabConfig = LabConfig()
    r: RConfig | None = None
    """Where this mirror's R comes from, instead of the `[r]` section."""
    flavour: Annotated[FlavourName | None, Meta(examples=["python-r"])] = None
    """What notebooks of the image are written in; else what the cluster's packages ask for."""
    waive: tuple[Waiver, ...] = ()


class FilterEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """One of your own entries, which come before those that dbmirror brings; `dbmirror filter show` has all.

    `whitelist` and `blacklist` hold Python packages, `r_whitelist` and `r_blacklist` R packages.
    """

    name: Annotated[str, Meta(min_length=1, examples=["acme-debug*"])]
    """A name or a glob; Python's are compared in PEP 503 form, R's letter by letter."""
    reason: Annotated[str, Meta(min_length=3, examples=["Not for production."])]
    """Why; the fate of the package names it."""
    verdict: Annotated[Literal["keep", "drop"] | None, Meta(examples=["drop"])] = None
    """`keep` undoes an entry that dbmirror brings; else a blacklist's entry drops, a whitelist's keeps."""


class FilterConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The `[filters]` section: the user's own entries, which come before the ones that dbmirror brings."""

    whitelist: tuple[FilterEntry, ...] = ()
    blacklist: tuple[FilterEntry, ...] = ()
    r_whitelist: tuple[FilterEntry, ...] = ()
    r_blacklist: tuple[FilterEntry, ...] = ()


class IndexConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where Python packages come from, in place of uv's and pip's own settings: see [indexes.md](indexes.md).

    Credentials never stand here: they come from netrc or the environment.
    """

    url: Annotated[str | None, Meta(examples=["https://index.example/simple/"])] = None
    """A simple API, which takes the place of all that uv's and pip's settings name; else those, else PyPI."""
    extra_urls: Annotated[tuple[str, ...], Meta(examples=[["https://team.example/simple/"]])] = ()
    """Further ones, asked before it in this order: the first index that has a package at any version decides."""
    packages: Annotated[
        dict[Annotated[str, Meta(pattern=r"\A[A-Za-z0-9*]([A-Za-z0-9._*-]*[A-Za-z0-9*])?\Z")], str],
        Meta(examples=[{"acme-models": "https://team.example/simple/"}]),
    ] = {}
    """Name or glob (`torch*`) to the one index that is asked for it, and for nothing else."""
    internal_hosts: Annotated[
        tuple[Annotated[str, Meta(pattern=r"\A[a-z0-9]([a-z0-9._-]*[a-z0-9])?\Z")], ...],
        Meta(examples=[["files.corp.example"]]),
    ] = ()
    """Hosts in your own network from which a package may come although no index is there: a git server, a file server.
    Anything else that a cluster or an index names must be on the internet."""
    ignore_error_codes: Annotated[tuple[Annotated[int, Meta(ge=400, le=499)], ...], Meta(examples=[[403]])] = ()
    """Statuses by which an index says that it does not have a package, beside 404; as in uv's [[index]]."""
    ca_bundle: Annotated[Path | None, Meta(examples=["~/corporate-ca.pem"])] = None
    """PEM file of the certificate authorities to trust, outside of the repository; else SSL_CERT_FILE,
    REQUESTS_CA_BUNDLE, PIP_CERT."""


class RConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where R packages come from; `[mirrors.NAME.r]` has the same settings for one mirror. See [r.md](r.md).

    Credentials never stand here: they come from netrc.
    """

    repositories: Annotated[tuple[str, ...], Meta(examples=[["https://cran.example", "folder"]])] = ()
    """CRAN-like repositories, asked in order: addresses, or folders of this machine (relative to the file)."""
    snapshot_url: Annotated[str | None, Meta(examples=["https://cran.example/{date}"])] = None
    """A repository that serves the CRAN of any day: its address with `{date}` in it; asked before `repositories`."""
    snapshot_date: Annotated[date | None, Meta(examples=[date(2024, 8, 4)])] = None
    """The day to take from it; else the one that the cluster's runtime was filled on, where that is known."""
    binary_repositories: Annotated[
        dict[Annotated[str, Meta(pattern=r"\A[a-z]+-[0-9.]+\Z")], str],
        Meta(examples=[{"ubuntu-24.04": "https://cran.example/noble/{date}"}]),
    ] = {}
    """Distribution to the repository of packages built for it, `{date}` in it as above."""
    apt_repository: Annotated[str | None, Meta(examples=["https://cran.example/bin/linux/ubuntu jammy-cran40/"])] = None
    """Where R itself comes from if the base's distribution has another one: `URI SUITE`, as in apt's sources."""
    apt_key: Annotated[Path | None, Meta(examples=["cran.asc"])] = None
    """File with that repository's public key, in ASCII armour."""


class CiConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What `dbmirror ci` writes into pipelines."""

    dbmirror: Annotated[str | None, Meta(examples=["wheels/dbmirror-0.1.0-py3-none-any.whl"])] = None
    """Where a pipeline installs dbmirror from: `index`, the path of a committed wheel, `git+https://…@COMMIT`."""


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    mirrors: dict[MirrorName, MirrorConfig] = {}
    filters: FilterConfig = FilterConfig()
    index: IndexConfig = IndexConfig()
    r: RConfig = RConfig()
    registries: dict[RegistryName, RegistryConfig] = {}
    ci: CiConfig = CiConfig()
    folder: Annotated[Path, Meta(examples=["golden"])] = Path("mirrors")
    """Where the mirrors' folders lie, below the file's own."""
