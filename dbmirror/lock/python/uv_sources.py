"""`[tool.uv.sources]` of a project: packages that uv takes from one index alone, which the table names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.utils import canonicalize_name, is_normalized_name

from dbmirror.foreign_text.pep508 import ONE_PARSER

_ON_A_CLUSTER = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}


def indexes_of_packages(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name (PEP 503) of each package that the `[tool.uv]` table `settings` gives an index, and that index's name.

    A source for other systems than Linux is passed over; so is one that is no index (git, path, workspace), whose
    version on the cluster says where it is from.
    """
    sources = settings.get("sources")
    for name, stated in sources.items() if isinstance(sources, Mapping) else ():
        entries = stated if isinstance(stated, list) else [stated]
        named = [each["index"] for each in entries if _is_for_cluster(each)]
        # What is no name would be a glob to us: a clone's '*' would take every package from its own index.
        if named and is_normalized_name(canonicalize_name(name)):
            yield canonicalize_name(name), named[0]


def _is_for_cluster(entry: object) -> bool:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("index"), str):
        return False
    marker = entry.get("marker")
    if not isinstance(marker, str):
        return True
    try:
        with ONE_PARSER:
            return Marker(marker).evaluate(dict(_ON_A_CLUSTER))
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName):
        return True
