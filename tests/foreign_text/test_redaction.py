"""No credential of any known form passes, and what only looks like one stays readable."""

from __future__ import annotations

import random
import string

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
    "curl -u user:{} https://host.example",
    "curl -u 'user:{}' https://host.example",
    "curl -uuser:{} https://host.example",
    "curl --user user:{} https://host.example",
    "curl --proxy-user=user:{} https://host.example",
    "https://proxy.example/?to=user%3A{}%40host",
    "user%3a{}%40host.example%3A8080",
    "https%3A%2F%2Fuser%3A{}%40host.example%2Fpath",
    "https%3A%2F%2F{}%40host.example",
    "https%3A%2F%2Fuser%3Aa%2F{}%40host.example%2Fpath",
    "https://host.example/login;jsessionid={}?next=1",
    "https://host.example/login;JSESSIONID={}",
    "PHPSESSID={}",
    '{{"message": "{{\\"password\\": \\"{}\\"}}"}}',
    "{{'password': u'{}'}}",
    "{{:password => '{}'}}",
    "PGPASSWORD={} psql",
    "//registry.example/:_auth={}",
    "X-JFrog-Art-Api: {}",
    "https://host.example/?next=https%3A%2F%2Fhost%2F%3Ftoken%3D{}",
    "<server><password>{}</password></server>",
    "docker login --username me -p {} registry.example",
    "docker login -p{} registry.example",
    "machine host.example password {}",
    "user:{}@proxy:3128",
    "https://host.example/x?%74oken={}",
    "https://host.example/x?a=1;%2574oken={}",
    "https://host.example/x?x-ms-blob={}",
    "https://host.example/x?a[secret]={}",
    "https://user:{}@[2001:db8::1]:8080/",
    "redis://:{}@host:6379/0",
    "HTTPS_PROXY=http://user:{}@proxy:3128",
    "Cookie: a=b; c={}",
    "Ocp-Apim-Subscription-Key: {}",
    "x-functions-key: {}",
    "PRIVATE-TOKEN: {}",
    "sshpass -p {} ssh host.example",
    '{{"auths": {{"host.example": {{"auth": "{}"}}}}}}',
    '{{"auths": {{"host.example": {{"identitytoken": "{}"}}}}}}',
    '{{"registrytoken":"{}"}}',
    "//registry.example/:_authToken={}",
    "aws_secret_access_key = {}",
    "oauth2:{}@gitlab.example/x.git",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n{}",
    "-----BEGIN OPENSSH PRIVATE KEY-----\n{}",
    "ftp://user:{}@host.example/x",
    "https:\\\\user:{}@host.example/x",
    "sftp://user;x=y:{}@host.example",
    "Data Source=h;User Id=u;Password={};",
    "hook: https://hooks.slack.com/services/T00/B00/abcdefghij{}",
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
    "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "ghs_0123456789abcdefghijABCDEFGHIJ012345",
    "gldt-0123456789abcdefghij",
    "sk-0123456789abcdefghijABCDEFGHIJ0123456789abcdefgh",
    "sk-proj-Ab0123456789abcdefghijABCDEFGHIJ",
    "sk-ant-api03-Ab_0123456789-abcdefghijABCDEFGHIJ",
    "sk-0123456789abcdef0123456789abcdef",
    "sk_live_0123456789abcdefghij",
    "xoxb-123456789012-1234567890123-AbCdEfGhIjKl",
    "xapp-1-A0123456789-0123456789",
    "hf_0123456789abcdefghijABCDEFGHIJ0123",
    "npm_0123456789abcdefghijABCDEFGHIJ012345",
    "AIzaSyA0123456789abcdefghijABCDEFGHIJ012",
    "abc8Q~0123456789abcdefghijABCDEFGHIJ01234",
    "hvs.0123456789abcdefghijABCD",
    "AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8GF2TVDW0S3JN54KHC",
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
    "docker run -u 1000:1000 --user 0:0 image",
    "useradd -u 1000 lab; docker buildx create --user lab",
    "git submodule add -u https://host.example/x",
    "pkg%3Apypi%2Fname%401.0 and image%3A1.2%40sha256%3A0123abcd",
    "https%3A%2F%2Fhost.example%2F%40scope%2Fname https://host.example/%40scope%2fname",
    "sk-learn==1.0, sk-video-processing-tools-for-2026 and sk_live",
    "xoxo-1.0, hf_transfer==0.1.9, npm_utils, eyJ, SG.1, glpat",
    "session_id and jsessionid are names",
    "docker run -p 8080:80 image, after docker login; mkdir -p /a/b",
    "image:1.2@latest and a:b@c:x",
    "the <package> has a key%20word and code%20",
    "auth: failed, oauth: off",
    "https://host.example/simple/pip/?format=json&page=2&name=numpy&version=1.0",
]
HOSTILE = ["a", "A", "a=", "=:", "@", "#", "://", "://a:", "://a:b@c", "u:p@", "x:y@z.w/", "\"' ", ";", "%", "--a "]
HOSTILE += ["token=", "token='", "eyJaaaaaaaaaa.", "Bearer ", "authorization:", "authorization", "http://u:p#"]
HOSTILE += [
    "login ",
    "login -p",
    "token%3d",
    "<token>",
    'a\\\\"',
    "u:p@x:1",
    "u:p@" + "a",
    "login x password ",
    "-u a:",
    "-u a",
    "%40",
    "%3a%40",
    "%3a%2f%2f",
    "sk-",
    "sk-a-",
    "sk-A1",
    "xoxb-",
    "a8Q~",
]
HOSTILE += [
    "AKIAIOSFODNN7EXAMPLE:",
    "-----BEGIN PRIVATE KEY-----",
    "SG.aaaaaaaaaaaaaaaaa",
    "gl",
    "hooks.slack.com/services/",
]

SECRETS = st.text("abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789+~._%-", min_size=12, max_size=40).map(
    lambda text: f"S3{text}9z"
)


@given(form=st.sampled_from(FORMS), secret=SECRETS, before=st.text(max_size=20), after=st.text(max_size=20))
@settings(max_examples=1000)
def test_no_secret_of_a_known_form_passes_whatever_stands_around_it(
    form: str, secret: str, before: str, after: str
) -> None:
    assert secret not in without_credentials(f"{before} {form.format(secret)} {after}")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_private_key_does_not_pass(newline: str) -> None:
    key = newline.join(
        ["-----BEGIN OPENSSH PRIVATE KEY-----", "b3BlbnNzaC1r", "ZXktdjEAAAAA", "-----END OPENSSH PRIVATE KEY-----"]
    )
    masked = without_credentials(f"read: {key} as it is")
    assert "b3Blbn" not in masked
    assert "ZXktdj" not in masked
    assert masked.endswith("as it is")


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_masked_and_says_so(form: str) -> None:
    masked = without_credentials(form.format("hunter2hunter2"))
    assert "hunter2" not in masked
    assert "***" in masked


@pytest.mark.parametrize("token", WELL_KNOWN)
def test_a_token_of_a_well_known_form_never_passes(token: str) -> None:
    for around in ("{}", "a {} b", '"{}"', "({}).", "x={}"):
        assert token not in without_credentials(around.format(token)), around


@pytest.mark.parametrize("text", READABLE)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert without_credentials(text) == text


ALNUM = string.ascii_lowercase + string.digits
ORDINARY = [
    "{name}=={version}",
    "{name}-{version}-py3-none-any.whl",
    "{name}_{version}.tar.gz is not what its hash says: sha256:{digest}",
    "{digest}  {name}-{version}.zip",
    "dbmirror/{name}:{version}@sha256:{digest}".replace("+", "-"),
    "https://files.example/{name}/{version}/{name}.whl#sha256={digest}",
    "pkg:pypi/{name}@{version}",
    "/usr/lib/python3/dist-packages/{name}/__init__.py",
]


def a_name(dice: random.Random) -> str:
    parts = [word(dice, ALNUM, 1, 8) for _ in range(dice.randint(0, 3))]
    return word(dice, string.ascii_lowercase, 1, 13) + "".join(dice.choice("._-") + part for part in parts)


def a_version(dice: random.Random) -> str:
    release = ".".join(str(dice.randint(0, 10 ** dice.randint(1, 3))) for _ in range(dice.randint(1, 4)))
    stage = dice.choice(["", "", "a", "b", "rc", ".post", ".dev"])
    local = f"+{word(dice, ALNUM, 1, 8)}" if dice.random() < 0.5 else ""
    return release + (f"{stage}{dice.randint(0, 999)}" if stage else "") + local


def word(dice: random.Random, letters: str, least: int, most: int) -> str:
    return "".join(dice.choices(letters, k=dice.randint(least, most)))


def test_packages_versions_and_digests_stay() -> None:
    dice = random.Random()  # noqa: S311 - other texts each time; the one that is masked is shown
    for _ in range(1000):
        length = dice.choice([32, 40, 64, 96, 128])
        digest = word(dice, "0123456789abcdef", length, length)
        text = dice.choice(ORDINARY).format(name=a_name(dice), version=a_version(dice), digest=digest)
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
