"""`python -m dbmirror.sandbox.registry KIND FOLDER SECONDS`: the process that start_detached starts."""

from __future__ import annotations

import sys
from pathlib import Path

from dbmirror.errors import DbmirrorError
from dbmirror.sandbox.registry.detached import serve

if __name__ == "__main__":
    kind, folder, seconds = sys.argv[1:]
    try:
        serve("acr" if kind == "acr" else "dockerhub", Path(folder), float(seconds))
    except DbmirrorError as error:
        sys.exit(str(error))
