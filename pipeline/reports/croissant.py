"""A data set's description as Croissant (MLCommons, JSON-LD), with its responsible-AI fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.formats.exchange.croissant import CONTEXT, file_object, record_set


@dataclass(frozen=True, slots=True)
class Facts:
    """What the description says; `words` are the texts of the data card by heading."""

    name: str
    words: Mapping[str, str]
    made: str
    n_classes: int
    n_labelled: int
    n_labels: int
    n_people: int
    n_simulated: int
    per_image: int
    models: tuple[str, ...]
    alpha: float | None
    software: str
    labels_file: str
    labels_sha256: str
    columns: tuple[str, ...]


def croissant(facts: Facts) -> dict[str, object]:
    """Return the description as plain JSON.

    Fields: the Croissant format specification 1.0 and its RAI vocabulary 1.0 (docs.mlcommons.org/croissant).
    """
    words = facts.words
    simulated = f"; {facts.n_simulated:,} of these are simulated: programs, not people" if facts.n_simulated else ""
    agreement = "undefined" if facts.alpha is None else f"{facts.alpha:.3f}"
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": re.sub(r"[^A-Za-z0-9_.-]+", "_", facts.name).strip("_") or "data_set",
        "alternateName": facts.name,
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "description": words.get("Description", facts.name),
        "license": words.get("Licence", "not written yet"),
        "url": _address(words.get("Web address", "")),
        "citeAs": words.get("Citation", "not written yet"),
        "datePublished": facts.made,
        "version": "1.0.0",
        "creator": {"@type": "sc:Organization", "name": facts.name},
        "isLiveDataset": False,
        "rai:dataCollection": "The images and their single labels are those of an existing data set.",
        "rai:dataCollectionType": ["Secondary Data Analysis", "Manual Human Curator"],
        "rai:dataAnnotationProtocol": (
            f"Models ranked {facts.n_classes:,} classes for each image; the topmost were shown as proposals, each with "
            f"example images. {facts.per_image:,} annotators an image ticked, blind to each other, all that apply. "
            "Where their label sets differed, others settled the image. A class that was not shown has no vote."
        ),
        "rai:dataAnnotationPlatform": [facts.software],
        "rai:annotationsPerItem": f"{facts.per_image:,} annotators an image; refiners where they differed",
        "rai:annotatorDemographics": [
            f"{facts.n_people:,} annotators and refiners{simulated}. {words.get('People', '')}".strip()
        ],
        "rai:dataAnnotationAnalysis": [
            (
                f"Krippendorff's alpha of the votes (nominal, classes not shown are missing): {agreement}. "
                f"{facts.n_labels:,} labels on {facts.n_labelled:,} images."
            )
        ],
        "rai:machineAnnotationTools": list(facts.models) or ["none"],
        "rai:dataLimitations": [words.get("Known limits", "not written yet")],
        "rai:dataUseCases": [words.get("Intended use", "not written yet")],
        "distribution": [file_object(facts.labels_file, f"../results/{facts.labels_file}", facts.labels_sha256)],
        "recordSet": [record_set(facts.columns)],
    }


def _address(text: str) -> str:
    found = re.search(r"https?://\S+", text)
    return found[0] if found else "https://example.org/"
