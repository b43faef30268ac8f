"""The build stage of one mirror: the tag and the secrets of its image, and the record of what was built."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from dbmirror.clones.own_records import Kind, is_own, remember
from dbmirror.engine.buildx import BuildResult, build
from dbmirror.engine.proxies import proxy_secret
from dbmirror.errors import UsageError
from dbmirror.files import canonical_json
from dbmirror.foreign_text.decoding import decode_json
from dbmirror.mirror_folder.files import read_below, write_below
from dbmirror.processes.temporary import temporary_folder
from dbmirror.progress import SILENT, Observer

BUILD_SCHEMA: Final = 1
ImageId = Annotated[str, Meta(pattern=r"\Asha256:[0-9a-f]{64}\Z")]
Tag = Annotated[
    str, Meta(pattern=r"\A[a-z0-9]+([._/:-][a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z", max_length=512)
]
"""`REPOSITORY:TAG`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An image, and what it was built from."""

    image_id: ImageId
    """`sha256:…`: the engine's id."""
    tags: Annotated[tuple[Tag, ...], Meta(min_length=1)]
    snapshot: str
    lock: str
    """Digests of the snapshot and of the lock."""
    schema: Literal[1] = BUILD_SCHEMA


def image_tag(repository: str, *, runtime: str, snapshot: str, lock: str) -> str:
    """`dbmirror/demo:15.4-0123456789ab-012345`: names mirror, runtime, and by their digests snapshot and lock.

    The lock's six digits tell images of one snapshot apart that were made with another filter, base or flavour.
    """
    return f"{repository}:{runtime}-{snapshot.removeprefix('sha256:')[:12]}-{lock.removeprefix('sha256:')[:6]}"


def build_image(
    context: Path,
    *,
    tags: Sequence[str],
    snapshot: str,
    lock: str,
    ca_bundle: Path | None,
    record: Path,
    build_arguments: Mapping[str, str] | None = None,
    contexts: Mapping[str, Path] | None = None,
    observer: Observer = SILENT,
) -> tuple[Built, BuildResult]:
    """Build the rendered `context` with the files in `contexts`, and write the record of it to the file `record`.

    Proxies and the CA bundle reach the build as secrets alone; a login of an index or a repository does not reach it.
    Raises BuildFailed.
    """
    with build_secrets(ca_bundle) as secrets:
        result = build(
            context,
            tags=tags,
            labels={},
            secrets=secrets,
            build_arguments=build_arguments,
            contexts=contexts,
            observer=observer,
        )
    built = Built(image_id=result.image_id, tags=tuple(tags), snapshot=snapshot, lock=lock)
    write_built(built, record)
    return built, result


def built_here(built: Built) -> bool:
    """Whether this machine built that image; a record that came with the repository is no more than a claim."""
    return is_own(Kind.BUILD, canonical_json(built))


def write_built(built: Built, record: Path) -> None:
    """Write the record of what was just built to the file `record`, and remember that it was built here."""
    remember(Kind.BUILD, canonical_json(built))
    write_below(record.parent, {record.name: canonical_json(built)})


def read_built(record: Path) -> Built:
    """What was built last. Raises UsageError where nothing was, or the record is damaged."""
    try:
        return decode_json(read_below(record.parent, record.name), Built)
    except FileNotFoundError:
        raise UsageError(
            f"No image was built yet: there is no {record}.", remedy="Build it with 'dbmirror build MIRROR'."
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{record} is not usable: {error}.", remedy="Build the image again.") from error


@contextmanager
def build_secrets(ca_bundle: Path | None) -> Iterator[dict[str, Path]]:
    """The secret mounts of a build: id to file, in a folder that only this user can read, removed afterwards.

    `proxy` holds the proxies' variables, `ca-bundle` the certificate authorities (see images/python/): apt needs them.
    Neither is in a cache key or in a layer. The Dockerfile's `netrc` is for a plain `docker build`, which fetches by
    itself: what dbmirror builds is handed its files, and no login.
    """
    with temporary_folder("secrets", in_memory=True) as folder:
        secrets = {}
        proxies = proxy_secret()
        if proxies is not None:
            secrets["proxy"] = folder / "proxy"
            secrets["proxy"].touch(mode=0o600)
            secrets["proxy"].write_bytes(proxies)
        if ca_bundle is not None:
            secrets["ca-bundle"] = folder / "ca-bundle"
            shutil.copyfile(ca_bundle, secrets["ca-bundle"])
        yield secrets
