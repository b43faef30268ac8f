"""Finds and reads dbmirror.toml; a setting that is wrong, unknown or not for a cloned file to say is an error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from dbmirror.clones.allowed_settings import (
    require_login_kept,
    require_outside_repository,
    require_users_key,
    stranger_above,
)
from dbmirror.config.errors import ConfigError
from dbmirror.config.registries import RegistryConfig
from dbmirror.config.sandbox import SANDBOX_REGISTRY, filled, sandbox_logins, sandbox_mirrors, sandbox_registries
from dbmirror.config.settings import FILE_NAME, MIRROR_NAME_FORM, Config, MirrorConfig, MirrorName, RConfig
from dbmirror.config.unknown import first_unknown
from dbmirror.config.values import decode_path
from dbmirror.files import read_settings
from dbmirror.foreign_text.decoding import convert, decode_toml
from dbmirror.mirror_folder.files import is_folder_below, read_below
from dbmirror.mirror_folder.opening import NotPlain

LARGEST_KEY: Final = 1 << 20
"""Bytes of a public key in ASCII armour: the largest ones have some 100 kB."""


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

    def registries(self) -> dict[str, RegistryConfig]:
        """Where images can be pushed to: the sections of the file, else the sandbox's own registry."""
        return {**sandbox_registries(), **self.config.registries}

    def registry_environment(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        """`environ` with the sandbox's login, for its own registry alone: another of that name gets none of it."""
        own = sandbox_registries().get(SANDBOX_REGISTRY)
        ours = own is not None and self.registries()[SANDBOX_REGISTRY] == own
        return {**sandbox_logins(), **environ} if ours else environ

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
        section = self.config.mirrors.get(name)
        if section is None:
            return sandbox_mirrors().get(name, MirrorConfig())
        return filled(section, sandbox_mirrors().get(section.profile or name))

    def sections(self) -> dict[str, MirrorConfig]:
        """The sections of all mirrors that are named anywhere, the sandbox's among them."""
        return {name: self.mirror(name) for name in (*sandbox_mirrors(), *self.config.mirrors)}


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
    an unknown or wrong setting, or lies above and is of another account; the message says which.
    """
    if path is None:
        start = (start or Path.cwd()).absolute()
        path = next((p / FILE_NAME for p in (start, *start.parents) if (p / FILE_NAME).is_file()), None)
        if path is None:
            return LoadedConfig(config=Config(), origin=None, root=start)
        if (owner := stranger_above(path, start)) is not None:
            raise ConfigError(
                f"{path} is of another account (user number {owner}), which says what is built, and can change it.",
                remedy=f"Work in a folder with a {FILE_NAME} of your own; if that file is right, name it: "
                f"--config {path}.",
            )
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
        document = decode_toml(read_settings(path), dict[str, Any])
    except FileNotFoundError:
        raise ConfigError(f"There is no {path}.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error
    unknown = first_unknown(document, Config)
    if unknown is not None and unknown.name == "profile_file":
        raise ConfigError(
            f"{path} names a 'profile_file': a cloned file could so name the program that logs you in.",
            remedy="Leave it out, and name the file in the variable DATABRICKS_CONFIG_FILE.",
        )
    if unknown is not None:
        raise ConfigError(f"{path}: {unknown.message}", remedy=unknown.remedy)
    try:
        return convert(document, Config, dec_hook=decode_path)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}.") from error
