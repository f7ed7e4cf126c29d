"""Labels that a project's models believe in but nobody was asked about: what refiners might look at next."""

from __future__ import annotations

import pandas as pd
import pyarrow.parquet as pq

from pipeline.consensus import Consensus
from pipeline.consensus.evidence import ModelSupport, original_evidence, ranked_but_not_asked
from pipeline.consensus.known import UNKNOWN
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
    rankings = list(evidence_models(project))
    image, class_index = ranked_but_not_asked(
        [ranking.class_index for ranking in rankings], votes.n_classes, votes.item_image, votes.item_class
    )
    support = ModelSupport(image, class_index)
    for ranking in rankings:
        support.add(ranking)
    evidence = support.evidence()
    if consensus.uses_original:
        label = original_labels(project)[image]
        given = (label == class_index).astype("int8")
        given[label < 0] = UNKNOWN
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
