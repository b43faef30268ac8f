from __future__ import annotations

import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from databricks.sdk import errors as api

from dbmirror import __version__
from dbmirror.ca_bundle import VARIABLES
from dbmirror.folders import sandbox_profile_file
from dbmirror.workspace.clusters import list_clusters
from dbmirror.workspace.errors import LoginRefused, ProfileInvalid, ProfileUnknown, WorkspaceUnreachable, said_clearly
from dbmirror.workspace.profile_file import list_profiles, profile_file
from dbmirror.workspace.profiles import client
from tests.workspace.conftest import TOKEN, Workspace


def test_profiles_are_listed_with_host_login_and_key(write_profiles: Callable[[str], Path], home: Path) -> None:
    file = write_profiles(
        "[DEFAULT]\nhost = https://default.example\nauth_type = databricks-cli\n"
        "[demo]\nhost = demo.example/\ntoken = dapi\ncluster_id = 0101-1-a\n"
        "[robot]\nhost = https://robot.example\nclient_id = a\nclient_secret = b\n"
    )
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id_demo").touch()
    default, demo, robot = list_profiles()
    assert (default.name, default.auth, default.file) == ("DEFAULT", "databricks-cli", file)
    assert (demo.host, demo.auth, demo.cluster_id) == ("https://demo.example", "pat", "0101-1-a")
    assert (demo.has_ssh_key, demo.ssh_key) == (True, home / ".ssh" / "id_demo")
    assert (robot.auth, robot.has_ssh_key) == ("oauth-m2m", False)
    assert "dapi" not in repr(demo)


def test_no_file_is_no_profiles() -> None:
    assert list_profiles() == ()


def test_the_file_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own").write_text("[mine]\nhost = https://mine.example\n")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "own"))
    assert [profile.name for profile in list_profiles()] == ["mine"]


def write_sandbox(text: str) -> None:
    sandbox_profile_file().parent.mkdir(parents=True)
    sandbox_profile_file().write_text(text)


def test_the_sandboxs_profile_comes_after_the_users_own(write_profiles: Callable[[str], Path]) -> None:
    write_profiles("[a]\nhost = https://a.example\n")
    write_sandbox("[demo]\nhost = http://127.0.0.1:1\n")
    listed = [(profile.name, profile.file) for profile in list_profiles()]
    assert listed == [("a", profile_file()), ("demo", sandbox_profile_file())]


@pytest.mark.parametrize(
    "text",
    [
        "garbage before\n[demo]\nhost = https://demo.example\n",
        "[demo]\nhost = https://demo.example\nnonsense\n",
        "\ufeff[demo]\nhost = https://demo.example\n",
        "[demo]\nhost = https://other.example\n[demo]\nhost = https://demo.example\n",
        "[__settings__]\ndefault_profile = demo\n[demo]\nhost = https://demo.example\n",
        "[empty]\n[demo]\nhost = https://user:secret@demo.example\npassword = 100%s\n",
    ],
)
def test_an_odd_file_still_gives_its_profiles(write_profiles: Callable[[str], Path], text: str) -> None:
    write_profiles(text)
    assert [(profile.name, profile.host) for profile in list_profiles()] == [("demo", "https://demo.example")]


def test_a_client_says_who_it_is(workspace: Workspace, write_profiles: Callable[[str], Path]) -> None:
    write_profiles(f"[demo]\nhost = {workspace.host}\ntoken = {TOKEN}\n")
    list_clusters(client("demo"))
    assert f"dbmirror/{__version__}" in workspace.headers[-1]["User-Agent"]


def test_the_sandboxs_profile_is_used_without_being_configured(workspace: Workspace) -> None:
    write_sandbox(f"[demo]\nhost = {workspace.host}\ntoken = {TOKEN}\n")
    assert list_clusters(client("demo")) == ()


@pytest.mark.parametrize(
    "host",
    [
        "http://workspace.example",
        "http://10.0.0.1",
        "http://localhost.evil.example",
        "ftp://a",
        "[",
    ],
)
def test_a_login_never_goes_to_a_workspace_over_http(
    write_profiles: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    write_profiles(f"[demo]\nhost = {host}\ntoken = {TOKEN}\n")
    with pytest.raises(ProfileInvalid, match="over https alone"):
        client("demo")
    monkeypatch.setenv("DATABRICKS_HOST", host)
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    with pytest.raises(ProfileInvalid, match="DATABRICKS_HOST"):
        client("other")


def test_an_unknown_profile_lists_the_known_ones(write_profiles: Callable[[str], Path]) -> None:
    write_profiles("[a]\nhost = https://a.example\n[b]\nhost = https://b.example\n")
    with pytest.raises(ProfileUnknown, match="no profile 'c'") as caught:
        client("c")
    assert caught.value.remedy == "Known are: a, b."
    assert caught.value.exit_code == 2


def test_the_environment_is_used_where_no_file_has_the_profile(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", workspace.host)
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    assert list_clusters(client("demo")) == ()
    assert list_clusters(client(None)) == ()


def test_a_named_profile_beats_the_environment(
    workspace: Workspace, write_profiles: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profiles(f"[demo]\nhost = {workspace.host}\ntoken = {TOKEN}\n")
    monkeypatch.setenv("DATABRICKS_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("DATABRICKS_TOKEN", "another")
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "another")
    assert list_clusters(client("demo")) == ()
    assert os.environ["DATABRICKS_TOKEN"] == "another"


@pytest.mark.parametrize(
    "variables",
    [
        {"ARM_CLIENT_ID": "a", "ARM_CLIENT_SECRET": "b", "ARM_TENANT_ID": "c"},
        {"GOOGLE_CREDENTIALS": "{}"},
        {"DATABRICKS_GOOGLE_SERVICE_ACCOUNT": "a@b.example", "ARM_USE_MSI": "true"},
        {"DATABRICKS_METADATA_SERVICE_URL": "http://127.0.0.1:1", "DATABRICKS_OIDC_TOKEN_ENV": "X"},
    ],
)
def test_a_profile_with_a_token_is_not_locked_out_by_another_tools_variables(
    workspace: Workspace,
    write_profiles: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
) -> None:
    write_profiles(f"[demo]\nhost = {workspace.host}\ntoken = {TOKEN}\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert list_clusters(client("demo")) == ()
    assert {name: os.environ[name] for name in variables} == variables


def test_a_conflict_of_the_shells_logins_names_the_variables(
    workspace: Workspace, write_profiles: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profiles(f"[demo]\nhost = {workspace.host}\n")
    monkeypatch.setenv("ARM_CLIENT_SECRET", "hidden")
    monkeypatch.setenv("GOOGLE_CREDENTIALS", "{}")
    with pytest.raises(ProfileInvalid, match=r"The shell has ARM_CLIENT_SECRET, GOOGLE_CREDENTIALS\.") as caught:
        client("demo")
    assert "unset ARM_CLIENT_SECRET" in caught.value.remedy
    assert "hidden" not in str(caught.value)


def test_a_profile_without_a_login_says_how_to_log_in(
    workspace: Workspace, write_profiles: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    write_profiles(f"[demo]\nhost = {workspace.host}\ntoken =\n")
    with pytest.raises(ProfileInvalid) as caught:
        client("demo")
    assert "databricks auth login --profile demo" in caught.value.remedy


def test_two_logins_in_one_profile_are_an_error_without_the_secret(
    workspace: Workspace, write_profiles: Callable[[str], Path]
) -> None:
    write_profiles(f"[demo]\nhost = {workspace.host}\ntoken = {TOKEN}\nclient_id = a\nclient_secret = hidden\n")
    with pytest.raises(ProfileInvalid, match="more than one authorization method") as caught:
        client("demo")
    assert TOKEN not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_damaged_file_is_said_so(write_profiles: Callable[[str], Path]) -> None:
    write_profiles("garbage\n[demo]\nhost = https://demo.example\ntoken = x\n")
    with pytest.raises(ProfileInvalid):
        client("demo")


@pytest.mark.usefixtures("no_waiting")
def test_an_unreachable_workspace_fails_soon(write_profiles: Callable[[str], Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    write_profiles(f"[demo]\nhost = http://127.0.0.1:{port}\ntoken = x\n")
    began = time.monotonic()
    with pytest.raises(WorkspaceUnreachable, match="connection refused"):
        list_clusters(client("demo"))
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("no_waiting")
def test_a_host_without_an_address_is_said_so(write_profiles: Callable[[str], Path]) -> None:
    write_profiles("[demo]\nhost = https://no-such-workspace.invalid\ntoken = x\n")
    with pytest.raises(WorkspaceUnreachable, match="no-such-workspace"):
        list_clusters(client("demo"))


def test_nothing_is_printed_by_the_sdk(write_profiles: Callable[[str], Path]) -> None:
    write_profiles("[demo]\nhost = http://127.0.0.1:1\ntoken = x\n")
    script = (
        "import time; from databricks.sdk.clock import RealClock; from dbmirror.workspace import profiles\n"
        "waited = []\n"
        "RealClock.sleep = lambda _, seconds: waited.append(seconds)\n"
        "RealClock.time = lambda _: time.time() + sum(waited)\n"
        "profiles.client('demo')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_an_indented_line_below_an_option_without_a_value_is_no_traceback(
    write_profiles: Callable[[str], Path],
) -> None:
    write_profiles("x\n [other]\n[demo]\nhost = https://x.example\n")
    assert isinstance(list_profiles(), tuple)


@pytest.mark.parametrize(
    "said",
    [
        "Invalid access token. Config: host=https://w.example, token=***, auth_type=pat. Env: DATABRICKS_HOST",
        "Invalid access token: Config: host=https://w.example",
        "Invalid access token",
    ],
)
def test_what_the_sdk_says_of_its_configuration_is_not_repeated(said: str) -> None:
    with pytest.raises(LoginRefused) as caught, said_clearly("https://w.example", profile="prod", auth="pat"):
        raise api.Unauthenticated(said)
    assert caught.value.message == (
        "The workspace https://w.example does not accept the login (Invalid access token): it is wrong or has expired."
    )


class NoClusters(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


def test_the_authorities_that_the_user_names_vouch_for_a_workspace(
    tls: tuple[ssl.SSLContext, Path], write_profiles: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in (*VARIABLES, "CURL_CA_BUNDLE"):
        monkeypatch.setenv(variable, "")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), NoClusters) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = tls[0].wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        write_profiles(f"[demo]\nhost = https://127.0.0.1:{server.server_port}\ntoken = {TOKEN}\n")
        assert list(client("demo", ca_bundle=tls[1]).clusters.list()) == []
        server.shutdown()
