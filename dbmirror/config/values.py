"""Values of dbmirror.toml that TOML has no type for."""

from __future__ import annotations

from pathlib import Path


def decode_path(kind: type, value: object) -> object:
    """The path that `value` names, `~` resolved: msgspec's `dec_hook`. Raises ValueError where it names none."""
    if kind is not Path:
        raise NotImplementedError(f"no decoder for {kind}")
    # What is raised here becomes a ValidationError that names the setting.
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("Expected a path")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"There is no home folder for {value!r}") from error
