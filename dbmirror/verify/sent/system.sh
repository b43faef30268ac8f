# Asks the image that it runs in, as root, what the rules of the contract want to know of its files and users. POSIX shell;
# begins with answer.sh. Nothing of the mirrored packages is started as root.

# The tools are the system's own: on the image's PATH a package may have put a program of the same name before them.
PATH_OF_IMAGE=$PATH
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH_OF_IMAGE PATH

found() {
  PATH=$PATH_OF_IMAGE
  command -v "$1"
}

answer os-release cat /etc/os-release
for command in bash ip ps sudo su stat nohup setfacl fusermount conda mamba micromamba virtualenv java R; do
  answer "command:$command" found "$command"
done
answer command:sshd test -x /usr/sbin/sshd
answer user:libraries grep '^libraries:' /etc/passwd
answer password:libraries passwd -S libraries
answer user:ubuntu grep '^ubuntu:' /etc/passwd
answer groups:ubuntu id -nG ubuntu
answer pyspark-python test -x "${PYSPARK_PYTHON:-/nonexistent}"
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
# The one program of a package, as a user without rights, and nothing is asked after it.
answer virtualenv:libraries $limit su libraries -c 'PATH=$PATH_OF_IMAGE virtualenv --version'
