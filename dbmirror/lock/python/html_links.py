"""The links of a PEP 503 page, in one pass: the standard library's parser searches over and over for a missing end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import Final
from urllib.parse import urljoin

LONGEST_BASE: Final = 2_000
"""Characters of the address that a page's links start from: each of its many links holds a copy of it."""
_TAG = re.compile(r"""/?[A-Za-z][^\s/>]*+(?:[^>"']|"[^"]*+"|'[^']*+')*+>""")
"""Possessive: what was taken once is not given back, so that a tag without an end is read once."""
_ATTRIBUTE = re.compile(r"""([^\s"'>/=]++)(?:\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s>]++))?+""")
_TEXT_ONLY = ("script", "style", "textarea", "title")
"""Elements whose content is text, whatever it looks like."""


@dataclass(slots=True)
class Element:
    """An `<a>` with an address, or a `<meta>`."""

    tag: str
    attributes: dict[str, str]
    url: str = ""
    """Where the link leads, resolved against the page's address and its `<base>`."""
    _text: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What stands in the link."""
        return unescape("".join(self._text)).strip()


def elements(page: str, *, base_url: str) -> Iterator[Element]:
    """Each link and each `<meta>` of the page, in order. What is never closed ends the page, as in a browser.

    Raises ValueError where the links start from an address of more than LONGEST_BASE characters.
    """
    require_short(base_url)
    base, has_base = base_url, False
    link: Element | None = None
    place = 0
    while True:
        opening = page.find("<", place)
        text = page[place:] if opening < 0 else page[place:opening]
        if link is not None and text:
            link._text.append(text)
        if opening < 0:
            break
        place, tag, attributes = _markup(page, opening)
        if place < 0:
            break
        if tag in {"a", "/a"} and link is not None:
            yield link
            link = None
        if tag == "a" and "href" in attributes:
            link = Element(tag, attributes, urljoin(base, attributes["href"]))
        elif tag == "meta":
            yield Element(tag, attributes)
        elif tag == "base" and "href" in attributes and not has_base:
            base, has_base = urljoin(base, attributes["href"]), True
            require_short(base)
        elif tag in _TEXT_ONLY:
            place = _end_of(page, tag, place)
            if place < 0:
                break
    if link is not None:
        yield link


def require_short(base: str) -> None:
    """Raises ValueError for an address that no page's links may start from."""
    if len(base) > LONGEST_BASE:
        raise ValueError("the page's links start from too long an address")


def _markup(page: str, opening: int) -> tuple[int, str, dict[str, str]]:
    """Where what begins at `opening` ends (-1: never), the tag's name and its attributes; a `<` alone is text."""
    if page.startswith("<!--", opening):
        end = page.find("-->", opening + 2)
        return (end + 3 if end >= 0 else -1), "", {}
    if page.startswith(("<!", "<?"), opening):
        end = page.find(">", opening)
        return (end + 1 if end >= 0 else -1), "", {}
    after = page[opening + 1 : opening + 3].lstrip("/")[:1]
    if not (after.isascii() and after.isalpha()):
        return opening + 1, "", {}
    match = _TAG.match(page, opening + 1)
    if match is None:
        return -1, "", {}
    words = _ATTRIBUTE.findall(match[0][:-1])
    attributes: dict[str, str] = {}
    for name, value in words[1:]:
        attributes.setdefault(name.lower(), unescape(value[1:-1] if value[:1] in {'"', "'"} else value))
    closing = "/" if match[0].startswith("/") else ""
    return match.end(), closing + words[0][0].lower(), attributes


def _end_of(page: str, tag: str, place: int) -> int:
    match = re.compile(rf"</{tag}[\s/>]", re.IGNORECASE).search(page, place)
    return match.start() if match else -1
