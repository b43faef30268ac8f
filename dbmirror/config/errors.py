"""What can be wrong with dbmirror.toml."""

from __future__ import annotations

from dbmirror.errors import UsageError


class ConfigError(UsageError):
    """dbmirror.toml is missing where it is needed, is not TOML, or holds something unknown."""
