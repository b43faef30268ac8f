"""Starts JupyterLab: with the token that is given, else with one of its own, whose URL it prints."""

import os
import secrets
import sys
from pathlib import Path

GIVEN = Path("/run/secrets/lab-token")
USED = Path("/dev/shm/dbmirror-lab-token")
NOTEBOOKS = Path("/home/lab/notebooks")
CA_BUNDLE = Path("/run/secrets/ca-bundle")
"""The certificate authorities that the lab was built with; empty where none are named."""
LEFT_OUT = Path("/opt/lab/share/dbmirror/left-out.txt")
"""What this lab lacks, one sentence a line; missing where it lacks nothing."""


def main() -> None:
    """Write the token where the server reads it, and become the server."""
    try:
        token = GIVEN.read_text().strip()
    except PermissionError:
        owner = GIVEN.stat().st_uid
        sys.exit(
            f"The file of DBMIRROR_LAB_TOKEN belongs to user {owner}; set DBMIRROR_LAB_UID={owner} and start again."
        )
    except FileNotFoundError:
        token = ""
    own = not token
    token = token or secrets.token_urlsafe(24)
    USED.unlink(missing_ok=True)
    descriptor = os.open(USED, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(token)
    port = os.environ.get("DBMIRROR_LAB_PORT", "8888")
    if own:
        print(f"JupyterLab: http://127.0.0.1:{port}/lab?token={token}", flush=True)
    else:
        print(f"JupyterLab: http://127.0.0.1:{port}/lab ('dbmirror lab url' gives it with the token)", flush=True)
    if LEFT_OUT.exists():
        print(LEFT_OUT.read_text().strip(), flush=True)
    if not os.access(NOTEBOOKS, os.W_OK):
        owner = NOTEBOOKS.stat().st_uid
        print(
            f"The folder notebooks belongs to user {owner}, and the lab runs as user {os.getuid()}: notebooks can be "
            "read, not saved. Set DBMIRROR_LAB_UID to your user id, or change the folder's owner.",
            flush=True,
        )
    environment = {**os.environ, "PATH": f"/opt/lab/bin:{os.environ['PATH']}", "JUPYTER_PREFER_ENV_PATH": "1"}
    if os.access(CA_BUNDLE, os.R_OK) and CA_BUNDLE.stat().st_size:
        # For %pip in notebooks, which asks the index that the lab's own files came from.
        environment.setdefault("PIP_CERT", str(CA_BUNDLE))
    os.execve("/opt/lab/bin/jupyter-lab", ["jupyter-lab"], environment)


if __name__ == "__main__":
    main()
