"""The reference set as a list, and what backbones have made of examples already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.examples.choice import draw_order, example_candidates
from pipeline.images.locations import join_location
from pipeline.inference.feature_tables import evened, read_features
from pipeline.inference.parts import read_run_settings
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns

#: Most examples that are learned from, spread evenly over the classes: more would take long and gain little.
MOST_EXAMPLES = 20_000
#: The fewest of a class, however many classes there are.
LEAST_OF_A_CLASS = 5
_SEED = 0


def most_of_a_class(n_classes: int) -> int:
    """Return how many examples of each class are learned from at most."""
    return max(LEAST_OF_A_CLASS, MOST_EXAMPLES // max(1, n_classes))


def reference_files(project: Project) -> list[tuple[int, str]]:
    """Return class and path below `examples_root` of each reference; none if the project's images are its examples."""
    if project.examples_root == project.images_root:
        return []
    found = example_candidates(project)
    most = most_of_a_class(len(found))
    return [
        (index, path)
        for index in sorted(found)
        for path in draw_order(found[index], project.label_space[index].key, _SEED)[:most]
    ]


def digest_of(project: Project, references: list[tuple[int, str]]) -> str:
    """Return what tells one list of references from another: SHA-256 of classes and locations."""
    located = [(index, join_location(project.examples_root, path)) for index, path in references]
    return hashlib.sha256(json.dumps(located).encode()).hexdigest()


def known_features(project: Project, wanted: Collection[str]) -> dict[str, npt.NDArray[np.float32]]:
    """Return what a backbone has made of examples, where one has looked at them: path to features of length 1.

    They are those of the references (`mlf propose --from-examples`), or of the project's images where these are its
    examples (`mlf improve` has them, too). Of several backbones, the first by name counts.

    Parameters
    ----------
    wanted
        Paths below `examples_root`; others are left out.
    """
    if project.examples_root == project.images_root:
        paths = image_columns(project, ["path"]).column(0).to_pylist()
        tables = sorted(project.features_dir.glob("*views.parquet"))
    else:
        references = reference_files(project) if project.features_dir.exists() else []
        paths = [path for _, path in references]
        digest = digest_of(project, references)
        every = sorted(project.features_dir.glob("*.references.parquet"))
        tables = [path for path in every if read_run_settings(path).get("references_sha256") == digest]
    return _of_whole_images(tables[0], paths, set(wanted)) if tables else {}


def _of_whole_images(
    table: Path, paths: list[str | None], wanted: Collection[str]
) -> dict[str, npt.NDArray[np.float32]]:
    n_views = len(read_run_settings(table).get("views", [None]))
    found: dict[str, npt.NDArray[np.float32]] = {}
    for rows, features in read_features(table, n_views):
        named = [(at, path) for at, row in enumerate(rows) if (path := paths[row]) in wanted and path is not None]
        even = evened(features[[at for at, _ in named], 0])
        found.update(zip((path for _, path in named), even, strict=True))
    return found
