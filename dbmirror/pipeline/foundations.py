"""What runs as root in a mirror's build: a base and an apt repository that the user named, or agreed to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from dbmirror.build.image import Built, built_here
from dbmirror.clones.agreements import Claim, remember_agreement, require_agreement
from dbmirror.clones.own_records import Kind, is_own
from dbmirror.config import FILE_NAME, RConfig
from dbmirror.engine.images import ensure_image, inspect_image
from dbmirror.errors import UsageError
from dbmirror.files import digest_of
from dbmirror.lock.base import is_official
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.lock.model import BaseImage
from dbmirror.mirror_folder.names import BUILT, PYLOCK
from dbmirror.pipeline.mirror import Mirror
from dbmirror.render.image_settings import RAptRepository

TRUST_VARIABLE: Final = "DBMIRROR_TRUST"
"""Names what `--trust` names, separated by blanks."""
_PINNED: Final = re.compile(r"@sha256:[0-9a-f]{64}\Z")
_DOCKER_HUB: Final = re.compile(r"\A(index\.)?docker\.io/(library/)?(?!localhost/|[^/]*[.:][^/]*/)")
"""What a name of Docker Hub may leave out: not where the rest would then begin with another registry's host."""
_RUNS: Final = "Its programs run as root: in the build without a network"


def require_foundations(mirror: Mirror, base: BaseImage, *, apt: bool, named_by: str) -> None:
    """Raises NotAgreed unless the user named what the mirror's image is made on, or agrees to it.

    This stands before every step that runs the base's programs: the lock asks its apt, the build runs its shell, the
    lab and the tunnel, which have the login and the key, are made of it. `apt` says whether R comes from the repository
    of `[r]`. Databricks' own images are what dbmirror itself would choose. `named_by` is what messages call the base's
    origin. Raises RenderError where `[r]` names no apt repository.
    """
    for name, claim in _claims(mirror, base, apt=apt, named_by=named_by):
        require_named(mirror, name, claim)


def require_foundations_of(mirror: Mirror, lock: MirrorLock) -> None:
    """The same for a lock that may have come with the repository."""
    named_by = f"{mirror.own_folder / PYLOCK}"
    require_foundations(mirror, lock.python.base, apt=lock.r_in_image is not None, named_by=named_by)


def require_own_image(mirror: Mirror, built: Built, lock: MirrorLock) -> None:
    """Raises NotAgreed unless this machine built the mirror's image, of which the lab is made, or the user takes it.

    Raises UsageError where the engine has another image under its name, or none: BuildKit would ask a registry for it.
    """
    tag = mirror.tag(lock)
    found = inspect_image(tag)
    if found is None or found.image_id != built.image_id:
        raise UsageError(
            f"The image of {mirror.name}'s lock, {tag}, is not the one that was built last ({built.image_id[:19]}).",
            remedy=f"Build it: 'dbmirror build {mirror.name} --frozen'.",
        )
    if built_here(built):
        return
    claim = Claim(
        root=mirror.loaded.root,
        kind="image",
        bound_to=built.image_id,
        text=f"{mirror.own_folder / BUILT} names the image {tag}, which this machine did not build. The lab is made of "
        f"it, with the login of the profile {mirror.access.profile!r}.",
        remedy=f"'dbmirror build {mirror.name} --frozen' builds it from the lock. {_remedy(tag)}",
    )
    require_named(mirror, tag, claim)


def trusted_names(bases: Iterable[str], r: RConfig) -> tuple[str, ...]:
    """What a pipeline has to be told to trust, as `--trust` takes it: names without digests."""
    images = [base.partition("@")[0] for base in bases if not is_official(base)]
    repositories = [_uri(r.apt_repository)] if r.apt_repository else []
    return tuple(dict.fromkeys((*images, *repositories)))


def require_named(mirror: Mirror, name: str, claim: Claim) -> None:
    """Raises NotAgreed unless the user named it in this run, or agrees to it."""
    if not any(_means(given, name) for given in (mirror.choices.base or "", *mirror.choices.trusted)):
        require_agreement(claim, ask=mirror.questions.claim, keep=not mirror.dry_run)
    elif not mirror.dry_run:
        remember_agreement(claim)


def _claims(mirror: Mirror, base: BaseImage, *, apt: bool, named_by: str) -> Iterator[tuple[str, Claim]]:
    """What is to be agreed to, each under the name that `--trust` takes."""
    root, reference = mirror.loaded.root, base.reference
    if not is_official(reference):
        image = "" if _PINNED.search(reference) else ensure_image(reference, observer=mirror.observer).image_id
        if not (image and is_own(Kind.SANDBOX_BASE, image.encode())):
            yield (
                reference,
                Claim(
                    root=root,
                    kind="base",
                    bound_to=f"{reference} {image}".rstrip(),
                    text=f"{named_by} names the base image {reference}, which is none of Databricks' own. {_RUNS}, in "
                    f"the lab and its tunnel with the login of the profile {mirror.access.profile!r} and the SSH key.",
                    remedy=_remedy(reference.partition("@")[0]),
                ),
            )
    r = mirror.loaded.r(mirror.name)
    if apt and r.apt_repository is not None:
        RAptRepository(location=r.apt_repository).sources()  # nobody is asked about what has not its form
        key = mirror.loaded.apt_key(r) if r.apt_key else ""
        yield (
            _uri(r.apt_repository),
            Claim(
                root=root,
                kind="apt",
                bound_to=f"{r.apt_repository} {digest_of(key)}",
                text=f"{mirror.loaded.origin or FILE_NAME} names the apt repository {r.apt_repository} for R. {_RUNS}.",
                remedy=_remedy(_uri(r.apt_repository)),
            ),
        )


def _remedy(name: str) -> str:
    return f"If you trust it, add '--trust {name}' or set {TRUST_VARIABLE}={name}; on a terminal you are asked once."


def _uri(repository: str) -> str:
    return repository.partition(" ")[0]


def _means(given: str, name: str) -> bool:
    """Whether the user's `given` is `name`: a reference without a digest stands for its image at any."""
    ours, theirs = (_DOCKER_HUB.sub("", each) for each in (given, name))
    return ours == theirs or ("@" not in ours and ours == _PINNED.sub("", theirs))
