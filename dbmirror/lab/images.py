"""The images of a lab and its tunnel: built where they are missing, or stand on another image than they should."""

from __future__ import annotations

from dbmirror.build.fetched_files import keep_files
from dbmirror.engine.buildx import build
from dbmirror.engine.images import inspect_image
from dbmirror.lab.model import Lab, Supplies
from dbmirror.lab.paths import lab_paths, make_private
from dbmirror.lab.variables import read_environment
from dbmirror.render.lab import LabFiles


def build_images(lab: Lab, files: LabFiles, supplies: Supplies) -> None:
    """The tunnel's and the lab's image, as compose.yaml names them. Raises BuildFailed or EngineError."""
    user = read_environment(lab_paths(lab.folder))["DBMIRROR_LAB_UID"]
    images = {"tunnel": f"{files.tunnel_image}-u{user}", "lab": f"{files.lab_image}-u{user}"}
    missing = {folder: tag for folder, tag in images.items() if not stands_on(tag, files.made_of[folder])}
    if not missing:
        return
    fetch_files(lab, files, supplies)
    for folder, tag in missing.items():
        build(
            lab.folder / folder,
            tags=[tag],
            labels={},
            secrets={},
            build_arguments={"LAB_UID": user},
            contexts={"files": lab_paths(lab.folder).fetched},
            observer=lab.observer,
        )


def stands_on(tag: str, base: str) -> bool:
    """Whether the engine has the image `tag`, and it was made of the image that `base` means there now.

    A tag names what went into the image by name alone. Another checkout, or another branch of this one, can have had
    an image of its own under the name of `base`: a lab that was made of that one is not this lab.
    Raises EngineError.
    """
    image, below = inspect_image(tag), inspect_image(base)
    if image is None or below is None:
        return False
    return image.layers[: len(below.layers)] == below.layers


def fetch_files(lab: Lab, files: LabFiles, supplies: Supplies) -> None:
    """Keep what the images are built from, for this build and for plain `docker compose build`.

    Raises FetchError where a file cannot be fetched, StoreError where the disk is full.
    """
    where = lab_paths(lab.folder)
    make_private(where)
    keep_files(
        files.fetched,
        where.fetched,
        indexes=supplies.indexes,
        ca_bundle=supplies.ca_bundle,
        observer=lab.observer,
    )
