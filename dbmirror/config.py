"""dbmirror.toml: which mirrors there are and how they are made; every setting has a default."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from dbmirror.cloned_settings import require_login_kept, require_outside_repository, require_users_key
from dbmirror.errors import UsageError
from dbmirror.filters.model import Verdict
from dbmirror.folders import sandbox_folder
from dbmirror.foreign_text.decoding import convert, decode_toml
from dbmirror.mirror_folder.files import is_folder_below, read_below
from dbmirror.mirror_folder.opening import NotPlain
from dbmirror.publish.registries.config import RegistryConfig

FILE_NAME = "dbmirror.toml"
SERVERS_FILE = "servers.toml"
"""Beside the sandbox's dbmirror.toml: where its own servers on this machine are."""
MirrorName = Annotated[str, Meta(pattern=r"\A[a-z0-9]+([._-][a-z0-9]+)*\Z", max_length=100)]
MIRROR_NAME_FORM = "lower-case letters and digits, with single '.', '_' or '-' between them"
SparkRemote = Annotated[str, Meta(pattern=r"\Asc://[A-Za-z0-9.-]+(:[0-9]{1,5})?\Z")]
"""Address of a Spark Connect server as the lab sees it: `sc://tunnel:15002` for a forwarded port of the driver."""
"""A mirror's name is a folder and a part of an image's name: lower case, digits, single `.`, `_` or `-` between."""


Memory = Annotated[str, Meta(pattern=r"\A[1-9][0-9]{0,5}[mg]\Z")]
"""An amount as Docker writes it: `512m`, `12g`."""
RegistryName = Annotated[str, Meta(pattern=r"\A[a-z0-9]+([_-][a-z0-9]+)*\Z", max_length=50)]


LARGEST_KEY = 1 << 20
"""Bytes of a public key in ASCII armour: the largest ones have some 100 kB."""


class ConfigError(UsageError):
    """dbmirror.toml is missing where it is needed, is not TOML, or holds something unknown."""


class Waiver(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule of the DCS contract that cannot hold for this mirror, with the reason; reported, never silent."""

    rule: Annotated[str, Meta(pattern=r"\AL\d\d\Z")]
    reason: Annotated[str, Meta(min_length=10)]


class SshConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How the driver is reached, where that differs from the driver's address on port 2200 as `ubuntu`."""

    host: str | None = None
    """An alias of the user's ssh config, a host name or an address; None for the address that the workspace states."""
    port: int | None = None
    user: str | None = None
    identity_file: Path | None = None
    """A private key in ~/.ssh; else the ssh config's, else `~/.ssh/id_<profile>`."""


class LabConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How the lab's tunnel is made."""

    forwards: tuple[Annotated[int, Meta(ge=1, le=65535)], ...] = (4040,)
    """Ports of the driver that lead to the same ports of this machine; 4040 is Spark's user interface."""
    networks: tuple[Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z")], ...] = ()
    """Docker networks of this machine that the driver is on; none for a driver elsewhere."""
    spark_remote: SparkRemote | None = None
    memory: Memory | None = None
    """The most that the lab may take, such as `12g`; three quarters of the engine's memory if not given."""
    processes: Annotated[int, Meta(ge=64, le=4_194_304)] = 4096
    """The most processes and threads that may run in the lab at once."""


class MirrorConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A `[mirrors.NAME]` section."""

    profile: str | None = None
    """A profile of ~/.databrickscfg (or DATABRICKS_CONFIG_FILE); the mirror's own name if not given."""
    cluster: str | None = None
    """A cluster's id or name; else the profile's cluster_id, else the only one that can be mirrored."""
    base: str | None = None
    """The base image; else the official one of the cluster's runtime."""
    filter: Annotated[str, Meta(pattern=r"\A(blacklist|whitelist)\Z")] = "blacklist"
    image: Annotated[str, Meta(pattern=r"\A[a-z0-9]+([._/:-][a-z0-9]+)*\Z")] | None = None
    """The image's repository; `dbmirror/NAME` if not given."""
    notebook_environment: str | None = None
    """The folder of the notebook-scoped environment to mirror, where the driver has several."""
    capture: bool = True
    """Pack private wheels from the driver's files where no index has them."""
    ssh: SshConfig = SshConfig()
    lab: LabConfig = LabConfig()
    r: RConfig | None = None
    """Where this mirror's R comes from, instead of the `[r]` section."""
    flavour: Annotated[str, Meta(pattern=r"\A(python|r|python-r)\Z")] | None = None
    """What notebooks of the image are written in; None for what the snapshot asks for."""
    waive: tuple[Waiver, ...] = ()


class FilterEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of `[[filters.whitelist]]` or `[[filters.blacklist]]`; `keep` undoes an entry that dbmirror brings."""

    name: Annotated[str, Meta(min_length=1)]
    """A name or a glob (`jupyter*`), compared in PEP 503 form."""
    reason: Annotated[str, Meta(min_length=3)]
    verdict: Verdict | None = None
    """None for what the list says: a blacklist's entry drops, a whitelist's keeps."""


class FilterConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The `[filters]` section: the user's own entries, which come before the ones that dbmirror brings."""

    whitelist: tuple[FilterEntry, ...] = ()
    blacklist: tuple[FilterEntry, ...] = ()
    r_whitelist: tuple[FilterEntry, ...] = ()
    """The same for R packages, whose names are compared letter by letter."""
    r_blacklist: tuple[FilterEntry, ...] = ()


class IndexConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The `[index]` section. Credentials never stand here: they come from netrc or the environment."""

    url: str | None = None
    """A simple API, which takes the place of all that uv's and pip's settings name; else those, else PyPI."""
    extra_urls: tuple[str, ...] = ()
    """Further ones, asked before it in this order: the first index that has a package at any version decides."""
    packages: dict[Annotated[str, Meta(pattern=r"\A[A-Za-z0-9*]([A-Za-z0-9._*-]*[A-Za-z0-9*])?\Z")], str] = {}
    """Name or glob (`torch*`) to the one index that is asked for it, and for nothing else."""
    internal_hosts: tuple[Annotated[str, Meta(pattern=r"\A[a-z0-9]([a-z0-9._-]*[a-z0-9])?\Z")], ...] = ()
    """Hosts in your own network from which a package may come although no index is there: a git server, a file server.
    Anything else that a cluster or an index names must be on the internet."""
    ignore_error_codes: tuple[Annotated[int, Meta(ge=400, le=499)], ...] = ()
    """Statuses by which an index says that it does not have a package, beside 404; as in uv's [[index]]."""
    ca_bundle: Path | None = None
    """PEM file of the certificate authorities to trust, outside of the repository; else SSL_CERT_FILE,
    REQUESTS_CA_BUNDLE, PIP_CERT."""


class RConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The `[r]` section: where R packages come from. Credentials never stand here: they come from netrc."""

    repositories: tuple[str, ...] = ()
    """CRAN-like repositories, asked in order: addresses, or folders of this machine (relative to the file)."""
    snapshot_url: str | None = None
    """A repository that serves the CRAN of any day: its address with `{date}` in it; asked before `repositories`."""
    snapshot_date: date | None = None
    """The day to take from it; else the one that the cluster's runtime was filled on, where that is known."""
    binary_repositories: dict[Annotated[str, Meta(pattern=r"\A[a-z]+-[0-9.]+\Z")], str] = {}
    """Distribution (`ubuntu-24.04`) to the repository of packages built for it, `{date}` in it as above."""
    apt_repository: str | None = None
    """Where R itself comes from if the base's distribution has another one: `URI SUITE`, as in apt's sources."""
    apt_key: Path | None = None
    """File with that repository's public key, in ASCII armour."""


class CiConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The `[ci]` section: what `dbmirror ci` writes into pipelines."""

    dbmirror: str | None = None
    """Where a pipeline installs dbmirror from: `index`, the path of a committed wheel, `git+https://…@COMMIT`."""


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    mirrors: dict[MirrorName, MirrorConfig] = {}
    filters: FilterConfig = FilterConfig()
    index: IndexConfig = IndexConfig()
    r: RConfig = RConfig()
    registries: dict[RegistryName, RegistryConfig] = {}
    """Where images are pushed to, by the name that `--push` takes."""
    ci: CiConfig = CiConfig()
    folder: Path = Path("mirrors")
    """Where the mirrors' folders lie, below the file's own."""


class LoadedConfig(Struct, frozen=True):
    """A configuration and where it was read from."""

    config: Config
    origin: Path | None
    """The file; None where there is none and the defaults hold."""
    root: Path
    """The folder that relative paths start from."""

    def mirror_folder(self, name: str) -> Path:
        """The folder of the mirror `name`, whether or not it is there yet.

        Raises ConfigError where the name has not a mirror's form or the folder would lie outside the project, and
        NotPlain where the folder or one between it and the project is a link.
        """
        self.mirror(name)
        inside = _folder_inside(self.config.folder, self.root, self.origin) / name
        # The project's own folder may be reached by a link: that is the user's.
        is_folder_below(self.root.resolve(), inside.as_posix())
        return self.root / inside

    def r(self, name: str) -> RConfig:
        """Where the R of the mirror `name` comes from."""
        return self.mirror(name).r or self.config.r

    def apt_key(self, r: RConfig) -> str:
        """The text of the key file that `r` names. Raises ConfigError where it cannot be read."""
        path = (self.root / (r.apt_key or "")).absolute()
        try:
            return read_below(path.parent.resolve(), path.name, largest=LARGEST_KEY).decode("ascii")
        except (OSError, ValueError, NotPlain) as error:
            reason = error.strerror if isinstance(error, OSError) else error.args[0] if error.args else error
            raise ConfigError(
                f"{self.origin or FILE_NAME}: 'apt_key' of [r] names {path}, which cannot be read: {reason}.",
                remedy="Export the key with 'gpg --armor --export', and name that file.",
            ) from error

    def mirror(self, name: str) -> MirrorConfig:
        """The section of the mirror `name`; else what the sandbox says of it; else the defaults.

        Raises ConfigError where the name has not a mirror's form.
        """
        if not is_mirror_name(name):
            raise ConfigError(
                f"{name!r} cannot be a mirror's name.",
                remedy=f"Use {MIRROR_NAME_FORM}; a Databricks profile of another form is named by 'profile' in a "
                "[mirrors.NAME] section.",
            )
        if name in self.config.mirrors:
            return self.config.mirrors[name]
        return _sandbox_mirrors().get(name, MirrorConfig())


def is_mirror_name(name: str) -> bool:
    """Whether a mirror can be called `name`."""
    try:
        convert(name, MirrorName)
    except msgspec.ValidationError:
        return False
    return True


def load_config(path: Path | None = None, *, start: Path | None = None) -> LoadedConfig:
    """The configuration in `path`, else in the dbmirror.toml of `start` (this folder) or the nearest one above it.

    No file at all gives the defaults. Raises ConfigError where the file is missing (if named), is not TOML, or has
    an unknown or wrong setting; the message says which.
    """
    if path is None:
        start = (start or Path.cwd()).absolute()
        path = next((p / FILE_NAME for p in (start, *start.parents) if (p / FILE_NAME).is_file()), None)
        if path is None:
            return LoadedConfig(config=Config(), origin=None, root=start)
    root = path.absolute().parent
    return LoadedConfig(config=_checked(_decode(path), path, root), origin=path, root=root)


def _checked(config: Config, path: Path, root: Path) -> Config:
    """`config` of the file `path`, which may have come with a clone. Raises SettingNotAllowed."""
    if config.index.ca_bundle is not None:
        require_outside_repository(
            config.index.ca_bundle,
            root=root,
            origin=f"'ca_bundle' in {path}",
            remedy="Name it with --ca-bundle or in the variable SSL_CERT_FILE, or copy it to a place of your own.",
        )
    r_sections = (config.r, *(section.r for section in config.mirrors.values() if section.r is not None))
    repositories = [url for r in r_sections for url in (*r.repositories, *r.binary_repositories.values())]
    snapshots = [r.snapshot_url for r in r_sections]
    for url in (config.index.url, *config.index.extra_urls, *config.index.packages.values(), *repositories, *snapshots):
        require_login_kept(url or "", origin=str(path))
    for name, section in config.mirrors.items():
        if section.ssh.identity_file is not None:
            require_users_key(section.ssh.identity_file, origin=f"'identity_file' of the mirror {name} in {path}")
    return config


def _folder_inside(folder: Path, root: Path, origin: Path | None) -> Path:
    """The `folder` of the configuration as a path that starts from `root`. Raises ConfigError where it leads out.

    dbmirror.toml is cloned with the repository, and what lies in a mirror's folder is written, replaced and removed.
    """
    inside = folder.relative_to(root) if folder.is_relative_to(root) else folder
    if inside.is_absolute() or ".." in inside.parts:
        raise ConfigError(
            f"{origin or FILE_NAME}: 'folder' leads out of the project, to {folder}.",
            remedy=f"Name a folder below {root}, or move {FILE_NAME} to where the mirrors shall lie.",
        )
    return inside


def _decode(path: Path) -> Config:
    try:
        return decode_toml(path.read_bytes(), Config, dec_hook=_decode_path)
    except FileNotFoundError:
        raise ConfigError(f"There is no {path}.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from error
    except msgspec.ValidationError as error:
        if "unknown field `profile_file`" in str(error):
            raise ConfigError(
                f"{path} names a 'profile_file': a cloned file could so name the program that logs you in.",
                remedy="Leave it out, and name the file in the variable DATABRICKS_CONFIG_FILE.",
            ) from error
        raise ConfigError(f"{path}: {error}.") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error


def _decode_path(kind: type, value: object) -> object:
    if kind is not Path:
        raise NotImplementedError(f"no decoder for {kind}")
    # What is raised here becomes a ValidationError that names the setting.
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("Expected a path")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"There is no home folder for {value!r}") from error


def sandbox_servers() -> tuple[str, ...]:
    """Addresses of the sandbox's own servers on this machine, which its cluster may name; none where there is none."""
    url = _sandbox_document(SERVERS_FILE).get("files_url")
    return (url,) if isinstance(url, str) else ()


def _sandbox_mirrors() -> dict[str, MirrorConfig]:
    """What `dbmirror sandbox up` left for its own mirror, so that it needs no configuration file."""
    document = _sandbox_document(FILE_NAME)
    try:
        mirrors = dict(document.get("mirrors", {}))
        for section in mirrors.values():
            section.pop("profile_file", None)  # an older dbmirror's; the sandbox's profile file has a fixed place
        return convert(mirrors, dict[MirrorName, MirrorConfig], dec_hook=_decode_path)
    except (ValueError, TypeError, AttributeError, msgspec.ValidationError) as error:
        raise _unusable_sandbox(error) from error


def _sandbox_document(name: str) -> dict[str, Any]:
    path = sandbox_folder() / name
    try:
        return decode_toml(path.read_bytes(), dict[str, Any]) if path.is_file() else {}
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise _unusable_sandbox(error, name) from error


def _unusable_sandbox(error: Exception, name: str = FILE_NAME) -> ConfigError:
    return ConfigError(
        f"The sandbox's {sandbox_folder() / name} cannot be used: {error}.",
        remedy="Make it again: 'dbmirror sandbox up'.",
    )
