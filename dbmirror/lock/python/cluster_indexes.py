"""The indexes that a cluster's libraries were installed from, by the Libraries API's word (`pypi.repo`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from packaging.utils import canonicalize_name

from dbmirror.lock.errors import IndexConfigurationError, IndexUnreachable
from dbmirror.lock.model import Missing, Target
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_location import location
from dbmirror.lock.python.index_settings import IndexGroup, IndexSettings
from dbmirror.lock.python.sources import Found, Named, from_index
from dbmirror.snapshot import ClusterLibrary

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def cluster_indexes(libraries: Iterable[ClusterLibrary], settings: IndexSettings) -> Mapping[str, IndexGroup]:
    """Normalised name to the index that the cluster installs that library from, where it names one.

    One that the user named, too, has the user's login; any other is a cluster's word: it gets none.
    """
    own = {index.url: index for index in settings.indexes}
    found: dict[str, IndexGroup] = {}
    for library in libraries:
        requirement, option, url = library.specification.partition(" --index-url ")
        match = _NAME.match(requirement) if library.kind == "pypi" and option else None
        if match is None:
            continue
        name = canonicalize_name(match[0])
        try:
            index = location(url, f"the cluster's library {name}")
        except IndexConfigurationError:
            continue
        if index.folder is None:
            index = own.get(index.url, replace(index, is_users=False, user=None, password=None))
            found[name] = IndexGroup(indexes=(index,))
    return found


def from_cluster_index(distribution: Named, group: IndexGroup, *, index: Index, target: Target) -> Found | Missing:
    """The file of the index that the cluster itself installed it from; from no other one where that has it not.

    Raises IndexUnreachable where an index of the user's own gives no answer.
    """
    try:
        return from_index(distribution, index=index, target=target, groups=(group,))
    except IndexUnreachable as error:
        if group.indexes[0].is_users:
            raise
        return Missing(reason=error.message[:1].lower() + error.message[1:].rstrip("."))
