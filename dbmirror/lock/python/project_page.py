"""What a project page of a simple API lists, as JSON (PEP 691) or HTML (PEP 503)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pypi_simple import DistributionPackage, Link, ProjectPage, UnsupportedRepoVersionError

from dbmirror.http_client.refused import Cause, Refused
from dbmirror.lock.python.html_links import Element, elements, require_short

_JSON = "application/vnd.pypi.simple.v1+json"
_HTML = ("application/vnd.pypi.simple.v1+html", "text/html")
_INSTALLABLE = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz", ".egg", ".exe")
"""How the names of files end that an index lists, whether or not they are still of use."""
MOST_FILES = 100_000
"""Of one project: none comes near it. A link of 15 bytes takes a kilobyte of memory, and gzip packs links well."""
_CHARSETS = frozenset({"ascii", "us-ascii", "iso-8859-1", "latin-1", "utf-8", "utf8", "windows-1252"})
"""Encodings of pages. Python has others that are not for text, and some that take quadratic time (punycode)."""
_OF_FORMS = (b"<form", b"<input")
_OF_OTHER_PAGES = (b"<script", b"<iframe", b'"refresh"')
"""What login pages and notices of an outage have, and project pages do not."""
_LONGEST_NAME = 255
"""Characters of a file's name: no file system takes more, and names are taken apart by patterns."""


def parse_project_page(name: str, content_type: str, body: bytes, address: str) -> tuple[DistributionPackage, ...]:
    """The files that the answer of an index for the project `name` lists, in JSON or HTML.

    `address` is where the answer came from. Raises Refused where it is no project page.
    """
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    try:
        if kind == _JSON:
            data = json.loads(body)
            require_short(address)
            _require_few(data["files"])
            data["files"] = [file for file in data["files"] if len(file["filename"]) <= _LONGEST_NAME]
            return tuple(ProjectPage.from_json_data(data, base_url=address).packages)
        if kind in _HTML:
            return _parse_html(name, body, address, parameters)
    except UnsupportedRepoVersionError as error:
        raise _garbage("speaks a version of the simple API that is too new") from error
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise _garbage("answered with something that is no project page") from error
    raise _garbage("answered with something of another type than a project page")


def _require_few(files: Sequence[object]) -> None:
    if len(files) > MOST_FILES:
        raise Refused(f"lists more than {MOST_FILES} files", cause=Cause.TOO_LARGE)


def _check_version(element: Element) -> None:
    if element.attributes.get("name") == "pypi:repository-version":
        version = element.attributes.get("content", "")
        if version.partition(".")[0] != "1":
            raise UnsupportedRepoVersionError(version, "1")


def _garbage(text: str) -> Refused:
    return Refused(text, cause=Cause.GARBAGE)


def _parse_html(name: str, body: bytes, address: str, parameters: str) -> tuple[DistributionPackage, ...]:
    """The links of a PEP 503 page; one with a form, or with links none of which is a file, is another kind of page."""
    charset = parameters.partition("charset=")[2].strip().strip('"').lower() or "utf-8"
    if charset not in _CHARSETS:
        raise _garbage("answered in a character set that is not read")
    links: list[Link] = []
    for element in elements(body.decode(charset, "replace"), base_url=address):
        if element.tag == "meta":
            _check_version(element)
        else:
            links.append(Link(text=element.text, url=element.url, attrs=dict(element.attributes)))
            _require_few(links)
    files = tuple(
        DistributionPackage.from_link(link, name)
        for link in links
        if link.text.endswith(_INSTALLABLE) and len(link.text) <= _LONGEST_NAME
    )
    if not files:
        _require_project_page(body.lower(), has_links=bool(links))
    return files


def _require_project_page(lower: bytes, *, has_links: bool) -> None:
    """Raise Refused for a page (in lower case) without files that need not be the page of a project without files.

    What is no word on the project must not count as "not here": another index would step in.
    """
    if not lower.strip():
        raise _garbage("answered with nothing instead of a project page")
    says_so = b"pypi:repository-version" in lower
    if any(mark in lower for mark in _OF_FORMS) or (
        not says_so and (has_links or any(mark in lower for mark in _OF_OTHER_PAGES))
    ):
        raise _garbage("answered with a web page (a login?) instead of a project page")
