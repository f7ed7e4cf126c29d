"""What the methods of stage 1 cost and find, and what learning from examples is made of.

The first table draws a toybox and proposes with each method and each number of views. With a folder of the 1,000
photographs (`imagenet_samples`), the second table has the cost of views with a real model, and the third takes learning
from ten examples of each of twenty made-up classes apart, over ten draws of the examples.

    python benchmarks/proposal_methods.py [PHOTOGRAPHS]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from small_clip import make_small_clip
from superclasses import SUPERCLASSES, superclass_of, write_classes

from pipeline.datasets.create import init_project
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.classifier import load_module
from pipeline.inference.feature_tables import read_features
from pipeline.inference.features import Backbone, load_backbone
from pipeline.inference.filling import RunOptions, fill_tables
from pipeline.inference.views import views
from pipeline.project.folder import Project
from pipeline.proposals.head import train_head
from pipeline.proposals.methods.examples import ExamplesMethod
from pipeline.proposals.reader import ProposalReader
from pipeline.stages.propose import propose
from pipeline.toybox import toybox_checkpoint, write_toybox

MODEL = "tf_efficientnet_lite2"
N_REFERENCES, N_DRAWS = 10, 10
CPU = {"device": "cpu", "n_workers": 0, "precision": "float32"}
Features = npt.NDArray[np.float32]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="What the methods of stage 1 cost and find.")
    parser.add_argument("photographs", nargs="?", type=Path, help="folder of photographs; without it, the toybox alone")
    photographs = parser.parse_args().photographs
    with tempfile.TemporaryDirectory() as folder:
        _on_toybox(Path(folder))
        if photographs is not None:
            _cost_of_views(Path(folder), photographs)
            _from_examples(Path(folder), photographs)


def _on_toybox(folder: Path, n_scenes: int = 600) -> None:
    box = write_toybox(folder / "toys", n_scenes=n_scenes, n_reference=10, seed=0)
    checkpoint = toybox_checkpoint()
    space = init_project(folder / "space", box.scenes_csv, box.classes, box.reference).label_space
    seeing = load_module(ModelSource(checkpoint=checkpoint), space)
    clip = make_small_clip(folder / "small_clip", "test_resnet", seeing, space, width=48, n_steps=200)
    ways = {
        "classifier": {"checkpoint": checkpoint},
        "from examples": {"checkpoint": checkpoint, "from_examples": True},
        "zero-shot": {"zero_shot": str(clip)},
        "all three": {"methods": [f"classifier:{checkpoint}", f"examples:{checkpoint}", f"zero-shot:{clip}"]},
    }
    print(f"Toybox, {n_scenes} scenes; time as a multiple of one look with the classifier\n")
    print("| method | views | time | recall at 5 | at 10 | at 20 |\n| --- | --- | --- | --- | --- | --- |")
    first = 0.0
    for name, options in ways.items():
        for n_views in (1, 5, 14):
            project = init_project(folder / f"{name}{n_views}", box.scenes_csv, box.classes, box.reference)
            start = time.perf_counter()
            propose(project, views=n_views, **options, **CPU)
            seconds = time.perf_counter() - start
            first = first or seconds
            found = " | ".join(f"{share:.1%}" for share in _recall(project, box.truth))
            print(f"| {name} | {n_views} | {seconds / first:.1f} | {found} |", flush=True)


def _recall(project: Project, truth: Path) -> list[float]:
    labels = [
        {project.label_space.index_of(key) for key in keys} for keys in json.loads(truth.read_text("utf-8")).values()
    ]
    classes = ProposalReader(project.proposals_path).as_arrays().class_index
    n_labels = sum(map(len, labels))
    return [
        sum(len(own & set(row[:k].tolist())) for own, row in zip(labels, classes, strict=True)) / n_labels
        for k in (5, 10, 20)
    ]


def _cost_of_views(folder: Path, photographs: Path, n_images: int = 100) -> None:
    paths = sorted(photographs.glob("n*.jpg"))[:: 1000 // n_images][:n_images]
    manifest = folder / "some.csv"
    manifest.write_text("image,wnid\n" + "".join(f"{path.name},{path.stem}\n" for path in paths))
    print(f"\n{MODEL} on {n_images} photographs; time as a multiple of one look, least of two runs each\n")
    print("| views | time |\n| --- | --- |")
    first = 0.0
    for n_views in (1, 5, 14):
        seconds = []
        for run in range(2):
            project = init_project(
                folder / f"views{n_views}.{run}", manifest, "imagenet-1k", images_root=str(photographs)
            )
            start = time.perf_counter()
            propose(project, MODEL, views=n_views, **CPU)
            seconds.append(time.perf_counter() - start)
        first = first or min(seconds)
        print(f"| {n_views} | {min(seconds) / first:.2f} |", flush=True)


def _from_examples(folder: Path, photographs: Path) -> None:
    known = superclass_of()
    paths = [path for path in sorted(photographs.glob("n*.jpg")) if path.stem in known]
    manifest = folder / "photographs.csv"
    rows = (f"{path.name},{SUPERCLASSES[known[path.stem]].key}\n" for path in paths)
    manifest.write_text("image,label\n" + "".join(rows))
    classes = write_classes(folder / "classes.csv")
    project = init_project(folder / "photographs", manifest, classes, images_root=str(photographs))
    method = ExamplesMethod(project, ModelSource(MODEL), 5, 20, RunOptions(**CPU), "labels")
    fill_tables(project, method.fillings(), 5, RunOptions(**CPU))
    found = [features for _, features in read_features(method.fillings()[0].path, 5)]
    features = np.concatenate(found).astype(np.float32)
    labels = np.array([known[path.stem] for path in paths])
    backbone = load_backbone(ModelSource(MODEL), project.label_space)
    report_parts(features, labels, backbone)


def report_parts(features: Features, labels: npt.NDArray[np.int64], backbone: Backbone) -> None:
    """Print what each part of learning from examples brings: Top-1 and top 3 on the photographs that are no references.

    Parameters
    ----------
    features
        (n_images, 5, width): of the whole image and four crops.
    labels
        (n_images,) superclasses.
    backbone
        Where the features come from.
    """
    n_images, n_views, width = features.shape
    bare = features[:, 0] / np.linalg.norm(features[:, 0], axis=1, keepdims=True)
    prepared = backbone.prepared(features.reshape(-1, width)).reshape(n_images, n_views, -1)
    even = prepared[:, :, :width]
    ways: dict[str, Callable[[npt.NDArray[np.bool_]], Features]] = {
        "logistic regression, features as they are": lambda known: _plain(features[:, 0], labels, known),
        "prototypes (nearest mean), length 1": lambda known: _prototypes(bare, labels, known),
        "our head, length 1": lambda known: train_head(bare[known], labels[known]).probabilities(bare),
        "our head, evened": lambda known: train_head(even[known, 0], labels[known]).probabilities(even[:, 0]),
        "prototypes, evened, with the backbone's own classes": lambda known: _prototypes(prepared[:, 0], labels, known),
        "our head, evened, with the backbone's own classes (what `--from-examples` does)": lambda known: train_head(
            prepared[known, 0], labels[known]
        ).probabilities(prepared[:, 0]),
        "the same with five views": lambda known: _over_views(prepared, labels, known),
        "the same with one view, and the data set's own single labels out of fold": lambda known: _with_own_labels(
            prepared[:, 0], labels, known
        ),
    }
    print(
        f"\n{N_REFERENCES} references for each of {len(SUPERCLASSES)} classes; mean of {N_DRAWS} draws, on the others\n"
    )
    print("| what | Top-1 | top 3 |\n| --- | --- | --- |")
    draws = [_draw(labels, seed) for seed in range(N_DRAWS)]
    for name, way in ways.items():
        top1, top3 = np.mean([_right(way(known)[~known], labels[~known]) for known in draws], axis=0)
        print(f"| {name} | {top1:.1%} | {top3:.1%} |", flush=True)


def _draw(labels: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.bool_]:
    generator = np.random.default_rng(1000 + seed)  # far from the seeds of first tries
    known = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        known[generator.choice(np.flatnonzero(labels == label), N_REFERENCES, replace=False)] = True
    return known


def _right(scores: Features, labels: npt.NDArray[np.int64]) -> tuple[float, float]:
    order = np.argsort(-scores, axis=1)
    is_it = order == labels[:, None]
    return float(is_it[:, 0].mean()), float(is_it[:, :3].any(axis=1).mean())


def _plain(features: Features, labels: npt.NDArray[np.int64], known: npt.NDArray[np.bool_]) -> Features:
    from sklearn.linear_model import LogisticRegression

    peer = LogisticRegression(max_iter=2000).fit(features[known], labels[known])
    scores: Features = peer.predict_proba(features)
    return scores


def _prototypes(features: Features, labels: npt.NDArray[np.int64], known: npt.NDArray[np.bool_]) -> Features:
    means = np.stack([features[known & (labels == label)].mean(axis=0) for label in np.unique(labels)])
    return -((features[:, None] - means) ** 2).sum(axis=2)


def _over_views(prepared: Features, labels: npt.NDArray[np.int64], known: npt.NDArray[np.bool_]) -> Features:
    head = train_head(prepared[known, 0], labels[known])
    trust = np.array([view.trust for view in views(prepared.shape[1])], dtype=np.float32)
    n_images, n_views, width = prepared.shape
    scores = head.probabilities(prepared.reshape(-1, width)).reshape(n_images, n_views, -1)
    best: Features = (scores * trust[:, None]).max(axis=1)
    return best


def _with_own_labels(features: Features, labels: npt.NDArray[np.int64], known: npt.NDArray[np.bool_]) -> Features:
    scores = np.zeros((len(labels), len(SUPERCLASSES)), dtype=np.float32)
    fold = np.arange(len(labels)) % 5
    for number in range(5):
        of_others = known | (fold != number)
        head = train_head(features[of_others], labels[of_others])
        scores[fold == number] = head.probabilities(features[fold == number])
    return scores


if __name__ == "__main__":
    main()
