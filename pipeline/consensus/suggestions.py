"""Labels that models believe in and nobody was asked about. Refiners look at them; they never count by themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consensus.evidence import Evidence
from pipeline.consensus.prior import predict_prior
from pipeline.consensus.result import Consensus
from pipeline.errors import DatasetError
from pipeline.votes.arrays import VoteArrays


def suggest_labels(
    consensus: Consensus,
    votes: VoteArrays,
    image: NDArray[np.integer],
    class_code: NDArray[np.integer],
    evidence: Evidence,
) -> pd.DataFrame:
    """Return the pairs that would be labels by their prior alone, the likeliest first.

    Parameters
    ----------
    consensus
        The consensus of the votes, with models as evidence.
    votes
        What was asked.
    image, class_code
        ``(n_pairs,)``: pairs that nobody was asked about, as codes in the vocabularies of the votes.
    evidence
        Evidence on the pairs, with the columns that the consensus used.

    Returns
    -------
    pandas.DataFrame
        ``image``, ``class`` (as codes) and ``probability``. The latter extrapolates from the classes that people were
        asked about to those that they were not.

    Raises
    ------
    DatasetError
        If no prior was learnt.
    """
    if consensus.prior is None or consensus.tempering is None:
        raise DatasetError(
            "suggestions rest on a learnt prior; settle with models as evidence: `mlf settle --evidence models`"
        )
    prior = predict_prior(consensus.prior, votes, consensus.posterior, image, class_code, evidence)
    probability = consensus.tempering.probability(prior, np.zeros(len(prior)))
    table = pd.DataFrame({"image": image, "class": class_code, "probability": probability})
    likely = table[table["probability"] > consensus.cut.value]
    return likely.sort_values("probability", ascending=False, kind="stable").reset_index(drop=True)
