"""Several methods at once, and classes that are known only by examples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import timm
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression

from pipeline.datasets.create import init_project
from pipeline.errors import MlfError, ProjectError
from pipeline.inference import loading
from pipeline.inference.predictions import predictions_path
from pipeline.project.folder import Project
from pipeline.proposals.head import train_head
from pipeline.proposals.merging import calibrate, merge_candidates
from pipeline.proposals.methods.registry import requests_of_models
from pipeline.proposals.methods.seam import Candidates
from pipeline.proposals.reader import ProposalReader
from pipeline.stages.propose import propose, propose_summary

HUES = ("red", "green", "blue", "grey")
COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200), "grey": (120, 120, 120)}
CPU = {"device": "cpu", "n_workers": 0}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return weights whose classes mean nothing: useful only for features."""
    path = tmp_path_factory.mktemp("models") / "backbone.pth"
    torch.manual_seed(4)
    torch.save(timm.create_model("test_resnet", num_classes=7).state_dict(), path)
    path.with_suffix(".json").write_text(
        json.dumps({"architecture": "test_resnet", "num_classes": 7, "input_size": [3, 32, 32]})
    )
    return path


@pytest.fixture
def make_coloured(tmp_path: Path) -> Callable[..., Project]:
    """Return a function that makes a project of speckled pictures, one colour per class, and some references."""

    def paint(path: Path, hue: str, seed: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        speckles = np.random.default_rng(seed).normal(0, 25, (24, 24, 3))
        Image.fromarray(np.clip(speckles + COLOURS[hue], 0, 255).astype(np.uint8)).save(path)

    def make(
        name: str, n_images: int = 6, n_references: int = 0, hues: tuple[str, ...] = HUES, **labels: str
    ) -> Project:
        rows = ["image,label"]
        for number in range(n_images * len(HUES)):
            hue = HUES[number % len(HUES)]
            paint(tmp_path / "images" / f"{number}.png", hue, number)
            rows.append(f"images/{number}.png,{labels.get(f'_{number}', hue)}")
        for number in range(n_references):
            for hue in hues:
                paint(tmp_path / f"references{n_references}" / hue / f"{number}.png", hue, 1000 + number)
        (tmp_path / "classes.json").write_text(json.dumps([*HUES, "never seen"]))
        (tmp_path / f"{name}.csv").write_text("\n".join(rows) + "\n")
        references = tmp_path / f"references{n_references}" if n_references else None
        return init_project(tmp_path / name, tmp_path / f"{name}.csv", tmp_path / "classes.json", references)

    return make


def proposed(project: Project) -> np.ndarray:
    return ProposalReader(project.proposals_path).as_arrays().class_index


@pytest.mark.parametrize("learn_from", ["references", "labels", "both"])
def test_classes_that_no_model_knows_are_proposed_from_examples(
    learn_from: str, make_coloured: Callable[..., Project], backbone: Path
) -> None:
    project = make_coloured("project", n_references=3)
    summary = propose(project, checkpoint=backbone, from_examples=True, learn_from=learn_from, **CPU)
    assert summary.models == ("backbone.examples",)
    found = proposed(project)
    right = np.arange(24) % 4
    assert (found[:, 0] == right).mean() > 0.8
    assert not (found == 4).any()
    assert any("1 classes have no example (never seen)" in note for note in summary.notes)


def test_no_label_speaks_for_its_own_image(make_coloured: Callable[..., Project], backbone: Path) -> None:
    honest, lying = make_coloured("honest"), make_coloured("lying", _5="blue")
    for project in (honest, lying):
        propose(project, checkpoint=backbone, from_examples=True, **CPU)
    one, other = (ProposalReader(project.proposals_path).as_arrays() for project in (honest, lying))
    fold_mates = np.arange(24) % 5 == 0
    np.testing.assert_array_equal(one.class_index[fold_mates], other.class_index[fold_mates])
    np.testing.assert_array_equal(one.score[fold_mates], other.score[fold_mates])
    assert (one.score[~fold_mates] != other.score[~fold_mates]).any()


def test_examples_that_the_project_lacks_are_asked_for(make_coloured: Callable[..., Project], backbone: Path) -> None:
    project = make_coloured("project")
    with pytest.raises(ProjectError, match=r"no reference set of its own \(mlf init --examples\)"):
        propose(project, checkpoint=backbone, from_examples=True, learn_from="references", **CPU)
    with pytest.raises(ProjectError, match="--learn-from dreams: there are references, labels, both"):
        propose(project, checkpoint=backbone, from_examples=True, learn_from="dreams", **CPU)  # type: ignore[arg-type]
    with pytest.raises(ProjectError, match="no method 'oracle'; --method takes classifier, examples"):
        propose(project, methods=["oracle"], **CPU)


def test_a_run_from_examples_that_is_cut_off_ends_in_the_same_tables(
    make_coloured: Callable[..., Project], backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = make_coloured("whole", n_references=3), make_coloured("cut", n_references=3)
    options = {"checkpoint": backbone, "from_examples": True, "views": 5, "batch_size": 5, **CPU}
    propose(whole, **options)
    decode = loading.read_image
    monkeypatch.setattr("pipeline.inference.filling.PART_SECONDS", 0.0)
    for n_before_the_end in (7, 9, 12):
        left = iter(range(n_before_the_end))

        def cut_off(*arguments: object, left: object = left) -> Image.Image:
            if next(left, None) is None:  # type: ignore[call-overload]
                raise KeyboardInterrupt
            return decode(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(loading, "read_image", cut_off)
        with pytest.raises(KeyboardInterrupt):
            propose(cut, **options)
        assert not cut.proposals_path.exists()
        monkeypatch.setattr(loading, "read_image", decode)
    propose(cut, **options)
    for path in sorted(p.relative_to(whole.root) for p in whole.root.rglob("*.parquet")):
        if path.name not in ("classes.parquet", "images.parquet"):
            assert pq.read_table(cut.root / path).equals(pq.read_table(whole.root / path)), path


def save_classifier(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    torch.save(timm.create_model("test_resnet", num_classes=5).state_dict(), path)
    described = {"architecture": "test_resnet", "input_size": [3, 32, 32], "class_keys": [*HUES, "never seen"]}
    path.with_suffix(".json").write_text(json.dumps(described))
    return path


def test_several_models_decode_each_image_once_and_leave_what_each_would_alone(
    make_coloured: Callable[..., Project], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = [save_classifier(tmp_path / f"{name}.pth", seed) for seed, name in enumerate(("one", "two"))]
    together = make_coloured("together")
    decode, n_decoded = loading.read_image, []

    def counted(*arguments: object) -> Image.Image:
        n_decoded.append(1)
        return decode(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "read_image", counted)
    summary = propose(together, checkpoint=checkpoints, precision="bfloat16", **CPU)
    assert len(n_decoded) == 2 * 24  # once for the run, once for the sample on which it is compared with float32
    assert summary.models == ("one", "two")
    for checkpoint in checkpoints:
        alone = make_coloured(f"alone_{checkpoint.stem}")
        propose(alone, checkpoint=checkpoint, precision="bfloat16", **CPU)
        tables = [pq.read_table(predictions_path(project, checkpoint.stem)) for project in (together, alone)]
        assert tables[0].equals(tables[1])
    assert set(np.unique(ProposalReader(together.proposals_path).as_arrays().model)) == {0, 1}
    assert propose_summary(together).models == ("one", "two")
    with pytest.raises(MlfError, match="share a name"):
        propose(make_coloured("twice"), checkpoint=[checkpoints[0], checkpoints[0]], **CPU)


def random_candidates(generator: np.random.Generator, n_images: int, n_classes: int, k: int) -> Candidates:
    classes = np.argsort(generator.random((n_images, n_classes)), axis=1)[:, :k].astype(np.int32)
    score = -np.sort(-generator.random((n_images, k)).astype(np.float32), axis=1)
    is_short = (np.arange(k) >= k - 1) & (np.arange(n_images) % 3 == 0)[:, None]
    classes[is_short], score[is_short] = -1, np.nan
    return Candidates(classes, score, generator.integers(0, 5, classes.shape).astype(np.int8))


@pytest.mark.parametrize("merge", ["score", "rank"])
def test_candidates_merge_as_reading_them_one_by_one_would(merge: str) -> None:
    generator = np.random.default_rng(0)
    methods = [random_candidates(generator, 20, 9, 6) for _ in range(3)]
    no_labels = np.full(20, -1)
    found = merge_candidates(methods, 5, merge, no_labels)  # type: ignore[arg-type]
    for image in range(20):
        best: dict[int, list[tuple[float, int, int]]] = {}
        for number, method in enumerate(methods):
            for rank, label in enumerate(method.class_index[image].tolist()):
                if label >= 0:
                    loud = float(method.score[image, rank]) if merge == "score" else -float(rank)
                    best.setdefault(label, []).append((loud, -number, int(method.view[image, rank])))
        if merge == "score":
            value = {label: max(said)[0] for label, said in best.items()}
        else:
            value = {label: sum(1 / (61 - loud) for loud, _, _ in said) for label, said in best.items()}
        expected = sorted(best, key=lambda label: (-round(value[label], 6), label))[:5]
        assert found.class_index[image].tolist() == expected
        for place, label in enumerate(expected):
            _, number, view = max(best[label])
            assert (found.source[image, place], found.view[image, place]) == (-number, view)


def test_a_method_that_is_too_sure_is_calibrated_on_the_original_labels() -> None:
    generator = np.random.default_rng(1)
    n = 4000
    logit = generator.normal(0, 2, n)
    applies = generator.random(n) < 1 / (1 + np.exp(-(0.5 * logit - 1)))
    candidates = Candidates(
        np.zeros((n, 1), np.int32), (1 / (1 + np.exp(-logit))).astype(np.float32)[:, None], np.zeros((n, 1), np.int8)
    )
    original = np.where(applies, 0, 1)
    found = calibrate(candidates, original)
    peer = LogisticRegression(C=np.inf).fit(logit[:, None], applies)
    assert found.slope == pytest.approx(peer.coef_[0, 0], abs=0.01)
    assert found.intercept == pytest.approx(peer.intercept_[0], abs=0.01)
    assert calibrate(candidates, np.full(n, -1)).slope == 1
    assert calibrate(candidates, np.where(logit > 0, 1, 0)).slope == 1, "scores that point the wrong way are left alone"


def test_the_light_head_is_logistic_regression() -> None:
    generator = np.random.default_rng(2)
    features = generator.normal(size=(90, 6)).astype(np.float32)
    labels = np.array([3, 5, 9])[np.argmax(features[:, :3] + generator.normal(size=(90, 3)), axis=1)]
    head = train_head(features, labels)
    peer = LogisticRegression(C=10, tol=1e-8, max_iter=10_000).fit(features, labels)
    assert head.classes.tolist() == [3, 5, 9]
    np.testing.assert_allclose(head.probabilities(features), peer.predict_proba(features), atol=2e-3)
    only = train_head(features[:4], np.array([7, 7, 7, 7]))
    assert (only.classes.tolist(), only.probabilities(features).tolist()) == ([7], [[1.0]] * 90)


def test_several_checkpoints_of_one_architecture_are_several_models(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.pth" for name in ("one", "two", "three")]
    for path in paths:
        torch.save({"weight": torch.zeros(1)}, path)
    requests = requests_of_models(["resnet18"], paths, "classifier")
    assert [(r.source.architecture, r.source.checkpoint) for r in requests] == [("resnet18", path) for path in paths]
    (tmp_path / "two.json").write_text('{"architecture": "vit_tiny_patch16_224"}')
    requests = requests_of_models(["resnet18"], paths, "classifier")
    assert [r.source.architecture for r in requests] == ["resnet18", None, "resnet18"]
