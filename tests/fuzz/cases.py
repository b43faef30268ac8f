"""How many cases a property gets, how long one may take, and how a valid document becomes a hostile one."""

from __future__ import annotations

import copy
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

F = TypeVar("F", bound=Callable[..., object])
Change = tuple[int, str, Any]
"""Which place of a document (modulo their number), what happens to it, and with which value."""

CASES = int(os.environ.get("FUZZ_CASES", "16"))
"""Cases of all properties together: `make fuzz` asks for 10,000, every other run for a smoke of a few seconds."""
SECONDS = 20
"""How long one case may take; the slowest honest one takes some 0.3 s."""


def cases(share: float) -> Callable[[F], F]:
    """Marks a property that gets `share` of all cases."""

    def decorate(function: F) -> F:
        checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
        smoke = CASES < 1000
        wanted = settings(
            max_examples=max(2, round(CASES * share)),
            deadline=None,
            derandomize=smoke,
            database=None,
            phases=[Phase.explicit, Phase.generate, *([] if smoke else [Phase.shrink])],
            suppress_health_check=checks,
            print_blob=True,
        )
        return pytest.mark.fuzz(wanted(function))  # type: ignore[no-any-return]

    return decorate


@contextmanager
def limited(place: Path) -> Iterator[None]:
    """A case: it ends within SECONDS, and what lies in `place`, outside of the mirror, stays as it is."""

    def hangs(*_: object) -> None:
        raise AssertionError(f"this takes longer than {SECONDS} s")

    before = tree(place)
    previous = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    assert tree(place) == before, "something outside of the mirror's folder was touched"


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Mode, owner and content of all that lies in `folder`; links are looked at, not followed.

    Not how many names a file has: one of them in the mirror may go.
    """
    found = {}
    for path in sorted((folder, *folder.rglob("*"))):
        facts = path.lstat()
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (facts.st_mode, facts.st_uid, content)
    return found


HOSTILE = st.one_of(
    st.sampled_from(
        [
            *("", " ", "\n", "\x00", "\x1b[2J", "\x9b2J", "\u202e", "\u2028", "\ud800", "\ufffd", "é", "\u0661"),
            *("a" * 300, "9" * 5000, "1." * 3000, "[" * 3000, "(" * 3000, "-" * 300, "a-" * 3000, "%" * 99),
            *("..", "../../outside/kept", "/etc/passwd", "a/../../b", "~", "~nobody/x", "CON", "./", "-rf", "--help"),
            *(
                "$(touch /tmp/x)",
                "`id`",
                "{{ 7 * 7 }}",
                "{% raw %}",
                "${HOME}",
                "'; DROP",
                '"',
                "\\",
                "#",
                "]]>",
                "<!--",
            ),
            *("http://[::1", "http://[", "https://[fe80::1%25eth0]/x", "http://a:b@c:99999/", "http://a:port/", "://"),
            *(
                "git+ssh://git@host:x/y",
                "file:///etc/passwd",
                "https://\u2100/",
                "sc://x",
                "http://x/#egg=",
                "@",
                "a@b@c",
            ),
            *("2026-13-45T99:99:99Z", "0000-00-00T00:00:00Z", "2026-11-20T12:00:00+25:00", "now", "1970"),
            *(
                "15.4.x-scala2.12\n",
                "99.9.x-scala2.12",
                "15.x-scala2.13",
                "custom:x",
                "client.1",
                "R 4.3.2; ; x",
                "4",
                "4.",
            ),
            *("x86_64\nRUN id", "x86_64'", "arm64", "' or '1' == '1", "sha256:", "sha256:" + "0" * 64, "latest"),
            *(
                "six ; python_version > '3' and (",
                "six @ http://[",
                "six[",
                "1!0",
                "1.0+",
                "==1.*",
                ">=",
                "cp311-cp311",
            ),
        ]
    ),
    st.text(max_size=30),
    st.sampled_from(
        [None, True, False, 0, -1, 1, 2**63, -(2**63), 2**70, 0.5, -0.0, 1e308, [], {}, [[]], [None], {"": {}}]
    ),
    st.integers(),
)
CHANGES = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=10_000),
        st.sampled_from(["replace", "replace", "replace", "splice", "remove", "add", "repeat", "borrow", "rename"]),
        HOSTILE,
    ),
    min_size=1,
    max_size=4,
)
NOISE = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=1_000_000),
        st.sampled_from(["cut", "insert", "delete", "flip", "deepen"]),
        st.binary(max_size=8),
    ),
    min_size=1,
    max_size=3,
)


def changed(document: Any, changes: Sequence[Change]) -> Any:
    """A copy of `document` (what JSON or TOML hold) with each change made at its place."""
    document = copy.deepcopy(document)
    for number, how, value in changes:
        places = list(_places(document))
        if not places:
            break
        holder, key = places[number % len(places)]
        _change(holder, key, how, copy.deepcopy(value), places[number * 7919 % len(places)])
    return document


def _change(holder: Any, key: Any, how: str, value: Any, other: tuple[Any, Any]) -> None:
    found = holder[key]
    if how == "splice" and isinstance(found, str):
        middle = len(found) // 2
        holder[key] = found[:middle] + str(value) + found[middle:]
    elif how == "remove":
        del holder[key]
    elif how == "add" and isinstance(found, dict):
        found[str(value)] = value
    elif how == "repeat" and isinstance(found, list):
        holder[key] = [*found, *copy.deepcopy(found)]
    elif how == "borrow":
        holder[key] = copy.deepcopy(other[0][other[1]])
    elif how == "rename" and isinstance(holder, dict):
        holder[str(value)] = holder.pop(key)
    else:
        holder[key] = value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys: Any = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def damaged(content: bytes, noise: Sequence[tuple[int, str, bytes]]) -> bytes:
    """`content` with bytes cut off, put in, taken out or turned, or wrapped in very many brackets."""
    for number, how, some in noise:
        at = number % (len(content) + 1)
        if how == "cut":
            content = content[:at]
        elif how == "insert":
            content = content[:at] + some + content[at:]
        elif how == "delete":
            content = content[:at] + content[at + len(some) + 1 :]
        elif how == "flip" and content:
            at %= len(content)
            content = content[:at] + bytes([content[at] ^ (1 << (number % 8))]) + content[at + 1 :]
        elif how == "deepen":
            content = b"[" * 100_000 + content if number % 2 else content[:at] + b'{"a":' * 50_000 + content[at:]
    return content
