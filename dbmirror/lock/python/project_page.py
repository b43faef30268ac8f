"""What a project page of a simple API lists, as JSON (PEP 691) or HTML (PEP 503)."""

from __future__ import annotations

import json

from pypi_simple import DistributionPackage, ProjectPage, UnsupportedRepoVersionError, parse_links_stream

from dbmirror.http_client.refused import Cause, Refused

_JSON = "application/vnd.pypi.simple.v1+json"
_HTML = ("application/vnd.pypi.simple.v1+html", "text/html")
_INSTALLABLE = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz", ".egg", ".exe")
"""How the names of files end that an index lists, whether or not they are still of use."""


def parse_project_page(name: str, content_type: str, body: bytes, address: str) -> tuple[DistributionPackage, ...]:
    """The files that the answer of an index for the project `name` lists, in JSON or HTML.

    `address` is where the answer came from. Raises Refused where it is no project page.
    """
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    try:
        if kind == _JSON:
            return tuple(ProjectPage.from_json_data(json.loads(body), base_url=address).packages)
        if kind in _HTML:
            return _parse_html(name, body, address, parameters)
    except UnsupportedRepoVersionError as error:
        raise _garbage("speaks a version of the simple API that is too new") from error
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise _garbage("answered with something that is no project page") from error
    raise _garbage("answered with something of another type than a project page")


def _garbage(text: str) -> Refused:
    return Refused(text, cause=Cause.GARBAGE)


def _parse_html(name: str, body: bytes, address: str, parameters: str) -> tuple[DistributionPackage, ...]:
    """The links of a PEP 503 page; one with a form, or with links none of which is a file, is another kind of page.

    Read as a stream of links: building a tree of the largest pages takes three times as long.
    """
    charset = parameters.partition("charset=")[2].strip().strip('"') or "utf-8"
    links = list(parse_links_stream([body.decode(charset, "replace")], base_url=address))
    files = tuple(DistributionPackage.from_link(link, name) for link in links if link.text.endswith(_INSTALLABLE))
    lower = body.lower()
    if not files and (b"<form" in lower or b"<input" in lower or (links and b"pypi:repository-version" not in lower)):
        raise _garbage("answered with a web page (a login?) instead of a project page")
    return files
