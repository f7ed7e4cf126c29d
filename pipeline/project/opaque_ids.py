"""What annotators and refiners see instead of an image's name: an id that tells nothing about the image.

A data set's ids and file names often hold the class, and so would give the original label away.
"""

from __future__ import annotations

import hashlib
from typing import Final

#: Images are divided into this many groups. An example that is itself an image of the project is not shown beside
#: images of its own group. So no image is ever shown beside itself, and what is left out is the same for every class.
N_EXAMPLE_GROUPS: Final = 4


def example_group(image_index: int) -> int:
    """Return the group of an image: it looks random, but follows from the image's index."""
    return hashlib.sha256(f"group of examples\0{image_index}".encode()).digest()[0] % N_EXAMPLE_GROUPS


def opaque_image_id(project_id: str, image_index: int) -> str:
    """Return an image's id for annotators and refiners; its last character is the :func:`example_group`."""
    digest = hashlib.sha256(f"{project_id}\0image\0{image_index}".encode()).hexdigest()
    return f"{digest[:12]}{example_group(image_index)}"


def image_of_opaque_id(project_id: str, opaque_id: str, n_images: int) -> int | None:
    """Return the image that has this opaque id; None where no image has it."""
    return next((index for index in range(n_images) if opaque_image_id(project_id, index) == opaque_id), None)
