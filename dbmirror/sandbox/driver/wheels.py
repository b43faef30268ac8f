"""The sandbox's own little wheels, the same bytes every time: packages that no index has."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Final

_EPOCH: Final = (2024, 1, 1, 0, 0, 0)


def build_wheel(
    *, name: str, version: str, summary: str, files: Mapping[str, str], console_scripts: Mapping[str, str] | None = None
) -> tuple[str, bytes]:
    """A pure-Python wheel as its file name and content: `files` (path in site-packages to text) and its metadata.

    `console_scripts` maps a command to its entry point (`package.module:function`).
    """
    spelled = name.replace("-", "_")
    folder = f"{spelled}-{version}.dist-info"
    contents = {path: text.encode() for path, text in files.items()}
    contents[f"{folder}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {summary}\nRequires-Python: >=3.8\n"
    ).encode()
    contents[f"{folder}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: dbmirror-sandbox\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    if console_scripts:
        lines = "".join(f"{command} = {target}\n" for command, target in sorted(console_scripts.items()))
        contents[f"{folder}/entry_points.txt"] = f"[console_scripts]\n{lines}".encode()
    record = "".join(f"{path},sha256={_record_hash(content)},{len(content)}\n" for path, content in contents.items())
    contents[f"{folder}/RECORD"] = f"{record}{folder}/RECORD,,\n".encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in contents.items():
            entry = zipfile.ZipInfo(path, date_time=_EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return f"{spelled}-{version}-py3-none-any.whl", stream.getvalue()


def _record_hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def forecast() -> tuple[str, bytes]:
    """The private wheel on a volume: a cluster library that can only be captured. It has a data file and a command."""
    module = (
        '"""Tells tomorrow\'s weather in the sandbox."""\n'
        "from importlib.resources import files\n\n\n"
        "def tomorrow() -> str:\n"
        '    return files(__name__).joinpath("data/outlook.txt").read_text().strip()\n\n\n'
        "def main() -> None:\n"
        "    print(tomorrow())\n"
    )
    return build_wheel(
        name="dbmirror-sandbox-forecast",
        version="1.4.0",
        summary="A package that only this cluster has.",
        files={
            "dbmirror_sandbox_forecast/__init__.py": module,
            "dbmirror_sandbox_forecast/data/outlook.txt": "sunny, with a light breeze from the sandbox\n",
        },
        console_scripts={"sandbox-forecast": "dbmirror_sandbox_forecast:main"},
    )


def calendar() -> tuple[str, bytes]:
    """The wheel that the driver has from a direct URL."""
    return build_wheel(
        name="dbmirror-sandbox-calendar",
        version="0.3.0",
        summary="A package installed from a URL.",
        files={"dbmirror_sandbox_calendar/__init__.py": '"""Knows the days."""\n\nDAYS = 7\n'},
    )


def numbers() -> tuple[str, bytes]:
    """The wheel with a local version, which stands on no index."""
    return build_wheel(
        name="dbmirror-sandbox-numbers",
        version="2.0.1+local.7",
        summary="A package of a private build, marked by its local version.",
        files={"dbmirror_sandbox_numbers/__init__.py": '"""Counts."""\n\nSEVEN = 7\n'},
    )
