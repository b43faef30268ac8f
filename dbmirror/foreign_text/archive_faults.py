"""What Python's readers of archives raise of one that is damaged, or made to be."""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from typing import Final

ARCHIVE_FAULTS: Final = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,  # an encrypted member, a way of compression that this Python does not know
    ValueError,  # names that are no UTF-8, and a sparse file's map without numbers
)
"""All that zipfile and tarfile let through of a stranger's bytes."""
