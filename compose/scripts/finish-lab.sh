#!/usr/bin/env bash
# Puts dbmirror's own modules on the path of /opt/lab, and keeps those kernels of the mirror that start.
set -euo pipefail

# shellcheck source=left-out.sh
source "${BASH_SOURCE%/*}/left-out.sh"

site=$(/opt/lab/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo /opt/lab/lib/inside >"$site/dbmirror_lab.pth"
# Compiled now, for the user who runs them cannot write here, and JupyterLab would start twice as slowly each time.
/opt/lab/bin/python -m compileall -q "$site" /opt/lab/lib/inside /opt/lab/lib/dbmirror || true

kernels=/opt/lab/share/jupyter/kernels
if ! /databricks/python3/bin/python -B -c 'import ipykernel' 2>/dev/null; then
    # A mirror of R alone.
    rm -rf "$kernels/mirror-python"
    left_out "There is no Python kernel of the mirror: its /databricks/python3 has no ipykernel."
fi
if [[ ! -d /opt/lab/lib/R ]]; then
    # There is no R, or `lab up` found why there is no IRkernel.
    rm -rf "$kernels/mirror-r"
else
    said=$(mktemp)
    if ! HOME=$(mktemp -d) /opt/lab/bin/python "${BASH_SOURCE%/*}/try-kernel.py" mirror-r 'data.frame(a = 1:2)' \
        >"$said" 2>&1; then
        cat "$said" >&2
        reason=$(sed -n 's/^The R kernel cannot start: //p' "$said" | head --lines=1)
        rm -rf "$kernels/mirror-r"
        left_out "There is no R kernel: it was tried and did not start (${reason:-$(tail --lines=1 "$said")})."
    fi
    rm -f "$said"
fi
