# Starts the programs that the rules ask about, the mirrored Python among them: what packages bring with them runs here.
# POSIX shell; begins with answer.sh.
python=/databricks/python3/bin/python
[ -w /tmp ] && TMPDIR=/tmp

answer java $limit java -version
periodic_update() {
  script=$(command -v virtualenv) || return 127
  interpreter=$(sed -n '1s/^#! *//p' "$script" | cut -d' ' -f1)
  $limit "$interpreter" -c 'from virtualenv.seed.embed.base_embed import PERIODIC_UPDATE_ON_BY_DEFAULT as on; print(on)'
}
answer virtualenv:root $limit virtualenv --version
answer virtualenv:periodic-update periodic_update
answer python $limit "$python" -V
answer python-lsp $limit /databricks/python-lsp/bin/python -c 'import pylsp; print(pylsp.__version__)'
answer pip-check $limit "$python" -I -m pip check --disable-pip-version-check --no-input
