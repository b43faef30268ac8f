"""The files of a build, fetched before it and handed to it: BuildKit runs no step that fetches what is installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dbmirror.fetch.fetch import Wanted, fetch_all
from dbmirror.fetch.store import Store
from dbmirror.http_client.logins import Logins
from dbmirror.lock.debs.own_sources import archives_of_this_machine
from dbmirror.lock.python.file_hosts import ListedFile, client_of_files
from dbmirror.lock.python.index import Index
from dbmirror.lock.python.index_settings import IndexSettings
from dbmirror.mirror_folder.names import LAB_LOCK
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
    Raises FetchError where a file cannot be fetched, and StoreError where the disk is full.
    """
    again = " ".join(f"dbmirror lock {name} --refresh" for name in list(mirrors)[:1])
    everything = [file for groups in mirrors.values() for files in groups.values() for file in files]
    with (
        _fetched(
            everything,
            indexes=indexes,
            logins=logins,
            ca_bundle=ca_bundle,
            remedy="Try again. An archive drops old Debian packages, and an index may have other files by now: make "
            f"the lock anew with '{again}'.",
            observer=observer,
        ) as store,
        store.folder_for_links() as folder,
    ):
        for name, groups in mirrors.items():
            for group, files in groups.items():
                for file in files:
                    store.place(file.sha256, folder / name / f"files-{group}" / "files" / file.name)
        yield {
            name: {f"files-{group}": folder / name / f"files-{group}" for group in groups}
            for name, groups in mirrors.items()
        }


def keep_files(
    groups: Groups,
    folder: Path,
    *,
    indexes: IndexSettings,
    ca_bundle: Path | None,
    observer: Observer = SILENT,
) -> None:
    """Make `folder` hold the files of `groups`, each in a folder of its group's name, and nothing else.

    As `build_contexts`, for builds of a lab's images that are run by others, later. Raises FetchError and StoreError.
    """
    everything = [file for files in groups.values() for file in files]
    with _fetched(
        everything,
        indexes=indexes,
        logins=indexes.logins().with_those_of(archives_of_this_machine()),
        ca_bundle=ca_bundle,
        remedy="Try again; what was fetched so far is kept. An archive drops old Debian packages: without "
        f"{LAB_LOCK} 'dbmirror lab up MIRROR' chooses them anew.",
        observer=observer,
    ) as store:
        # No file of an earlier list stays, nor one that somebody changed.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for group, files in groups.items():
            for file in files:
                store.place(file.sha256, folder / group / file.name)


@contextmanager
def _fetched(
    files: Sequence[BuildFile],
    *,
    indexes: IndexSettings,
    logins: Logins | None = None,
    ca_bundle: Path | None,
    remedy: str,
    observer: Observer,
) -> Iterator[Store]:
    """The store with all of `files` in it. Only of those that it lacks an index may be asked where it keeps them."""
    wanted = {
        file: Wanted(
            url=file.url,
            digest=f"sha256:{file.sha256}",
            size=file.size,
            user_agent=file.user_agent,
            elsewhere=file.elsewhere,
        )
        for file in files
    }
    with Store() as store, Index(indexes, ca_bundle=ca_bundle) as index:
        listed = (
            ListedFile(filename=file.name, url=file.url, sha256=file.sha256, index=file.index)
            for file in wanted
            if file.index is not None and store.path(file.sha256) is None
        )
        with client_of_files(listed, index=index, logins=logins) as client:
            observer.started(STAGE, total=len(set(wanted.values())))
            fetch_all(
                list(wanted.values()),
                store=store,
                client=client,
                remedy=remedy,
                arrived=lambda file: observer.advanced(STAGE, file.url.rpartition("/")[2]),
            )
            observer.finished(STAGE, f"{len(set(wanted.values()))} files")
        yield store
