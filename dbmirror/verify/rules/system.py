"""Rules about the image's operating system: release, Java, commands, users, fuse."""

from __future__ import annotations

import re
from typing import Final

from dbmirror.verify.evidence import Evidence
from dbmirror.verify.rules.rule import Result, failed, listed, not_applicable, passed

_COMMANDS: Final = ("bash", "ip", "ps", "sudo", "su", "stat", "nohup")
_NO_LOGIN: Final = re.compile(r"/(nologin|false)$")


def operating_system(evidence: Evidence) -> Result:
    """L02: another system than the runtime's Ubuntu ends in DOCKER_INVALID_OS_EXCEPTION."""
    release = evidence.system.os_release
    found = f"{release.get('ID', 'unknown')} {release.get('VERSION_ID', '')}".strip()
    if evidence.runtime.ubuntu is None:
        return not_applicable(
            f"No source states the Ubuntu of runtime {evidence.runtime.version}; the image is {found}."
        )
    expected = f"ubuntu {evidence.runtime.ubuntu}"
    if found == expected:
        return passed(f"The image is {found}.")
    return failed(f"The image is {found}; runtime {evidence.runtime.version} needs {expected}. Use another base.")


def java(evidence: Evidence) -> Result:
    """L03: the runtime's jars are compiled for its default Java."""
    if not evidence.runtime.java:
        return not_applicable(f"No source states the Java of runtime {evidence.runtime.version}.")
    expected = evidence.runtime.java[0]
    answer = evidence.system.answer("java")
    if not answer.good:
        return failed(f"There is no Java on the PATH; runtime {evidence.runtime.version} needs Java {expected}.")
    match = re.search(r'version "(?:1\.)?(\d+)', answer.output)
    if match is None:
        return failed(f"'java -version' answers {answer.first_line!r}, which names no version.")
    if int(match[1]) != expected:
        return failed(
            f"Java on the PATH is {match[1]}; runtime {evidence.runtime.version} runs on Java {expected} by default."
        )
    return passed(f"Java on the PATH is {match[1]}.")


def commands(evidence: Evidence) -> Result:
    """L04: what the platform calls in the container."""
    needed = (*_COMMANDS, *(("setfacl",) if evidence.runtime.needs_acl else ()))
    missing = [command for command in needed if not evidence.system.has(command)]
    if missing:
        return failed(
            f"The image lacks {listed(missing)}; install iproute2 (ip), procps (ps), sudo, coreutils, acl (setfacl)."
        )
    return passed(f"{listed(list(needed), most=10)} are there.")


def libraries_user(evidence: Evidence) -> Result:
    """L08: the platform installs cluster libraries with `su libraries -c`."""
    if not evidence.runtime.needs_libraries_user:
        return not_applicable(f"Runtime {evidence.runtime.version} does not use the user 'libraries'.")
    account = evidence.system.answer("user:libraries")
    if not account.good:
        return failed("There is no user 'libraries': useradd libraries && usermod -L libraries.")
    shell = account.first_line.rpartition(":")[2]
    if _NO_LOGIN.search(shell):
        return failed(f"The shell of the user 'libraries' is {shell}; the platform runs commands with it.")
    status = evidence.system.answer("password:libraries").first_line.split()
    if status[1:2] not in (["L"], ["LK"]):
        return failed("The password of the user 'libraries' is not locked: usermod -L libraries.")
    return passed(f"The user 'libraries' is there with the shell {shell or '/bin/sh'} and a locked password.")


def conda(evidence: Evidence) -> Result:
    """L14: conda in an image is not supported since runtime 9."""
    found = [command for command in ("conda", "mamba", "micromamba") if evidence.system.has(command)]
    variables = [name for name in evidence.image.environment if name.endswith("DATABRICKS_ROOT_CONDA_ENV")]
    if found or variables:
        return failed(f"The image brings {listed(found + variables)}; conda is not supported in custom containers.")
    return passed("No conda or mamba on the PATH.")


def ssh(evidence: Evidence) -> Result:
    """L16: what classic SSH and `databricks ssh` need."""
    if not evidence.system.has("sshd"):
        return not_applicable("The image has no sshd: neither classic SSH nor 'databricks ssh' reach a cluster of it.")
    account = evidence.system.answer("user:ubuntu")
    groups = evidence.system.answer("groups:ubuntu").first_line.split()
    if not account.good:
        return failed("The image has sshd and no user 'ubuntu', as whom classic SSH logs in.")
    if not account.first_line.endswith("/bash") or "sudo" not in groups:
        return failed("The user 'ubuntu' needs bash as its shell and the group 'sudo'.")
    return passed(
        "sshd and the user 'ubuntu' are there; an init script must start sshd. Azure may not forward port 2200."
    )


def fuse(evidence: Evidence) -> Result:
    """L26: `/dbfs` needs fuse."""
    if evidence.system.has("fusermount"):
        return passed("fusermount is there, for /dbfs.")
    return not_applicable("Nothing says that /dbfs is used; it would need the package fuse in the image.")


def ports(evidence: Evidence) -> Result:
    """L27: nothing of the image runs on a cluster unless an init script starts it."""
    del evidence
    return not_applicable("The image starts no service of its own: CMD and ENTRYPOINT are ignored on Databricks.")


def jars(evidence: Evidence) -> Result:
    """L20: the platform brings Spark and Scala; a second copy on the class path ends in NoSuchMethodError."""
    if evidence.system.answer("spark-home").good:
        return failed("The image has /databricks/spark, which the platform puts there itself; remove it.")
    own = evidence.system.answer("spark-jars").output.split()
    if own:
        return failed(
            f"{listed(own)} hold classes of Spark or of Scala's library, which the runtime brings; remove them."
        )
    names = evidence.system.answer("jars").output.split() if evidence.system.answer("jars").good else []
    if not names:
        return passed("The image has no jars in /databricks/jars and no Spark.")
    scala = {version.rpartition(".")[0] if version.count(".") > 1 else version for version in evidence.runtime.scala}
    wrong = [
        name for name in names if (match := re.search(r"_(2\.1[123])\b", name)) and scala and match[1] not in scala
    ]
    if wrong:
        return failed(f"{listed(wrong)} are for another Scala than the runtime's {' or '.join(sorted(scala))}.")
    return passed(f"The {len(names)} jars in /databricks/jars hold no Spark or Scala classes.")


def reproducible_sources(evidence: Evidence) -> Result:
    """L24: sources that change or vanish, as the image's history names them."""
    known = {
        "bootstrap.pypa.io/get-pip": "the rolling get-pip.py",
        "deadsnakes": "the PPA deadsnakes",
        "mran.microsoft.com": "MRAN, which was shut down",
        "apt-key": "apt-key, which newer releases lack",
        "add-apt-repository ppa:": "a rolling PPA",
    }
    history = "\n".join(evidence.history)
    found = [meaning for word, meaning in known.items() if word in history]
    if found:
        return failed(f"The image was made with {listed(found)}: it cannot be made again for certain.")
    return passed("The image's history names no rolling or vanished source.")
