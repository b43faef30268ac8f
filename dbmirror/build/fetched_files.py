"""The files of a build, fetched before it and handed to it: BuildKit runs no step that fetches what is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dbmirror.fetch.fetch import Wanted, fetch_all
from dbmirror.fetch.store import Store
from dbmirror.http_client.logins import Logins
from dbmirror.lock.python.file_hosts import ListedFile, client_of_files
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_settings import IndexSettings
from dbmirror.progress import SILENT, Observer
from dbmirror.render.file_groups import BuildFile

STAGE: Final = "fetch"
Groups = Mapping[str, Sequence[BuildFile]]
"""The name of a group to its files; see `dbmirror.render.file_groups`."""


@contextmanager
def build_contexts(
    mirrors: Mapping[str, Groups],
    *,
    indexes: IndexSettings,
    logins: Logins | None = None,
    ca_bundle: Path | None,
    observer: Observer = SILENT,
) -> Iterator[Mapping[str, Mapping[str, Path]]]:
    """The files of `mirrors` (by the mirror's name), as BuildKit's named contexts of each: `files-GROUP` to a folder.

    Files that the store lacks are fetched, with `logins` (by default those of `indexes`) for their own origins alone,
    and each is checked against its hash. The folders hold links to the store's files, below `files/`, and go
    afterwards.
    Raises FetchError where a file cannot be had, and StoreError where the disk takes no more.
    """
    wanted = {
        file: Wanted(url=file.url, digest=f"sha256:{file.sha256}", size=file.size, user_agent=file.user_agent)
        for groups in mirrors.values()
        for files in groups.values()
        for file in files
    }
    again = " ".join(f"dbmirror lock {name} --refresh" for name in list(mirrors)[:1])
    listed = (
        ListedFile(filename=file.name, url=file.url, sha256=file.sha256, index=file.index)
        for file in wanted
        if file.index is not None
    )
    with (
        Store() as store,
        Index(indexes, ca_bundle=ca_bundle) as index,
        client_of_files(listed, index=index, logins=logins) as client,
        store.folder_for_links() as folder,
    ):
        observer.started(STAGE, total=len(set(wanted.values())))
        fetch_all(
            list(wanted.values()),
            store=store,
            client=client,
            remedy=f"Try again. If the index has other files now, make the lock anew with '{again}'.",
            arrived=lambda file: observer.advanced(STAGE, file.url.rpartition("/")[2]),
        )
        observer.finished(STAGE, f"{len(set(wanted.values()))} files")
        for name, groups in mirrors.items():
            for group, files in groups.items():
                for file in files:
                    store.place(file.sha256, folder / name / f"files-{group}" / "files" / file.name)
        yield {
            name: {f"files-{group}": folder / name / f"files-{group}" for group in groups}
            for name, groups in mirrors.items()
        }
