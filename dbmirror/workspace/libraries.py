"""The libraries of a cluster as the Libraries API states them, without credentials."""

from __future__ import annotations

from collections.abc import Iterable

from databricks.sdk.service.compute import Library, LibraryFullStatus

from dbmirror.foreign_text.clean_urls import clean_urls_in
from dbmirror.foreign_text.decoding import convert
from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.snapshot import ClusterLibrary


def to_libraries(statuses: Iterable[LibraryFullStatus]) -> tuple[ClusterLibrary, ...]:
    """The libraries sorted by kind and specification. Raises ValueError where a text has a form not let through.

    A package of another index or repository is spelled `NAME --index-url URL` (PyPI) or `NAME --repository URL`.
    """
    found = [
        convert(
            {
                "kind": kind,
                "specification": specification,
                "status": status.status.value if status.status else "UNKNOWN",
                "messages": tuple(foreign_line(message) for message in status.messages or ()),
            },
            ClusterLibrary,
        )
        for status in statuses
        if status.library is not None
        for kind, specification in _specifications(status.library)
    ]
    return tuple(sorted(found, key=lambda library: (library.kind, library.specification)))


def _specifications(library: Library) -> Iterable[tuple[str, str]]:
    if library.pypi:
        yield "pypi", _of_index(library.pypi.package, "--index-url", library.pypi.repo)
    if library.maven:
        yield "maven", _of_index(library.maven.coordinates, "--repository", library.maven.repo)
    if library.cran:
        yield "cran", _of_index(library.cran.package, "--repository", library.cran.repo)
    for kind in ("whl", "egg", "jar", "requirements"):
        path: str | None = getattr(library, kind)
        if path:
            yield kind, clean_urls_in(path)


def _of_index(name: str, option: str, index: str | None) -> str:
    return clean_urls_in(f"{name} {option} {index}" if index else name)
