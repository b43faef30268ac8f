"""dbmirror.toml: which mirrors there are and how they are made; every setting has a default."""

from dbmirror.config.errors import ConfigError
from dbmirror.config.loading import LoadedConfig, is_mirror_name, load_config
from dbmirror.config.sandbox import LOGINS_FILE, SANDBOX_REGISTRY, SERVERS_FILE, sandbox_servers
from dbmirror.config.settings import (
    FILE_NAME,
    MIRROR_NAME_FORM,
    CiConfig,
    Config,
    FilterConfig,
    FilterEntry,
    IndexConfig,
    LabConfig,
    Memory,
    MirrorConfig,
    MirrorName,
    RConfig,
    RegistryName,
    SparkRemote,
    SshConfig,
    Waiver,
)

__all__ = [
    "FILE_NAME",
    "LOGINS_FILE",
    "MIRROR_NAME_FORM",
    "SANDBOX_REGISTRY",
    "SERVERS_FILE",
    "CiConfig",
    "Config",
    "ConfigError",
    "FilterConfig",
    "FilterEntry",
    "IndexConfig",
    "LabConfig",
    "LoadedConfig",
    "Memory",
    "MirrorConfig",
    "MirrorName",
    "RConfig",
    "RegistryName",
    "SparkRemote",
    "SshConfig",
    "Waiver",
    "is_mirror_name",
    "load_config",
    "sandbox_servers",
]
