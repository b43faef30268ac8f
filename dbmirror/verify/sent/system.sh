# Asks the image that it runs in, as root, what the rules of the contract want to know. POSIX shell; writes nothing.
# For each question one record: RS name US exit-code US output, the output cut to 4000 characters.
python=/databricks/python3/bin/python
limit=
command -v timeout >/dev/null 2>&1 && limit='timeout 30'

answer() {
  name=$1
  shift
  output=$("$@" 2>&1 </dev/null)
  code=$?
  printf '\036%s\037%s\037%s' "$name" "$code" "$(printf %s "$output" | head -c 4000)"
}

answer os-release cat /etc/os-release
for command in bash ip ps sudo su stat nohup setfacl fusermount conda mamba micromamba virtualenv java R; do
  answer "command:$command" command -v "$command"
done
answer command:sshd test -x /usr/sbin/sshd
answer java $limit java -version
answer user:libraries grep '^libraries:' /etc/passwd
answer password:libraries passwd -S libraries
answer user:ubuntu grep '^ubuntu:' /etc/passwd
answer groups:ubuntu id -nG ubuntu
answer virtualenv:root $limit virtualenv --version
answer virtualenv:libraries $limit su libraries -c 'virtualenv --version'
periodic_update() {
  script=$(command -v virtualenv) || return 127
  interpreter=$(sed -n '1s/^#! *//p' "$script" | cut -d' ' -f1)
  $limit "$interpreter" -c 'from virtualenv.seed.embed.base_embed import PERIODIC_UPDATE_ON_BY_DEFAULT as on; print(on)'
}
answer virtualenv:periodic-update periodic_update
answer python $limit "$python" -V
answer pyspark-python test -x "${PYSPARK_PYTHON:-/nonexistent}"
answer python-lsp $limit /databricks/python-lsp/bin/python -c 'import pylsp; print(pylsp.__version__)'
answer pip-check $limit "$python" -I -m pip check --disable-pip-version-check --no-input
answer spark-home ls -d /databricks/spark
answer jars ls /databricks/jars
spark_jars() {
  # Names of classes stand uncompressed in a jar's directory.
  for jar in /databricks/jars/*.jar; do
    [ -f "$jar" ] && grep -qaF -e org/apache/spark/SparkContext -e scala/Predef.class "$jar" && echo "$jar"
  done
  return 0
}
answer spark-jars spark_jars
