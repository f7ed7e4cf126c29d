"""Images that are links to files elsewhere, as in git-annex, DVC and the Hugging Face cache.

If a link leads out of the images' folder, a hub serves its file only if that lies below a folder named in `mlf.toml`
(`link_roots`). These folders are found when a project is made. They are as deep as the links allow, and never a home
folder or a folder above the images or the project.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from pipeline.images.locations import join_location
from pipeline.images.remote import is_url
from pipeline.images.within import file_of
from pipeline.project.notices import tell

#: If links lead to more sub-folders of a folder than this, the folder itself is named: caches have hundreds.
_MOST_CHILDREN = 8
#: Folders with no more path parts than this (`/` is one) are never named: they are too wide.
_LEAST_DEPTH = 2


class LinkedFolders:
    """Collects where links lead.

    Parameters
    ----------
    root
        The images' folder. Nothing is collected for a URL.
    project
        The project's folder.
    """

    def __init__(self, root: str, project: Path) -> None:
        self._root = "" if is_url(root) or not root else root
        self._real_root = os.path.realpath(root) if self._root else ""
        real_project = os.path.realpath(project)
        guarded = [Path(self._real_root).parent, Path(real_project), Path(os.path.realpath(Path.home()))]
        self._too_wide = {str(folder) for path in guarded for folder in (path, *path.parents)}
        self._tree: _Folder = _Folder()
        self.n_links = 0

    def add(self, path: str) -> None:
        """Look at one file below the root."""
        if not self._root:
            return
        location = file_of(join_location(self._root, path))
        folder, name = os.path.split(location)
        real = os.path.realpath(location) if os.path.islink(location) else os.path.join(_real(folder), name)  # noqa: PTH114, PTH118 - once per file, of a million
        if Path(real).is_relative_to(self._real_root):
            return
        self.n_links += 1
        node, above = self._tree, ""
        for part in Path(real).parent.parts[1:]:
            if node.is_whole:
                return
            above = f"{above}/{part}"
            if part not in node.children and len(node.children) >= _MOST_CHILDREN and not self._is_too_wide(node.path):
                node.is_whole = True
                return
            node = node.children.setdefault(part, _Folder(above))
        node.is_whole = True

    def roots(self) -> list[str]:
        """Return the folders to name in `mlf.toml`, sorted."""
        return sorted(folder for folder in self._tree.ends() if not self._is_too_wide(folder))

    def tell(self) -> None:
        """Say how many images are links, and which of them a hub serves."""
        if not self.n_links:
            return
        roots = self.roots()
        refused = sorted(folder for folder in self._tree.ends() if self._is_too_wide(folder))
        served = f"a hub serves those below {', '.join(roots)} (link_roots in mlf.toml)" if roots else ""
        not_served = f"a hub does not serve those that lie directly in {', '.join(refused)}" if refused else ""
        tell(
            f"{self.n_links:,} images are links to files outside of {self._root}; "
            f"{'; '.join(filter(None, (served, not_served)))}"
        )

    def _is_too_wide(self, folder: str) -> bool:
        return folder in self._too_wide or len(Path(folder).parts) <= _LEAST_DEPTH


class _Folder:
    """A folder on the path of a link's target; `is_whole` if links lead into it, or into too many folders below it."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.children: dict[str, _Folder] = {}
        self.is_whole = False

    def ends(self) -> list[str]:
        if self.is_whole:
            return [self.path]
        return [end for child in self.children.values() for end in child.ends()]


@lru_cache(maxsize=4096)
def _real(folder: str) -> str:
    return os.path.realpath(folder)
