"""`spark` of the mirror kernel through the workspace: the real client of the runtime against a server behind TLS.

The server stands in for the workspace; the token and its file are those of the lab.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dbmirror.engine.compose_project import command
from dbmirror.lab import stack as lab_stack
from dbmirror.lab.paths import lab_paths
from dbmirror.lab.tokens import write_workspace_token
from dbmirror.lab.variables import read_environment
from dbmirror.pipeline.mirror import Mirror
from tests.stack.lab.stack import (
    container,
    docker,
    give_to_lab,
    in_lab,
    outputs_of,
    project_of,
    settles,
    write_notebook,
)

pytestmark = pytest.mark.stack

PYTHON = "/databricks/python3/bin/python"
INSIDE = "/home/lab/notebooks/endpoint"
UV = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
SDK = "databricks-sdk==0.49.0"
ADDED = "/home/lab/notebooks/added"
START = f"""
import os
import time
from pathlib import Path
folder = Path("{INSIDE}")
os.environ["DBMIRROR_WORKSPACE"] = f"https://localhost:{{(folder / 'port').read_text()}}"
os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = str(folder / "cert.pem")
def ask():
    try:
        print(type(spark.version).__name__, [row.id for row in spark.range(3).collect()])
    except RuntimeError as error:
        print(error)
"""
ASK = "ask()\n"
ASK_THRICE = """
for step in ("used", "refused"):
    ask()
    session = spark
    (folder / step).touch()
    while not (folder / f"{step}-seen").exists():
        time.sleep(0.1)
ask()
print("same", session is spark)
"""
USERS_OWN = f"""
import sys
sys.path.insert(0, "{ADDED}")
os.environ["DATABRICKS_HOST"] = os.environ["DBMIRROR_WORKSPACE"]
os.environ["DATABRICKS_TOKEN"] = "dapi-of-the-user"
os.environ["DATABRICKS_CLUSTER_ID"] = "0202-120000-another1"
os.environ["REQUESTS_CA_BUNDLE"] = str(folder / "cert.pem")
"""


@pytest.fixture
def endpoint(stack: Path) -> Iterator[Path]:
    """The server in the lab's container, with its files in the notebooks folder; it lets the lab's token in."""
    folder = stack / "notebooks" / "endpoint"
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "cert.key").write_bytes(private)
    (folder / "token").write_text(lab_paths(stack).workspace_token.read_text())
    (folder / "server.py").write_bytes(Path(__file__).with_name("connect_server.py").read_bytes())
    for path in (folder, *folder.iterdir()):
        give_to_lab(stack, path)
    argv = command(project_of(stack), "exec", "--no-TTY", "--env", "PYTHONPATH=/opt/lab/lib/spark", "lab", PYTHON)
    server = subprocess.Popen([*argv, f"{INSIDE}/server.py", INSIDE], stdin=subprocess.DEVNULL)
    try:
        assert settles((folder / "port").exists, 60)
        yield folder
    finally:
        in_lab(stack, "sh", "-c", f"kill $(cat {INSIDE}/pid)")
        server.wait(30)
        in_lab(stack, "rm", "-r", INSIDE)


def asked(endpoint: Path) -> list[dict[str, Any]]:
    path = endpoint / "asked"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def add(stack: Path) -> Iterator[Callable[..., None]]:
    """Install requirements for the mirror's Python into a folder that notebooks see as ADDED."""
    folder = stack / "notebooks" / "added"

    def install(*requirements: str) -> None:
        argv = [UV, "pip", "install", "--quiet", "--python", sys.executable, "--python-version", "3.11"]
        subprocess.run([*argv, "--target", str(folder), *requirements], check=True, capture_output=True)

    yield install
    shutil.rmtree(folder)


def said(stack: Path, cell: str = ASK) -> str:
    write_notebook(stack, "workspace.ipynb", START + cell)
    try:
        return "".join(outputs_of(stack, "workspace", "mirror-python")[0])
    finally:
        (stack / "notebooks" / "workspace.ipynb").unlink()


def test_spark_reaches_the_cluster_through_the_workspace_with_the_labs_token(
    stack: Path, endpoint: Path, mirror: Mirror
) -> None:
    token = lab_paths(stack).workspace_token.read_text().strip()
    assert said(stack) == "str [0, 1, 2]\n"
    calls = asked(endpoint)
    assert {call["call"] for call in calls} >= {"AnalyzePlan", "ExecutePlan"}
    assert {call["authorization"] for call in calls} == {f"Bearer {token}"}
    assert {call["x-databricks-cluster-id"] for call in calls} == {mirror.snapshot().cluster.cluster_id}
    assert not [call for call in calls if token in call["body"]]


def test_a_refused_token_names_the_command_that_renews_it_and_the_renewed_one_is_used(
    stack: Path, endpoint: Path, mirror: Mirror
) -> None:
    user = int(read_environment(lab_paths(stack))["DBMIRROR_LAB_UID"])
    before = container(stack, "lab")
    write_workspace_token(lab_paths(stack), "dapi-that-expired", user=user)
    try:
        refused = said(stack)
        assert "refuses the lab's token; 'dbmirror lab up demo' renews an expired one" in refused
        assert "dapi" not in refused
    finally:
        lab_stack.prepare(mirror.lab, mirror.lab_supplies())
    assert said(stack) == "str [0, 1, 2]\n"
    assert container(stack, "lab") == before


def test_a_session_outlives_its_token_and_says_what_renews_an_expired_one(
    stack: Path, endpoint: Path, mirror: Mirror
) -> None:
    user = int(read_environment(lab_paths(stack))["DBMIRROR_LAB_UID"])
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(said, stack, ASK_THRICE)
        try:
            assert settles((endpoint / "used").exists, 60)
            (endpoint / "token").write_text("dapi-renewed")
            (endpoint / "used-seen").touch()
            assert settles((endpoint / "refused").exists, 60)
            write_workspace_token(lab_paths(stack), "dapi-renewed", user=user)
            (endpoint / "refused-seen").touch()
            lines = answer.result(60).splitlines()
        finally:
            lab_stack.prepare(mirror.lab, mirror.lab_supplies())
    # Spark warns besides of what it could not tell the server.
    assert [line for line in lines if line.startswith(("str ", "spark: ", "same "))] == [
        "str [0, 1, 2]",
        "spark: the workspace localhost refuses the lab's token; 'dbmirror lab up demo' renews an expired one.",
        "str [0, 1, 2]",
        "same True",
    ]


def test_the_client_of_an_old_runtime_takes_the_labs_login_beside_a_new_sdk(
    stack: Path, endpoint: Path, add: Callable[..., None]
) -> None:
    add(SDK)
    add("--no-deps", "databricks-connect==13.3.14")
    before = f"import sys\nsys.path.insert(0, '{ADDED}')\n"
    after = "import pyspark\nprint(pyspark.__version__)"
    assert said(stack, f"{before}{ASK}{after}") == "str [0, 1, 2]\n13.3.14\n"
    token = lab_paths(stack).workspace_token.read_text().strip()
    assert {call["authorization"] for call in asked(endpoint)} == {f"Bearer {token}"}


def test_a_login_of_the_users_own_is_that_of_databricks_session(
    stack: Path, endpoint: Path, add: Callable[..., None]
) -> None:
    add(SDK)
    (endpoint / "token").write_text("dapi-of-the-user")
    assert said(stack, USERS_OWN + ASK) == "str [0, 1, 2]\n"
    calls = asked(endpoint)
    assert {call["call"] for call in calls} >= {"REST", "AnalyzePlan", "ExecutePlan"}
    assert {call["authorization"] for call in calls} == {"Bearer dapi-of-the-user"}
    queries = [call for call in calls if call["call"] == "ExecutePlan"]
    assert {call["x-databricks-cluster-id"] for call in queries} == {"0202-120000-another1"}
    assert all("databricks-session" in call["body"] for call in queries)


def test_the_token_is_for_the_labs_user_alone_and_cannot_be_changed_from_inside(stack: Path) -> None:
    path = "/run/dbmirror/workspace/token"
    assert in_lab(stack, "stat", "-c", "%a %U", path).split() == ["600", "lab"]
    assert "Read-only file system" in in_lab(stack, "sh", "-c", f"(echo x >{path}) 2>&1 || true")


def test_the_token_is_in_no_environment_and_no_description_of_the_containers(stack: Path) -> None:
    token = lab_paths(stack).workspace_token.read_text().strip()
    assert len(token) > 10
    seen = docker("inspect", container(stack, "lab"), container(stack, "tunnel"))
    seen += in_lab(stack, "sh", "-c", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'")
    assert "DBMIRROR_WORKSPACE" in seen
    assert token not in seen


def test_without_a_spark_server_the_sandboxs_lab_says_so_in_a_sentence(stack: Path) -> None:
    write_notebook(stack, "none.ipynb", "try:\n    spark.range(3)\nexcept RuntimeError as error:\n    print(error)")
    try:
        (output,) = outputs_of(stack, "none", "mirror-python")
    finally:
        (stack / "notebooks" / "none.ipynb").unlink()
    assert "plain http" in output[0]
    assert "dbmirror sandbox up --spark" in output[0]
