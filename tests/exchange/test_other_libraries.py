"""The other tools' own libraries read what we wrote, and read others' files as we do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import run_mlf
from PIL import Image
from toy_projects import Toys

from pipeline.formats.votes_in import read_votes
from pipeline.images.decoding import read_image
from pipeline.project.folder import Project


def sets_of(truth: list[dict]) -> dict[str, list[str]]:
    return {line["image"]: [x["class"] for x in line["labels"]] for line in truth if line["labels"] is not None}


def test_datasets_loads_the_folder_with_its_classes_and_turns_images_as_we_do(
    worked: Toys, truth: list[dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    folder = tmp_path / "hf"
    run_mlf("export", worked.project.root, "--format", "hugging-face", "--out", folder)
    first = min((folder / "scenes").iterdir())
    lying = Image.open(first).convert("RGB")
    lying.paste((255, 0, 0), (0, 0, 8, 8))
    first.unlink()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    lying.save(first, exif=exif, quality=95)
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"]
    names = loaded.features["labels"].feature.names
    assert tuple(names) == worked.project.label_space.keys
    assert {row["image_id"]: [names[i] for i in row["labels"]] for row in loaded} == sets_of(truth)
    shown = {row["image_id"]: sorted(names[i] for i in row["shown"]) for row in loaded}
    assert shown == {
        line["image"]: sorted({c for each in line["votes"] for c in each["shown"]}) for line in truth if line["labels"]
    }
    turned = next(row["image"] for row in loaded if row["image_id"] == f"scenes/{first.name}")
    assert turned.size == lying.size[::-1]
    assert np.array_equal(np.asarray(turned), np.asarray(read_image(str(first))))


def test_parquet_of_datasets_is_read_by_its_class_names(worked: Toys, receiving: Project, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    label = datasets.ClassLabel(names=["hat", "mug", "key"])
    features = datasets.Features({"image": datasets.Value("string"), "labels": datasets.List(label)})
    rows = {"image": ["0000.jpg", "0001.jpg"], "labels": [[1, 0], [2]]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "data.parquet")
    run_mlf("import", receiving.root, tmp_path / "data.parquet", "--format", "hugging-face")
    run_mlf("export", receiving.root, "--format", "jsonl", "--out", tmp_path / "all.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert sets_of(lines) == {"scenes/0000.jpg": ["mug", "hat"], "scenes/0001.jpg": ["key"]}


def test_mlcroissant_reads_every_label(worked: Toys, truth: list[dict], tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    run_mlf("export", worked.project.root, "--format", "croissant", "--out", tmp_path / "cr")
    dataset = mlcroissant.Dataset(jsonld=str(tmp_path / "cr" / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    rows = [(row["labels/image"], row["labels/class"]) for row in dataset.records("labels")]
    labels = {(image.decode(), name.decode()) for image, name in rows if isinstance(name, bytes)}
    assert labels == {(image, name) for image, names in sets_of(truth).items() for name in names}


def test_pycocotools_and_we_find_the_same_images_of_each_class(receiving: Project, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    generator = np.random.default_rng(4)
    categories = [{"id": 10 * i + 1, "name": name} for i, name in enumerate(receiving.label_space.keys)]
    annotations = [
        {"id": i + 1, "image_id": int(image), "category_id": categories[int(name)]["id"], "iscrowd": int(crowd),
         "bbox": [0, 0, 5, 5], "area": 25, "segmentation": []}
        for i, (image, name, crowd) in enumerate(generator.integers([20, 0, 0], [44, 56, 2], (90, 3)))
    ]  # fmt: skip
    images = [{"id": 20 + i, "file_name": f"{i:04d}.jpg", "width": 9, "height": 9} for i in range(24)]
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    run_mlf("import", receiving.root, path, "--format", "coco")
    run_mlf("export", receiving.root, "--format", "jsonl", "--out", tmp_path / "all.jsonl")
    ours = sets_of([json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()])
    theirs = coco.COCO(str(path))
    for category in categories:
        found = {f"scenes/{i - 20:04d}.jpg" for i in theirs.getImgIds(catIds=[category["id"]])}
        assert found == {image for image, names in ours.items() if category["name"] in names}


def test_cleanlab_takes_the_votes_on_a_class_and_missing_stays_missing(
    worked: Toys, truth: list[dict], tmp_path: Path
) -> None:
    multiannotator = pytest.importorskip("cleanlab.multiannotator")
    path = tmp_path / "votes.parquet"
    told = run_mlf("export", worked.project.root, "--format", "cleanlab", "--out", path)
    assert "unsure votes are missing there" in told
    table = pd.read_parquet(path)
    expected: dict[tuple[str, str, str], int] = {}
    for line in truth:
        for each in line["votes"]:
            for name, vote in each["votes"].items():
                if vote != "unsure":
                    expected[name, line["image"], each["annotator"]] = int(vote == "yes")
    long = table.melt(["class", "image"], var_name="who", value_name="vote").dropna()
    assert dict(zip(zip(long["class"], long["image"], long["who"], strict=True), long["vote"], strict=True)) == expected
    biggest = table["class"].value_counts().index[0]
    of_class = table[table["class"] == biggest].drop(columns=["class", "image"]).dropna(axis=1, how="all")
    majority = multiannotator.get_majority_vote_label(of_class.astype(float).reset_index(drop=True), verbose=False)
    assert set(np.unique(majority)) <= {0, 1}


def test_crowd_kit_aggregates_the_votes(worked: Toys, truth: list[dict], tmp_path: Path) -> None:
    aggregation = pytest.importorskip("crowdkit.aggregation")
    run_mlf("export", worked.project.root, "--format", "crowd-kit", "--out", tmp_path / "votes.csv")
    table = pd.read_csv(tmp_path / "votes.csv")
    assert len(table) == sum(len(each["votes"]) for line in truth for each in line["votes"])
    result = aggregation.MajorityVote().fit_predict(table[["task", "worker", "label"]])
    counts = table.groupby(["task", "label"]).size().unstack(fill_value=0)
    clear = counts[counts.eq(counts.max(axis=1), axis=0).sum(axis=1) == 1]
    assert (clear.idxmax(axis=1) == result[clear.index]).all()


def test_a_spreadsheet_runs_no_cell_as_a_formula(worked: Toys, tmp_path: Path) -> None:
    run_mlf("export", worked.project.root, "--table", "votes", "--out", tmp_path / "votes.csv")
    read = pd.read_csv(tmp_path / "votes.csv")
    comments = read["comment"].dropna()
    assert len(comments) > 2
    assert comments.str.startswith("'=SUM").all()


def test_a_table_of_votes_is_what_analyze_reads(worked: Toys, truth: list[dict], tmp_path: Path) -> None:
    run_mlf("export", worked.project.root, "--table", "votes", "--out", tmp_path / "votes.csv")
    votes = read_votes(tmp_path / "votes.csv")
    assert votes.n_votes == sum(len(each["votes"]) for line in truth for each in line["votes"])


def test_columns_can_be_chosen_and_labels_carry_posterior_source_votes_and_exposure(
    worked: Toys, truth: list[dict], tmp_path: Path
) -> None:
    chosen = "image,class,source,posterior,n_yes,n_no,yes,shown"
    run_mlf(
        "export", worked.project.root, "--out", tmp_path / "labels.parquet", "--format", "parquet", "--columns", chosen
    )
    table = pd.read_parquet(tmp_path / "labels.parquet")
    assert list(table) == chosen.split(",")
    named = table.dropna(subset=["class"])
    assert named["posterior"].between(0, 1).all()
    for row in named.itertuples():
        line = next(each for each in truth if each["image"] == row.image)
        voters = [each["annotator"] for each in line["votes"] if each["votes"].get(row[2]) == "yes"]
        assert (row.yes or "").split(";") == (list(dict.fromkeys(voters)) or [""])
        assert set(row.shown.split(";")) == {name for each in line["votes"] for name in each["shown"]}
    told = run_mlf("export", worked.project.root, "--columns", "posteriors", code=2)
    assert "did you mean 'posterior'?" in told


def test_the_torch_data_set_masks_what_nobody_was_shown(worked: Toys, truth: list[dict], tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from pipeline.inference.label_tensors import LabelledImages

    run_mlf("export", worked.project.root, "--format", "numpy", "--out", tmp_path / "labels.npz")
    data = LabelledImages(tmp_path / "labels.npz", worked.project.images_root)
    decided = [line for line in truth if line["labels"] is not None]
    assert data.images == [line["image"] for line in decided]
    for place, line in enumerate(decided):
        image, tensors = data[place]
        target = {name: tensor.tolist() for name, tensor in tensors.items()}
        shown = {name for each in line["votes"] for name in each["shown"]}
        for number, name in enumerate(data.classes):
            votes = [each["votes"].get(name) for each in line["votes"]]
            applies = any(label["class"] == name for label in line["labels"])
            assert target["labels"][number] == applies
            assert target["known"][number] == (applies or name in shown)
            assert target["exposed"][number] == (name in shown)
            assert [target[word][number] for word in ("yes", "no", "unsure")] == [
                votes.count(word) for word in ("yes", "no", "unsure")
            ]
        assert image.size == read_image(f"{worked.project.images_root}/{line['path']}").size
    [batch] = torch.utils.data.DataLoader(LabelledImages(tmp_path / "labels.npz"), batch_size=len(decided))
    assert batch[1]["labels"].shape == (len(decided), 56)
