"""Labels that a project's models believe in but nobody was asked about: what refiners might look at next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.consensus import Consensus
from pipeline.consensus.evidence import Evidence, ModelSupport, original_evidence, ranked_but_not_asked
from pipeline.consensus.known import original_of_pairs
from pipeline.consensus.suggestions import suggest_labels
from pipeline.project.folder import Project
from pipeline.project.image_table import original_labels
from pipeline.stages.consensus_of_project import evidence_models
from pipeline.votes.arrays import VoteArrays


def project_suggestions(project: Project, votes: VoteArrays, consensus: Consensus) -> pd.DataFrame | None:
    """Return the suggestions, the likeliest first; ``None`` where models give no evidence.

    Returns
    -------
    pandas.DataFrame
        ``image_index``, ``image_id``, ``class_index``, ``class_key``, ``class_name``, ``probability``: an extrapolation
        from the classes that people were asked about.
    """
    if not consensus.evidence_models:
        return None
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], Evidence]] = []
    for first, rankings in evidence_models(project):
        edges = np.array([first, first + len(rankings[0].class_index)], dtype=votes.item_image.dtype)
        here = slice(*np.searchsorted(votes.item_image, edges).tolist())
        row, ranked = ranked_but_not_asked(
            [ranking.class_index for ranking in rankings],
            votes.n_classes,
            votes.item_image[here] - np.int32(first),
            votes.item_class[here],
        )
        support = ModelSupport(row, ranked)
        for ranking in rankings:
            support.add(ranking)
        parts.append((row + first, ranked, support.evidence()))
    image, class_index = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    found_evidence = [part[2] for part in parts]
    evidence = replace(found_evidence[0], values=np.concatenate([one.values for one in found_evidence]))
    if consensus.uses_original:
        given = original_of_pairs(original_labels(project), image, class_index)
        evidence = original_evidence(given).joined(evidence)
    found = suggest_labels(consensus, votes, image, class_index, evidence)
    ids = pq.read_table(project.images_path, columns=["image_id"]).column(0)
    space, classes = project.label_space, found["class"].tolist()
    return pd.DataFrame(
        {
            "image_index": found["image"],
            "image_id": ids.take(found["image"].to_numpy()).to_pylist(),
            "class_index": classes,
            "class_key": [space.keys[index] for index in classes],
            "class_name": [space.names[index] for index in classes],
            "probability": found["probability"],
        }
    )
