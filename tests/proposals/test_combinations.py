"""Methods of every kind at once: models, examples, files from elsewhere; merged, learned, and cut to a promise."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from cutting import expect_same_tables, is_cut_off

from pipeline.datasets.records import read_skipped
from pipeline.errors import DatasetError, ProjectError
from pipeline.inference.predictions import predictions_path, read_model_predictions
from pipeline.project.folder import Project
from pipeline.proposals.fusion import merge_proposals_by_rank
from pipeline.proposals.learned import TOGETHER
from pipeline.proposals.methods.seam import read_candidates
from pipeline.proposals.reader import ProposalReader
from pipeline.stages.merged_proposals import MERGE_FILE
from pipeline.stages.propose import propose

CPU = {"device": "cpu", "n_workers": 0}
N_IMAGES, N_CLASSES = 24, 30


def tsv(path: Path, project: Project, seed: int = 3, n_lines: int = N_IMAGES) -> Path:
    """Write a table in the published form: four classes an image, in no order of their probabilities."""
    generator = np.random.default_rng(seed)
    lines = []
    for name in pq.read_table(project.images_path)["image_id"].to_pylist()[:n_lines]:
        classes = generator.choice(N_CLASSES, 4, replace=False)
        scores = generator.random(4)
        lines.append(
            f"{name}\t{Path(name).stem}\t{','.join(map(str, classes))}\t{','.join(f'{s:.4f}' for s in scores)}"
        )
    path.write_text("\n".join(lines[::-1]) + "\n")
    return path


def npz(path: Path, seed: int = 4, **names: int) -> Path:
    generator = np.random.default_rng(seed)
    arrays = {
        name: np.argsort(generator.random((N_IMAGES, N_CLASSES)), axis=1)[:, :k].astype(np.int16)
        for name, k in names.items()
    }
    np.savez(path, **arrays)
    return path


def settled(path: Path, project: Project, n_images: int = 20, n_empty: int = 0) -> Path:
    """Write labels for the first images: each its own class, and the next one for every other image."""
    ids = pq.read_table(project.images_path)["image_id"].to_pylist()
    keys = project.label_space.keys
    labels = {
        ids[i]: [] if i < n_empty else [keys[i % N_CLASSES]] + [keys[(i + 1) % N_CLASSES]] * (i % 2)
        for i in range(n_images)
    }
    path.write_text(json.dumps(labels))
    return path


def test_a_table_of_lists_is_paired_by_name_and_keeps_its_probabilities(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(n_proposals=3)
    path = tsv(tmp_path / "lists.tsv", project, n_lines=20)
    with path.open("a") as file:
        file.write("elsewhere/99.png\t0\t1\t0.5\nclass_23/23.png\t23\t1,x\t0.5,0.5\n")
    summary = propose(project, from_predictions=path, **CPU)
    assert summary.models == ("lists",)
    assert (summary.n_images, summary.n_with_proposals) == (24, 20)
    said = "\n".join(summary.notes)
    assert "lists.tsv: 1 lines cannot be used; the first: line 22, idx_list has 'x'" in said
    assert "1 lines name no image of the project" in said
    assert "4 images of the project are not in it" in said
    assert [row.reason for row in read_skipped(project.skipped_path)] == [
        "while proposing: lists.tsv, line 22: idx_list has 'x', which is no class index"
    ]
    written = {line.split("\t")[0]: line.split("\t")[2:] for line in path.read_text().splitlines()}
    kept = read_model_predictions(predictions_path(project, "lists"))
    for index, name in enumerate(pq.read_table(project.images_path)["image_id"].to_pylist()[:20]):
        classes, scores = (list(map(float, cell.split(","))) for cell in written[name])
        order = np.argsort(-np.array(scores), kind="stable")
        assert kept.class_index[index].tolist() == [int(classes[place]) for place in order]
        np.testing.assert_allclose(kept.score[index], np.array(scores, dtype=np.float32)[order])
    proposed = ProposalReader(project.proposals_path).as_arrays()
    np.testing.assert_array_equal(proposed.class_index[:20], kept.class_index[:20, :3])


def test_a_table_that_numbers_classes_otherwise_or_names_an_image_twice_is_refused(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project()
    path = tsv(tmp_path / "lists.tsv", project)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[0]]))
    with pytest.raises(DatasetError, match=r"lists.tsv, line 25: names 'class_23/23.png', which line 1 names, too"):
        propose(project, from_predictions=path, **CPU)
    shifted = [line.split("\t") for line in lines]
    path.write_text("\n".join("\t".join([name, str(int(gt) + 1), *rest]) for name, gt, *rest in shifted))
    with pytest.raises(DatasetError, match=r"column gt_index: its classes seem to be one higher"):
        propose(project, from_predictions=path, **CPU)
    path.write_text("other.png\t0\t1\t0.5\n")
    with pytest.raises(DatasetError, match=r"line 1: names 'other.png', and no line names an image"):
        propose(project, from_predictions=path, **CPU)
    path.write_text("class_00/0.png\t0\t1\t5\n")
    with pytest.raises(DatasetError, match=r"line 1: prob_list has 5, .*none of 1 lines can be used"):
        propose(project, from_predictions=path, **CPU)
    with pytest.raises(DatasetError, match=r"leave out --order"):
        propose(project, from_predictions=tsv(path, project), order="natural", **CPU)
    assert not project.proposals_path.exists()


@pytest.mark.parametrize("written", ["{stem}.JPEG", "train/{folder}/{stem}.png", "{stem}", "{folder}\\{stem}.png"])
def test_images_are_found_however_their_names_are_shortened(
    written: str, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project()
    ids = [Path(name) for name in pq.read_table(project.images_path)["image_id"].to_pylist()]
    names = [written.format(stem=path.stem, folder=path.parent.name) for path in ids]
    path = tmp_path / "lists.tsv"
    path.write_text("".join(f"{name}\t\t{index}\t0.5\n" for index, name in enumerate(names)))
    propose(project, from_predictions=path, **CPU)
    assert ProposalReader(project.proposals_path).as_arrays().class_index[:, 0].tolist() == list(range(N_IMAGES))


def test_models_examples_and_files_are_merged_and_each_proposal_names_its_method(
    make_project: Callable[..., Project], checkpoint: Path, tmp_path: Path
) -> None:
    project = make_project(n_proposals=12)
    files = [tsv(tmp_path / "lists.tsv", project), npz(tmp_path / "two.npz", first=5, second=7)]
    summary = propose(
        project, checkpoint=checkpoint, methods=[f"examples:{checkpoint}"], from_predictions=files, views=1, **CPU
    )
    names = ("small", "small.examples", "lists", "first", "second")
    assert summary.models == names
    found = ProposalReader(project.proposals_path).as_arrays()
    assert set(np.unique(found.model)) >= {0, 1, 2, 3, 4}
    alone = {name: read_model_predictions(predictions_path(project, name)).class_index for name in names[2:]}
    alone["small"] = read_model_predictions(predictions_path(project, "small")).class_index
    (by_examples,) = project.candidates_dir.glob("small.examples*")
    alone["small.examples"] = read_candidates(by_examples, project.current_classes).class_index
    expected = merge_proposals_by_rank({name: alone[name] for name in names}, 12)
    np.testing.assert_array_equal(found.class_index, expected.class_index)
    np.testing.assert_array_equal(found.model, expected.source)
    again = propose(
        project, checkpoint=checkpoint, methods=[f"examples:{checkpoint}"], from_predictions=files, views=1, **CPU
    )
    assert again.models == names
    with pytest.raises(ProjectError, match="first has ranks and no scores, so that it cannot be merged by score"):
        propose(make_project(name="other"), checkpoint=checkpoint, from_predictions=files, merge="score", **CPU)
    with pytest.raises(ProjectError, match="share a name, first"):
        propose(make_project(name="twice"), from_predictions=[files[1], npz(tmp_path / "b.npz", first=3)], **CPU)


def test_a_learned_merge_trusts_whom_the_labels_support_and_serves_another_project(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(n_proposals=5)
    right = np.array([[i % N_CLASSES, (i + 7) % N_CLASSES] for i in range(N_IMAGES)])
    generator = np.random.default_rng(0)
    noise = {f"noise{n}": np.argsort(generator.random((N_IMAGES, N_CLASSES)), axis=1)[:, :2] for n in range(4)}
    np.savez(tmp_path / "models.npz", right=right, **noise)
    files = {"from_predictions": tmp_path / "models.npz", "merge": "learned", **CPU}
    with pytest.raises(ProjectError, match=r"nothing is settled yet; run `mlf settle` first, or give --settled FILE"):
        propose(project, **files)
    labels = settled(tmp_path / "settled.json", project)
    summary = propose(project, settled=labels, **files)
    assert summary.models == ("right", *noise, TOGETHER)
    assert any(
        "learned from 20 images with settled labels; it is kept in learned_merge.json" in note for note in summary.notes
    )
    found = ProposalReader(project.proposals_path).as_arrays()
    own = np.arange(N_IMAGES) % N_CLASSES
    assert (found.class_index[:, 0] == own).mean() > 0.9
    other = make_project(name="other", n_proposals=5)
    np.savez(tmp_path / "one.npz", right=right)
    one = {**files, "from_predictions": tmp_path / "one.npz", "settled": project.root / MERGE_FILE}
    with pytest.raises(DatasetError, match=r"learned for the methods noise0, .*, and this run has right"):
        propose(other, **one)
    told = propose(other, settled=project.root / MERGE_FILE, **files)
    assert any("learned elsewhere or before" in note for note in told.notes)
    elsewhere = ProposalReader(other.proposals_path).as_arrays()
    np.testing.assert_array_equal(elsewhere.class_index[20:], found.class_index[20:], "images that nothing is known of")
    broken = tmp_path / "broken.json"
    broken.write_text((project.root / MERGE_FILE).read_text()[:300])
    with pytest.raises(DatasetError, match=r"broken.json: cannot be read as a learned merge"):
        propose(other, settled=broken, restart=True, **files)
    assert (ProposalReader(other.proposals_path).as_arrays().class_index == elsewhere.class_index).all()


def test_proposals_are_cut_to_what_a_promise_needs(make_project: Callable[..., Project], tmp_path: Path) -> None:
    project = make_project(n_proposals=6)
    own = np.arange(N_IMAGES)[:, None]
    np.savez(tmp_path / "m.npz", m=(own + np.array([0, 1, 5, 6, 7, 8])) % N_CLASSES)
    labels = settled(tmp_path / "settled.json", project, n_images=24, n_empty=4)
    options = {"from_predictions": tmp_path / "m.npz", "settled": labels, **CPU}
    summary = propose(project, miss=0.1, **options)
    found = ProposalReader(project.proposals_path).as_arrays().class_index
    assert (found >= 0).sum(axis=1).tolist() == [2] * N_IMAGES, "two hold every label, one misses a quarter of them"
    said = " ".join(summary.notes)
    assert "1 to 6 proposals an image, 2.0 in the mean: on images like the 24 settled ones (4 of them" in said
    assert "of labels that somebody could find" in said
    propose(project, miss=0.1, at_least=3, restart=True, **options)
    assert ((ProposalReader(project.proposals_path).as_arrays().class_index >= 0).sum(axis=1) == 3).all()
    for wrong, message in (
        ({"miss": 0.1, "at_most": 1}, "even 1 proposals an image miss more"),
        ({"miss": 0.01}, "these are too few to promise it"),
        ({"miss": 1.5}, "--miss 1.5: a share"),
        ({"miss": 0.1, "at_least": 4, "at_most": 3}, "--at-least 4 and --at-most 3"),
        ({"at_least": 3}, "give --miss RATE, too"),
        ({}, "--settled is what --merge learned learns from and --miss promises on: give one"),
        ({"miss": 0.1, "settled": tmp_path / "absent.json"}, "absent.json: no such file of settled labels"),
    ):
        with pytest.raises((ProjectError, DatasetError), match=message):
            propose(project, restart=True, **{**options, **wrong})


@pytest.mark.parametrize("seed", range(3))
def test_a_combined_run_that_is_cut_off_anywhere_ends_in_the_same_tables(
    seed: int,
    make_project: Callable[..., Project],
    checkpoint: Path,
    tmp_path: Path,
) -> None:
    """Cut off while decoding or while writing any file, at places drawn by the seed; then the same command again."""
    whole, cut = (make_project(name=name, n_proposals=8) for name in ("whole", "cut"))
    options = {
        "checkpoint": checkpoint, "methods": [f"examples:{checkpoint}"], "merge": "learned", "views": 5, "miss": 0.95,
        "from_predictions": [tsv(tmp_path / "lists.tsv", whole), npz(tmp_path / "two.npz", first=5, second=7)],
        "settled": settled(tmp_path / "settled.json", whole), "batch_size": 20, **CPU,
    }  # fmt: skip
    propose(whole, **options)
    draw = random.Random(seed)
    n_cut = sum(is_cut_off(lambda: propose(cut, **options), draw.randrange(1, 30)) for _ in range(6))
    assert n_cut
    propose(cut, **options)
    expect_same_tables(whole.root, cut.root)
    assert (cut.root / MERGE_FILE).read_text() == (whole.root / MERGE_FILE).read_text()
