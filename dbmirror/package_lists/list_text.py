"""The text of a list of packages, in whichever encoding it was written."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Final

from dbmirror.files import read_settings
from dbmirror.package_lists.model import ListUnreadable

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""UTF-32's before UTF-16's, which begin alike. PowerShell writes UTF-16 with its mark where output is redirected."""
_DECLARED: Final = re.compile(rb"#.*?coding[:=][ \t]*([-\w.]+)")


def read_text(file: Path, *, named_by: str = "") -> str:
    """The text of `file`, which `named_by` (`requirements.txt:3`) includes. Raises ListUnreadable."""
    try:
        return decode(read_settings(file))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ListUnreadable(
            f"{file}{f', which {named_by} includes,' if named_by else ''} cannot be read: {reason}."
        ) from None


def decode(content: bytes) -> str:
    """`content` as text: by its byte order mark, by the encoding that it declares as Python does, else UTF-8.

    UTF-16 without a mark is seen by its zero bytes. Raises ValueError where it is no text.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding)
    for line in content.split(b"\n", 2)[:2]:
        declared = _DECLARED.match(line)
        if declared:
            try:
                return content.decode(declared[1].decode("ascii"))
            except LookupError:
                raise ValueError(f"it declares the encoding {declared[1].decode('ascii', 'replace')}") from None
    zeros = (content[:200:2].count(0), content[1:200:2].count(0))
    if any(zeros):
        return content.decode("utf-16-be" if zeros[0] > zeros[1] else "utf-16-le")
    return content.decode("utf-8")
