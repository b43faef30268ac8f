#!/usr/bin/env bash
# Puts dbmirror's own modules on the path of /opt/lab, and keeps the R kernel only where R and IRkernel are there.
set -euo pipefail

site=$(/opt/lab/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo /opt/lab/lib/inside >"$site/dbmirror_lab.pth"
# Compiled now, for the user who runs them cannot write here, and JupyterLab would start twice as slowly each time.
/opt/lab/bin/python -m compileall -q "$site" /opt/lab/lib/inside /opt/lab/lib/dbmirror || true
if ! { command -v Rscript >/dev/null && Rscript -e 'library(IRkernel)' >/dev/null 2>&1; }; then
    rm -rf /opt/lab/share/jupyter/kernels/mirror-r
fi
