"""One thread at a time in packaging's parser of requirements and markers."""

from __future__ import annotations

import threading
from typing import Final

ONE_PARSER: Final = threading.RLock()
"""Held while a Requirement or a Marker is made: packaging reads their quoted words with `ast.literal_eval`, which fails
in CPython before 3.11.8 where two threads are in it ("AST constructor recursion depth mismatch",
python/cpython#106905); Debian 12 has such a Python."""
