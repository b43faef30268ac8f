"""Keeps credentials out of messages, logs and records. Every pattern is linear in the text: possessive, or anchored."""

from __future__ import annotations

import re
from typing import Final

from dbmirror.foreign_text.characters import LONGEST_LINE, one_line
from dbmirror.foreign_text.clean_urls import HARMLESS_FRAGMENTS
from dbmirror.foreign_text.known_tokens import TOKENS
from dbmirror.foreign_text.secret_names import is_secret, is_secret_parameter

MASK: Final = "***"

_AUTHORIZATION: Final = re.compile(
    r"(?i)(?<![a-z])((?:proxy-)?authorization|(?:set-)?cookie)([\"']?\s{0,9}[:=]\s{0,9}[\"']?)[^\r\n\"']++"
)
_BEARER: Final = re.compile(r"(?i)(?<![a-z])(bearer)(\s{1,9})[^\s\"'<>,;)]{8,}+")
_SETTING: Final = re.compile(
    r"(?P<before>[?&;]?)(?<![\w.%-])(?P<name>[\w.%-]++)(?:\]|\\{0,7}[\"'])?"
    r"\s{0,9}[=:](?!=)>?\s{0,9}(?P<quote>(?:[bru]?\\{0,7}[\"'])?)"
)
"""A quote may be escaped (JSON that stands in JSON), or have Python's letter before it."""
_VALUES: Final = {
    "": re.compile(r"[^\s&;#\"',]++"),
    '"': re.compile(r'[^"\r\n]++'),
    "'": re.compile(r"[^'\r\n]++"),
}
"""How a value ends, by the quote before it."""
_ENCODED_SETTING: Final = re.compile(
    r"(?i)((?:token|secret|password|passwd|signature|sig|key|code)%3d)(?:(?!%26)[^\s&;#\"',])++"
)
_ELEMENT: Final = re.compile(r"(?i)(<(?:password|passphrase|token|secret|privatekey)>)[^<]++")
_LOGIN_OPTION: Final = re.compile(r"((?<![\w-])(?:login|sshpass) [^\r\n|;&]{0,200}?(?<!\S)-p[ =]?)[^\s-][^\s]*+")
"""`docker login -p PASSWORD`, `sshpass -p PASSWORD`; elsewhere `-p` is a port, or makes parents."""
_OPTION: Final = re.compile(r"(?<![\w-])--(?P<name>[\w-]++)(?P<space>[ \t]{1,9})(?![-<|>'\"])[^\s]++")
_USER_OPTION: Final = re.compile(
    r"(?<![\w-])(?P<option>-u|-U|--user|--proxy-user)(?P<space>[ \t=]{0,9}[\"']?)"
    r"(?![0-9]+:[0-9]+(?![^\s\"']))[^\s:\"'/=]{1,256}+:(?!//)[^\s\"']++"
)
"""`curl -u USER:PASSWORD`; a container's `--user 1000:1000` is none."""
_ENCODED_PART: Final = re.compile(r"[/?&=#;,\"'<>()\[\]]")
_NETRC: Final = re.compile(r"(?i)(?<!\w)((?:login|machine)\s{1,9}\S++\s{1,9}password\s{1,9})\S++")
_DIGEST_OR_NAME: Final = re.compile(r"sha(?:256|384|512):")
_HOST: Final = re.compile(
    r"(?:localhost|\[[0-9a-fA-F:.]+\]|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|(?:[\w-]+\.)+[A-Za-z][\w-]*|[A-Za-z][\w-]*(?=:[0-9]{1,5}(?!\w)))"
    r"(?![\w.])"
)
"""A name without a dot is one before a port alone."""
_USER_OF_SSH: Final = re.compile(r"[A-Za-z_][\w-]{0,31}@[^@/\s]*+(?:/|\Z)")
_SPACE: Final = re.compile(r"(\s+)")


def without_credentials(text: str) -> str:
    """`text` with `***` for what may be a credential in it: what may reach a message, a log or a record.

    Masked are user and password of every address (also without a scheme, with odd characters, percent-encoded) and of
    `-u`, secret parameters of queries, jdbc addresses and connection strings, fragments other than hashes,
    authorization headers and cookies, secret settings (`password=…`, `"token": "…"`), and tokens of well-known forms
    wherever they stand. Rather one too many than one too few; package requirements (`tokenizers==0.15`), digests and
    ssh's `git@` stay.
    """
    text = _AUTHORIZATION.sub(rf"\1\2{MASK}", text)
    text = "".join(_without_logins(part) for part in _SPACE.split(text))
    text = _OPTION.sub(_without_argument, _without_values(text))
    text = _USER_OPTION.sub(rf"\g<option>\g<space>{MASK}", text)
    text = _NETRC.sub(rf"\1{MASK}", text)
    text = _BEARER.sub(rf"\1\2{MASK}", text)
    for pattern in (_ENCODED_SETTING, _ELEMENT, _LOGIN_OPTION):
        text = pattern.sub(rf"\1{MASK}", text)
    return TOKENS.sub(MASK, text)


def foreign_line(text: str, longest: int = LONGEST_LINE) -> str:
    """What a stranger said as a message may repeat it: on one line of at most `longest` characters, no credentials."""
    return one_line(without_credentials(text), longest)


def _without_values(text: str) -> str:
    """`text` without the values of secret settings and parameters."""
    parts: list[str] = []
    done = 0
    for match in _SETTING.finditer(text):
        named = is_secret_parameter if match["before"] else is_secret
        docker = match["quote"] and match["name"] == "auth"
        if match.start() < done or not (named(match["name"]) or docker):
            continue
        value = _VALUES[match["quote"][-1:]].match(text, match.end())
        if value is not None:
            parts += [text[done : match.end()], MASK]
            done = value.end()
    return "".join([*parts, text[done:]])


def _without_argument(match: re.Match[str]) -> str:
    """`--token ***`; `--password-stdin` and `--key-file` take no secret."""
    if match["name"].endswith(("-stdin", "-file")) or not is_secret(match["name"]):
        return match.group()
    return f"--{match['name']}{match['space']}{MASK}"


def _without_logins(word: str) -> str:
    """`word`, which has no space in it, without the logins of the addresses in it, also of percent-encoded ones."""
    if "@" in word or "#" in word:
        word = _without_login(word)
    if "%40" not in word:
        return word
    parts = _ENCODED_PART.split(word)
    ends = _ENCODED_PART.findall(word)
    return "".join(_without_encoded_login(part) + end for part, end in zip(parts, [*ends, ""], strict=True))


def _without_encoded_login(part: str) -> str:
    """`user%3Apassword%40host` or `https%3A%2F%2Fuser%3Apassword%40host%2F` without the login."""
    lower = part.lower()
    scheme = lower.find("%3a%2f%2f")
    start = scheme + len("%3a%2f%2f") if scheme >= 0 else 0
    end = lower.rfind("%40")
    if scheme >= 0:
        authority = lower[start:].partition("%2f")[0]
        port = authority.partition("%3a")[2]
        if "%40" in authority:
            end = start + authority.rindex("%40")
        elif not port or port.isdecimal():
            return part
    elif (
        not 0 <= lower.find("%3a") < end
        or lower.startswith(("pkg%3a", "mailto%3a"))
        or lower.startswith(("sha256%3a", "sha384%3a", "sha512%3a"), end + len("%40"))
    ):
        return part
    return f"{part[:start]}{MASK}{part[end:]}" if end >= start else part


def _without_login(word: str) -> str:
    """`word`, which has no space in it, without the logins of the addresses in it."""
    first, *rest = word.split("://")
    if not rest:
        return _without_bare_login(word)
    schemes = [first, *rest]
    return "://".join([first, *(_without_user(one, scheme) for one, scheme in zip(rest, schemes, strict=False))])


def _without_user(address: str, scheme: str) -> str:
    """An address behind its `://`. A password may hold what would end the host; then no port stands before it."""
    if scheme.endswith("ssh") and _USER_OF_SSH.match(address):
        return address
    authority = re.split(r"[/?#\"'<>\\]", address, maxsplit=1)[0]
    host, colon, port = authority.partition(":")
    if "@" in authority:
        end = authority.rindex("@")
    elif colon and port and not port.isdecimal() and "@" in address[len(host) :]:
        end = address.rindex("@")
    else:
        return _without_fragment(address)
    return f"{MASK}@{_without_fragment(address[end + 1 :])}"


def _without_fragment(address: str) -> str:
    before, hash_, fragment = address.partition("#")
    if not fragment or fragment.lower().startswith(HARMLESS_FRAGMENTS):
        return address
    end = re.search(r"[\"'<>)\]]", fragment)
    return f"{before}{hash_}{MASK}{fragment[end.start() :] if end else ''}"


def _without_bare_login(word: str) -> str:
    """`user:password@host` without a scheme; a digest (`image:tag@sha256:…`) is none, nor is ssh's `git@host:path`."""
    login, at, host = word.rpartition("@")
    colon = login.find(":")
    if not at or colon < 0 or login.lower().startswith(("mailto:", "pkg:")) or _DIGEST_OR_NAME.match(host):
        return word
    if not _HOST.match(host):
        return word
    start = max(login.rfind(character, 0, colon) for character in "\"'<([=,;|`") + 1
    return f"{login[:start]}{MASK}@{host}"
