"""Header lines in the form that RFC 822, Debian and R share: `Field: value`, continued on indented lines."""

from __future__ import annotations

from collections.abc import Iterator


def fields(content: str) -> Iterator[tuple[str, str]]:
    """Each field's name as it is spelt and its value on one line, in order, up to the first empty line.

    A line that is neither a field nor a continuation is passed over, as the standard library's e-mail parser does.
    """
    name = ""
    parts: list[str] = []
    for line in content.split("\n"):
        bare = line.rstrip("\r")
        if not bare:
            break
        if bare[0] in " \t":
            parts.append(bare.strip())
            continue
        if name:
            yield name, " ".join(part for part in parts if part)
        name, colon, value = bare.partition(":")
        name = name.strip() if colon else ""
        parts = [value.strip()]
    if name:
        yield name, " ".join(part for part in parts if part)
