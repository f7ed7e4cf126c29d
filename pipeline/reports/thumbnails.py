"""Small pictures of a project's images, embedded in the page itself."""

from __future__ import annotations

from base64 import b64encode
from html import escape

from pipeline.errors import DatasetError
from pipeline.images import display_jpeg
from pipeline.images.locations import join_location
from pipeline.project.folder import Project


def thumbnail(project: Project, path: str | None, alt: str, side_px: int = 160) -> str:
    """Return an `<img>` with the picture in it, or a box that says why there is none.

    Parameters
    ----------
    project
        The project that the image belongs to.
    path
        The image's path, as in the project's table of images; None where the image has no file.
    alt
        What the picture shows, for those who cannot see it.
    side_px
        Longest side of the thumbnail.
    """
    if path is None:
        return _placeholder("no file here", side_px)
    try:
        data, width_px, height_px = display_jpeg(
            join_location(project.images_root, path, project.image_folders), side_px
        )
    except DatasetError as error:
        return _placeholder(str(error), side_px)
    return (
        f'<img src="data:image/jpeg;base64,{b64encode(data).decode()}" alt="{escape(alt)}" '
        f'width="{width_px}" height="{height_px}">'
    )


def _placeholder(reason: str, side_px: int) -> str:
    style = (
        f"display:inline-flex;width:{side_px}px;height:{side_px * 3 // 4}px;align-items:center;justify-content:center;"
        "border:1px dashed #888;color:#666;font-size:.8em;text-align:center;overflow:hidden"
    )
    return f'<span role="img" aria-label="no picture: {escape(reason)}" style="{style}">{escape(reason)}</span>'
