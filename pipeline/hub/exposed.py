"""Files of a project that lie outside its folder, where every account of the machine may be able to read them."""

from __future__ import annotations

import stat
from pathlib import Path

from pipeline.images.remote import is_url
from pipeline.project.folder import Project


def readable_by_everyone(path: Path) -> bool:
    """Return whether every account can open a file or list a folder, by its mode and those of the folders above it."""
    try:
        resolved = path.resolve(strict=True)
        own = stat.S_IROTH | (stat.S_IXOTH if resolved.is_dir() else 0)
        return resolved.stat().st_mode & own == own and all(
            folder.stat().st_mode & stat.S_IXOTH for folder in resolved.parents
        )
    except OSError:
        return False


def exposed_folders(project: Project) -> tuple[Path, ...]:
    """Return the folders of images and examples outside the project that every account of the machine can read.

    Only the service needs them. Folders named after classes give away the original label of each image, and in a hub
    nobody should see the images of other people's tasks.
    """
    named = (project.images_root, project.examples_root, *project.image_folders)
    outside = {Path(root) for root in named if root and not is_url(root)}
    return tuple(
        sorted(
            folder
            for folder in outside
            if not folder.resolve().is_relative_to(project.root.resolve()) and readable_by_everyone(folder)
        )
    )
