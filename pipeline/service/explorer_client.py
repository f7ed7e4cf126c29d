"""The explorer of the whole data set in a hub: through the Hub's service, which gives it only to researchers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.annotation.explorer import ExplorerFilter, ExplorerInfo, ExplorerPage
from pipeline.annotation.session import Picture, Unreadable
from pipeline.project.label_space import LabelSpace
from pipeline.service import wire
from pipeline.service.client import ServiceClient


class RemoteExplorer(ServiceClient):
    """All images of the hub's project, and what everybody said about them; parameters and errors as in the base."""

    def open(self) -> ExplorerInfo:
        """Return what the explorer needs only once."""
        return self._read(wire.EXPLORER_INFO, "/api/explorer/open")

    def label_space(self) -> LabelSpace:
        """Return all classes; they are fetched only once."""
        return self._classes("/api/explorer/classes")

    def page(self, which: ExplorerFilter, start: int, count: int) -> ExplorerPage:
        """Return the images that pass the filter, in their order."""
        params: dict[str, Any] = {
            "round": which.round.value,
            "annotator": which.annotator,
            "which": which.which.value,
            "disagreement": which.disagreement.value,
            "start": start,
            "count": count,
        }
        if which.class_index is not None:
            params["class_index"] = which.class_index
        return self._read(wire.EXPLORER_PAGE, "/api/explorer/page", params)

    def images(self, image_indices: Sequence[int], max_side_px: int) -> list[Picture | Unreadable]:
        """Return several images, scaled down, in one request."""
        return self._pictures("/api/explorer/pictures", "image_indices", image_indices, max_side_px)
