"""Predictions for a folder in the order of torchvision or timm, compared with the image lists that they make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from command_line import run_mlf
from PIL import Image

from pipeline.datasets.create import init_project
from pipeline.datasets.folder_order import FolderOrder
from pipeline.errors import DatasetError
from pipeline.project.folder import Project
from pipeline.project.notices import notices_to
from pipeline.proposals.reader import ProposalReader
from pipeline.stages.models_of_project import add_predictions
from pipeline.stages.propose import propose_from_predictions

NAMES = ("1/im2", "1/im10", "2/im1", "2/more/im1", "2/aaa", "10/im1", "10/im2", "10/im3", "11/im1", "Z/im1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for shade, name in enumerate(NAMES):
        path = tmp_path / "images" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), shade * 20).save(path)
    (tmp_path / "images/1/notes.txt").write_text("no image: nobody counts it")
    return tmp_path


def by_torchvision(folder: Path) -> tuple[list[str], list[int], list[str]]:
    datasets = pytest.importorskip("torchvision.datasets", reason="comes with timm")
    listed = datasets.ImageFolder(str(folder / "images"))
    paths = [Path(path).relative_to(folder / "images").as_posix() for path, _ in listed.samples]
    return paths, [label for _, label in listed.samples], listed.classes


def by_timm(folder: Path) -> tuple[list[str], list[int], list[str]]:
    from timm.data.readers.reader_image_folder import find_images_and_targets

    samples, class_to_idx = find_images_and_targets(str(folder / "images"))
    paths = [Path(path).relative_to(folder / "images").as_posix() for path, _ in samples]
    top = [path.split("/")[0] for path in paths]
    classes = [name for name in class_to_idx if name in set(top)]  # timm takes a folder inside a class for a class
    return paths, [classes.index(name) for name in top], classes


def perfect(folder: Path, labels: list[int], n_classes: int) -> Path:
    ranking = [[label, *(c for c in range(n_classes) if c != label)] for label in labels]
    np.savez(folder / "models.npz", model=np.array(ranking))
    return folder / "models.npz"


def first_proposals(project: Project) -> dict[str, str]:
    ids = pq.read_table(project.images_path, columns=["image_id"]).column(0).to_pylist()
    top = ProposalReader(project.proposals_path).as_arrays().class_index[:, 0]
    return {image: project.label_space.keys[index] for image, index in zip(ids, top, strict=True)}


@pytest.mark.parametrize("made_in", ["natural", "torchvision", None])
@pytest.mark.parametrize(("order", "listing"), [("natural", by_timm), ("torchvision", by_torchvision)])
def test_a_perfect_model_is_right_in_either_order(
    folder: Path, made_in: FolderOrder | None, order: FolderOrder, listing: object
) -> None:
    paths, labels, classes = listing(folder)  # type: ignore[operator]
    predictions = perfect(folder, labels, len(classes))
    project = init_project(folder / "p", folder / "images", order=made_in)
    propose_from_predictions(project, predictions, order=order)
    assert first_proposals(project) == {path: path.split("/")[0] for path in paths}


def test_images_lie_as_torchvision_lists_them(folder: Path) -> None:
    paths, _, classes = by_torchvision(folder)
    project = init_project(folder / "p", folder / "images", order="torchvision")
    assert pq.read_table(project.images_path).column("image_id").to_pylist() == paths
    assert list(project.label_space.keys) == classes


def test_nothing_is_taken_in_an_order_that_nobody_gave(folder: Path) -> None:
    _, labels, classes = by_torchvision(folder)
    predictions = perfect(folder, labels, len(classes))
    told: list[str] = []
    with notices_to(told.append):
        project = init_project(folder / "p", folder / "images")
    assert any("1, 10, 11, 2, Z" in line and "--order torchvision" in line for line in told)
    for take in (propose_from_predictions, lambda p, npz: add_predictions(p, predictions=str(npz))):
        with pytest.raises(DatasetError, match=r"--order natural \(timm: .*\) or --order torchvision \(Keras"):
            take(project, predictions)
    assert not project.proposals_path.exists()
    add_predictions(project, predictions=str(predictions), order="torchvision")
    assert [path.stem for path in project.predictions_dir.glob("*.parquet")] == ["model"]


def test_orders_that_agree_need_no_word(tmp_path: Path) -> None:
    for name in ("a/01", "a/02", "b/01"):
        (tmp_path / "images" / name[0]).mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(tmp_path / "images" / f"{name}.jpg")
    told: list[str] = []
    with notices_to(told.append):
        project = init_project(tmp_path / "p", tmp_path / "images")
        propose_from_predictions(project, perfect(tmp_path, [0, 0, 1], 2))
    assert told == []
    assert set(first_proposals(project).values()) == {"a", "b"}


def test_predictions_at_chance_level_are_named_as_what_they_are(tmp_path: Path) -> None:
    """Rows in a different order from the manifest's: no class order explains them, so there is nothing more to say."""
    n_images, n_classes = 400, 8
    labels = np.arange(n_images) * n_classes // n_images
    lines = [f"i{i},{'abcdefgh'[label]}" for i, label in enumerate(labels)]
    (tmp_path / "m.csv").write_text("image,label\n" + "\n".join(lines))
    project = init_project(tmp_path / "p", tmp_path / "m.csv")
    shuffled = np.random.default_rng(0).permutation(labels).tolist()
    told: list[str] = []
    with notices_to(told.append):
        propose_from_predictions(project, perfect(tmp_path, shuffled, n_classes))
    assert any("chance level" in line for line in told)


def test_a_manifest_has_an_order_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("image,label\n10,x\n9,y\n")
    project = init_project(tmp_path / "p", tmp_path / "m.csv")
    with pytest.raises(DatasetError, match="made from a manifest, whose order is its own"):
        propose_from_predictions(project, perfect(tmp_path, [0, 1], 2), order="torchvision")


def test_the_command_takes_the_order_and_knows_no_other(folder: Path) -> None:
    images = ("--images", folder / "images")
    run_mlf("init", folder / "p", *images, "--order", "torchvision")
    assert "natural, torchvision" in run_mlf("init", folder / "q", *images, "--order", "size", code=2)
    assert "--from-predictions" in run_mlf("propose", folder / "p", "--model", "x", "--order", "natural", code=2)
