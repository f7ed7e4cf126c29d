"""The files of a project with classes that no model knows: photographs, ten references of each class, and the truth."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from small_clip import make_small_clip
from superclasses import SUPERCLASSES, superclass_of, write_classes

from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.classifier import load_module
from pipeline.project.label_space import load_label_space

N_REFERENCES = 10


@dataclass(frozen=True)
class Walk:
    """What the walk through the page on own classes starts from; the truth is by image, in order of the manifest."""

    folder: Path
    truth: dict[str, list[str]]


def prepare_walk(
    folder: Path,
    photographs: Path,
    *,
    model: str,
    n_a_class: int | None = None,
    n_others: int | None = None,
    seed: int = 0,
) -> Walk:
    """Write `photographs.csv`, `classes.csv`, `references/`, `settled.json` and a small image-text model to a folder.

    Parameters
    ----------
    folder
        An empty folder.
    photographs
        The 1,000 photographs of ImageNet's classes, named by WordNet id.
    model
        An offline model, which becomes the seeing half of the image-text model.
    n_a_class
        How many photographs of each class to keep beside the references; None keeps all.
    n_others
        How many photographs of none of the classes to keep; None keeps all.
    seed
        Of the draw of references and photographs.

    Returns
    -------
    Walk
        Every second image's labels are in `settled.json`; those of all images are in `truth`.
    """
    known, generator = superclass_of(), np.random.default_rng(seed)
    paths = sorted(photographs.glob("n*.jpg"))
    kept: list[Path] = []
    for index, info in enumerate(SUPERCLASSES):
        of_class = [path for path in paths if known.get(path.stem) == index]
        drawn = [of_class[place] for place in generator.permutation(len(of_class))]
        (folder / "references" / info.key).mkdir(parents=True)
        for path in drawn[:N_REFERENCES]:
            shutil.copy(path, folder / "references" / info.key)
        kept += drawn[N_REFERENCES:][:n_a_class]
    others = [path for path in paths if path.stem not in known]
    kept += [others[place] for place in generator.permutation(len(others))[:n_others]]
    kept.sort()
    (folder / "photographs.csv").write_text("image\n" + "".join(f"{path.name}\n" for path in kept))
    write_classes(folder / "classes.csv")
    truth = {path.name: [SUPERCLASSES[known[path.stem]].key] if path.stem in known else [] for path in kept}
    (folder / "settled.json").write_text(json.dumps(dict(list(truth.items())[::2])))
    space = load_label_space("imagenet-1k")
    seeing = load_module(ModelSource(model), space)
    make_small_clip(folder / "small_clip", model, seeing, space, width=128, n_steps=250)
    return Walk(folder, truth)
