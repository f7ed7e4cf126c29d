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
_CELLS_IN_CACHE = 250_000


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
    # The ranks of a few images at a time, by class: so each item is looked up once, in the processor's cache.
    step = max(_CELLS_IN_CACHE // (votes.n_classes + 1), 1)
    table = np.zeros((step, votes.n_classes + 1), dtype=np.int16)
    first = 0
    for batch in file.iter_batches(_IMAGES_AT_ONCE, columns=["class_index"]):
        proposed = pad_lists(pa.chunked_array([batch.column(0)]), -1, np.dtype(np.int32))[:, :n_proposals]
        for start in range(0, len(proposed), step):
            some = proposed[start : start + step]
            edges = np.array([first + start, first + start + len(some)], dtype=votes.item_image.dtype)
            here = slice(*np.searchsorted(votes.item_image, edges).tolist())
            local = np.arange(len(some))[:, None]
            # -1, for none, lands in the spare last column; of equal classes the best stands.
            table[local, some[:, ::-1]] = np.arange(some.shape[1], 0, -1)
            ranks[here] = table[votes.item_image[here] - edges[0], votes.item_class[here]]
            table[local, some] = 0
        first += len(proposed)
    return ranks
