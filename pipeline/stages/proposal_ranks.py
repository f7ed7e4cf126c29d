"""At which rank each voted class was proposed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.project.folder import Project
from pipeline.project.list_columns import pad_lists
from pipeline.votes.arrays import VoteArrays

_IMAGES_AT_ONCE = 16_384


def proposal_ranks(project: Project, votes: VoteArrays) -> NDArray[np.int16]:
    """Return the rank of each item's class among the proposals offered for its image.

    Parameters
    ----------
    project
        A project with proposals, which are read in slices.
    votes
        Its votes, with images and classes named by index.

    Returns
    -------
    numpy.ndarray
        int16 ``(n_items,)``: ranks from 1; 0 where the class was not proposed.
    """
    n_proposals = project.settings.proposals.n_proposals
    ranks = np.zeros(votes.n_items, dtype=np.int16)
    file = pq.ParquetFile(project.require(project.proposals_path, "mlf propose"), pre_buffer=False)
    first = 0
    for batch in file.iter_batches(_IMAGES_AT_ONCE, columns=["class_index"]):
        proposed = pad_lists(pa.chunked_array([batch.column(0)]), -1, np.dtype(np.int32))[:, :n_proposals]
        edges = np.array([first, first + len(proposed)], dtype=votes.item_image.dtype)
        start, stop = np.searchsorted(votes.item_image, edges)
        here = slice(int(start), int(stop))
        is_same = proposed[votes.item_image[here] - first] == votes.item_class[here, None]
        if is_same.shape[1]:
            ranks[here] = np.where(is_same.any(axis=1), is_same.argmax(axis=1) + 1, 0)
        first += len(proposed)
    return ranks
