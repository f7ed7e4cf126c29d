"""What people at work see of an image's name: an id that tells nothing about it.

Ids and file names of data sets often hold the class, and so the original label.
"""

from __future__ import annotations

import hashlib
from typing import Final

#: Images are dealt into so many groups. Examples that are images of the project themselves are not shown beside images
#: of their own group: so none is ever shown beside itself, and what is left out is the same for every class.
N_EXAMPLE_GROUPS: Final = 4


def example_group(image_index: int) -> int:
    """Return the group of an image, by chance but for its index."""
    return hashlib.sha256(f"group of examples\0{image_index}".encode()).digest()[0] % N_EXAMPLE_GROUPS


def opaque_image_id(project_id: str, image_index: int) -> str:
    """Return an image's id for people at work; its last character is the image's :func:`example_group`."""
    digest = hashlib.sha256(f"{project_id}\0image\0{image_index}".encode()).hexdigest()
    return f"{digest[:12]}{example_group(image_index)}"


def image_of_opaque_id(project_id: str, opaque_id: str, n_images: int) -> int | None:
    """Return the image whose opaque id this is; None where it is that of none."""
    return next((index for index in range(n_images) if opaque_image_id(project_id, index) == opaque_id), None)
