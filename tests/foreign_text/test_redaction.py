"""No credential of any known form passes, and what only looks like one stays readable."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbmirror.foreign_text.clean_urls import clean_urls_in
from dbmirror.foreign_text.redaction import foreign_line, without_credentials
from tests.linear import assert_linear

FORMS = [
    "https://user:{}@host.example/x",
    "https://{}@host.example/x",
    "https://user:p@{}@host.example",
    "https://user:a/{}@host.example/x",
    "https://user:a#{}@host.example/x",
    "postgresql+psycopg://user:{}@db:5432/x",
    "git+ssh://git:{}@host.example/x.git",
    "('https://user:{}@host.example/simple',)",
    "user:{}@host.example",
    "scp x root:{}@10.0.0.4:/tmp",
    "user:{}@localhost:5432",
    "https://host.example/x?token={}",
    "https://host.example/x?a=1&access_token={}&b=2",
    "https://host.example/x?key={}",
    "https://host.example/x?code={}#frag",
    "https://host.example/x#{}",
    "https://host.example/x#access_token={}",
    "https://a.blob.core.windows.net/c/f?sv=2022-11-02&se=2027&sr=b&sp=r&sig={}",
    "https://b.s3.amazonaws.com/k?X-Amz-Credential={}&X-Amz-Expires=3",
    "https://b.s3.amazonaws.com/k?X-Amz-Signature={}",
    "https://b.s3.amazonaws.com/k?X-Amz-Security-Token={}",
    "https://b.s3.amazonaws.com/k?AWSAccessKeyId=A&Signature={}",
    "https://storage.googleapis.com/k?X-Goog-Signature={}",
    "jdbc:sqlserver://host:1433;database=d;user=u;password={};encrypt=true",
    "jdbc:mysql://host/db?user=u&password={}",
    "jdbc:databricks://host:443;UID=token;PWD={}",
    "DefaultEndpointsProtocol=https;AccountName=n;AccountKey={};EndpointSuffix=x",
    "Endpoint=sb://n.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey={}",
    "Authorization: Bearer {}",
    "authorization: {}",
    "curl -H 'Authorization: Basic {}' https://host.example",
    "Proxy-Authorization: Digest {}",
    "X-Auth-Token: {}",
    "Set-Cookie: session={}; Path=/",
    "Bearer {}",
    '{{"password": "{}"}}',
    '{{"password": "with space {}"}}',
    "{{'clientSecret': '{}'}}",
    "AZURE_CLIENT_SECRET={}",
    "export DATABRICKS_TOKEN='{}'",
    "password: {}",
    "--password {}",
    "--registry-token={}",
    "machine host.example login user password {}",
]
WELL_KNOWN = [
    "dapi0123456789abcdef0123456789abcdef",
    "dapi0123456789abcdef0123456789abcdef-2",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "github_pat_0123456789abcdefghij_ABCDEFGHIJ",
    "glpat-0123456789abcdefghij",
    "dckr_pat_0123456789abcdefghijABCDEFG",
    "pypi-AgEIcHlwaS5vcmcCJDAwMDAwMDAw",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N",
]
READABLE = [
    "tokenizers==0.15.1 and SecretStorage==3.3.1: the index has no such version",
    "git@github.com:org/repo.git",
    "git+ssh://git@github.com/org/repo.git@0123456",
    "registry.example:5000/team/image:1.2@sha256:0123abcd",
    "https://host.example:8443/simple/pip/?format=json#sha256=0123abcd",
    "https://github.com/org/repo@v1#egg=name&subdirectory=src",
    "exit code: 3, key: name, author=me",
    "DOCKERHUB_TOKEN is not set",
    "Pipe it in: --password-stdin < FILE.",
    "error parsing the token service's answer: there is no token in it",
    "write to mailto:joe@host.example",
    "basic setup, bearer of news",
]
HOSTILE = ["a", "A", "a=", "=:", "@", "#", "://", "://a:", "://a:b@c", "u:p@", "x:y@z.w/", "\"' ", ";", "%", "--a "]
HOSTILE += ["token=", "token='", "eyJaaaaaaaaaa.", "Bearer ", "authorization:", "authorization", "http://u:p#"]
HOSTILE += ["login x password "]

SECRETS = st.text("abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789+~._%-", min_size=12, max_size=40).map(
    lambda text: f"S3{text}9z"
)


@given(form=st.sampled_from(FORMS), secret=SECRETS, before=st.text(max_size=20), after=st.text(max_size=20))
@settings(max_examples=1000)
def test_no_secret_of_a_known_form_passes_whatever_stands_around_it(
    form: str, secret: str, before: str, after: str
) -> None:
    assert secret not in without_credentials(f"{before} {form.format(secret)} {after}")


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_masked_and_says_so(form: str) -> None:
    masked = without_credentials(form.format("hunter2hunter2"))
    assert "hunter2" not in masked
    assert "***" in masked


@pytest.mark.parametrize("token", WELL_KNOWN)
@pytest.mark.parametrize("around", ["{}", "a {} b", '"{}"', "({}).", "x={}"])
def test_a_token_of_a_well_known_form_never_passes(token: str, around: str) -> None:
    assert token not in without_credentials(around.format(token))


@pytest.mark.parametrize("text", READABLE)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert without_credentials(text) == text


def test_what_finds_the_file_stays() -> None:
    masked = without_credentials("see https://me:hunter2@host.example/a/b?x=1&sig=abc&y=2 for it")
    assert masked == "see https://***@host.example/a/b?x=1&sig=***&y=2 for it"


@given(st.text())
@settings(max_examples=500)
def test_a_foreign_line_is_one_line_and_commands_no_terminal(text: str) -> None:
    line = foreign_line(text, 50)
    assert len(line) <= 50
    assert line.splitlines() in ([line], [])
    assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in line)


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("function", [without_credentials, clean_urls_in])
def test_a_hostile_text_is_masked_in_linear_time(function: object, piece: str) -> None:
    assert callable(function)
    assert_linear(function, piece)
