#!/usr/bin/env bash
# Makes the runtime's environments: create-environments.sh X.Y
#   the system's pip, setuptools, wheel and virtualenv, at the runtime's versions
#   /databricks/python3     the environment that notebooks and jobs run in
#   /databricks/python-lsp  the language server, if it has requirements
set -euo pipefail

# shellcheck source=uv.sh
source "${BASH_SOURCE%/*}/uv.sh"

python=python$1
requirements=/run/dbmirror/requirements
files=/run/dbmirror/files
export PYTHONDONTWRITEBYTECODE=1

# Debian 12 and Ubuntu 24.04 mark the system's Python as theirs (PEP 668), so that pip keeps out of it. The platform
# runs the virtualenv of this very Python, and /usr/local is ours to fill: apt's own packages stay as they are.
install_wheels $requirements/tools.txt $files --require-hashes --python "/usr/bin/$python" --break-system-packages

# virtualenv looks for newer seed packages every fortnight unless told otherwise: a cluster's nodes must not differ.
seeds=$("$python" -c 'import virtualenv.seed.embed.base_embed as module; print(module.__file__)')
sed -i -E 's/^(PERIODIC_UPDATE_ON_BY_DEFAULT) = True$/\1 = False/' "$seeds"
grep --quiet '^PERIODIC_UPDATE_ON_BY_DEFAULT = False$' "$seeds"

VIRTUALENV_OVERRIDE_APP_DATA=$(mktemp -d)
export VIRTUALENV_OVERRIDE_APP_DATA
create=(virtualenv --quiet --python="$python" --system-site-packages --no-download --no-setuptools)
"${create[@]}" /databricks/python3
if [[ -e $requirements/python-lsp.txt ]]; then
    "${create[@]}" /databricks/python-lsp
    install_wheels $requirements/python-lsp.txt $files --require-hashes --python /databricks/python-lsp/bin/python
fi
rm -rf "$VIRTUALENV_OVERRIDE_APP_DATA"
