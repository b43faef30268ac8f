"""The build context of a mirror's image as its configuration says, and the apt that chooses its Debian packages."""

from __future__ import annotations

from dbmirror.lock.debs.base_apt import KEY, BaseApt, RApt
from dbmirror.lock.debs.model import DebianStep
from dbmirror.lock.mirror_lock import MirrorLock
from dbmirror.lock.model import BaseImage
from dbmirror.pipeline.mirror import Mirror
from dbmirror.render.context import BuildContext
from dbmirror.render.debian_steps import debian_steps
from dbmirror.render.errors import RenderError
from dbmirror.render.image import render
from dbmirror.render.image_settings import ImageSettings, RAptRepository
from dbmirror.render.r_layers import r_preferences
from dbmirror.runtimes.model import Runtime


def image_context(mirror: Mirror, lock: MirrorLock, runtime: Runtime, *, draft: bool = False) -> BuildContext:
    """The context of the image of `lock`, in a draft without its Debian packages. Raises RenderError."""
    return render(
        lock.python,
        runtime,
        mirror=mirror.name,
        settings=ImageSettings(waivers=mirror.section.waive, r_repository=_r_repository(mirror)),
        r_lock=lock.r_in_image,
        flavour=lock.flavour,
        debian=None if draft else lock.debian,
    )


def debian_steps_of(mirror: Mirror, lock: MirrorLock, runtime: Runtime) -> tuple[DebianStep, ...]:
    """What apt installs in the image of `lock`; nothing where it cannot be rendered, which that stage will say."""
    try:
        return debian_steps(image_context(mirror, lock, runtime, draft=True).files)
    except RenderError:
        return ()


def apt_of(mirror: Mirror, base: BaseImage, *, r_version: str | None) -> BaseApt:
    """The apt of `base`, where the image is to have R `r_version` with the repository that is configured for it.

    Raises RenderError where that has not its form.
    """
    r = None
    if r_version is not None:
        repository = _r_repository(mirror)
        r = RApt(
            preferences=r_preferences(r_version),
            sources=repository.sources(KEY) if repository is not None else "",
            key=(repository.key or "") if repository is not None else "",
        )
    return BaseApt(
        base,
        internal_hosts=mirror.indexes.internal_hosts,
        ca_bundle=mirror.ca_bundle,
        r=r,
        observer=mirror.observer,
    )


def _r_repository(mirror: Mirror) -> RAptRepository | None:
    r = mirror.loaded.r(mirror.name)
    if r.apt_repository is None:
        return None
    return RAptRepository(location=r.apt_repository, key=mirror.loaded.apt_key(r) if r.apt_key else None)
