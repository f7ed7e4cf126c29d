"""`mlf aggregate` with models as evidence: names paired, provenance kept, and what cannot be used refused by name."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from command_line import run_mlf

from pipeline.project.label_space import load_label_space

N_IMAGES, KEYS = 60, ["apple", "bowl", "cup", "dice", "egg"]


@pytest.fixture
def files(tmp_path):
    """Write votes of two people, a manifest, two models' rankings and the label space."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, len(KEYS), N_IMAGES)
    names = [f"photo_{i}.jpg" for i in range(N_IMAGES)]
    rows = []
    for image in range(N_IMAGES - 5):
        for class_index in {int(truth[image]), (int(truth[image]) + 1) % 5, (int(truth[image]) + 2) % 5}:
            for person in ("ada", "ben"):
                is_right = rng.random() < 0.85
                word = "yes" if (class_index == truth[image]) == is_right else "no"
                rows.append((names[image], KEYS[class_index], person, word))
    pd.DataFrame(rows, columns=["image", "class", "annotator", "vote"]).to_csv(tmp_path / "votes.csv", index=False)
    pd.DataFrame({"image": names, "label": [KEYS[i] for i in truth]}).to_csv(tmp_path / "images.csv", index=False)
    pd.DataFrame({"index": range(len(KEYS)), "key": KEYS}).to_csv(tmp_path / "classes.csv", index=False)
    good = np.stack([truth, (truth + 3) % 5, (truth + 1) % 5], axis=1).astype(np.int16)
    np.savez(tmp_path / "models.npz", good=good, other=good[:, ::-1])
    return tmp_path


def aggregate(folder, *options, expect=0):
    return run_mlf("aggregate", folder / "votes.csv", "--out", folder / "out", *options, code=expect)


def with_models(folder):
    return (
        "--images",
        folder / "images.csv",
        "--predictions",
        folder / "models.npz",
        "--classes",
        folder / "classes.csv",
    )


def provenance(folder):
    return json.loads((folder / "out" / "provenance.json").read_text())


def test_the_models_that_gave_evidence_stand_in_the_provenance(files):
    output = aggregate(files, *with_models(files))
    assert "Evidence comes from 2 models" in output
    assert "55 of 55 images are named in images.csv" in output
    found = provenance(files)
    assert found["evidence_models"] == ["good", "other"]
    assert found["uses_original_label"] is True
    assert found["aim"] == "f1"
    aggregate(files, *with_models(files), "--leave-out-model", "good", "--evidence", "rank")
    assert provenance(files)["evidence_models"] == ["other"]
    assert provenance(files)["uses_original_label"] is False
    aggregate(files)
    assert provenance(files)["evidence_models"] == []


def test_what_nobody_was_asked_about_is_suggested_and_never_a_label(files):
    aggregate(files, *with_models(files))
    suggestions = pd.read_csv(files / "out" / "suggestions.csv")
    labels = pd.read_parquet(files / "out" / "labels.parquet")
    pairs = set(zip(labels["image"], labels["class"], strict=True))
    assert not pairs & set(zip(suggestions["image"], suggestions["class"], strict=True))
    assert set(suggestions["image"]) <= {f"photo_{i}.jpg" for i in range(N_IMAGES)}


def test_the_order_of_the_manifest_and_the_endings_of_names_do_not_matter(files):
    aggregate(files, *with_models(files))
    expected = pd.read_parquet(files / "out" / "labels.parquet")
    order = np.random.default_rng(5).permutation(N_IMAGES)
    table = pd.read_csv(files / "images.csv").iloc[order]
    table["image"] = table["image"].str.removesuffix(".jpg")
    table.to_csv(files / "images.csv", index=False)
    with np.load(files / "models.npz") as models:
        shuffled = {name: models[name][order] for name in models.files}
    np.savez(files / "models.npz", **shuffled)
    aggregate(files, *with_models(files))
    pd.testing.assert_frame_equal(pd.read_parquet(files / "out" / "labels.parquet"), expected)


def test_an_annotator_can_be_left_out(files):
    output = aggregate(files, "--leave-out", "ben")
    assert "165 votes of 1 annotator on" in output
    assert "Left out: the votes of ben" in output
    assert "bert" in aggregate(files, "--leave-out", "bert", expect=2)
    assert "leaves no votes" in aggregate(files, "--leave-out", "ada,ben", expect=2)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (lambda f: ("--predictions", f / "models.npz"), "--images"),
        (lambda _: ("--leave-out-model", "good"), "--predictions"),
        (lambda f: (*with_models(f), "--leave-out-model", "best"), "best"),
        (lambda f: (*with_models(f), "--leave-out-model", "good,other"), "every model"),
        (lambda f: (*with_models(f), "--evidence", "colour"), "colour"),
        (lambda f: (*with_models(f), "--original", f / "images.csv"), "--original"),
        (lambda f: (*with_models(f), "--aim", "beyer2020"), "beyer2020"),
        (lambda f: ("--images", f / "images.csv"), "'apple'"),
        (lambda _: ("--aim", "f1", "--threshold", "0.5"), "give one"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(files, options, named):
    output = aggregate(files, *options(files), expect=2)
    assert output.startswith("Error: ")
    assert named in output


def test_a_manifest_of_other_images_is_refused_with_both_first_names(files):
    table = pd.read_csv(files / "images.csv")
    table["image"] = [f"scene_{i}.jpg" for i in range(N_IMAGES)]
    table.to_csv(files / "images.csv", index=False)
    output = aggregate(files, *with_models(files), expect=2)
    assert "scene_0.jpg" in output
    assert "photo_0.jpg" in output


def test_imagenet_is_read_from_timms_files_as_timm_reads_it():
    from timm.data import ImageNetInfo

    info, space = ImageNetInfo("imagenet-1k"), load_label_space("imagenet-1k")
    assert list(space.keys) == info.label_names()
    for entry in (space[0], space[370], space[999]):
        lemmas, definition = info.label_name_to_description(entry.key, detailed=True).split(": ", 1)
        assert [entry.name, *entry.synonyms] == [lemma.strip() for lemma in lemmas.split(",")]
        assert entry.definition == definition


def test_known_answers_recalibrate_the_posteriors_and_where_there_are_none_that_is_said(files):
    assert "nothing is known to check it by" in aggregate(files)
    assert provenance(files)["calibrated_on"] == 0
    rows = pd.read_csv(files / "votes.csv")[["image", "class"]].drop_duplicates()
    truth = pd.read_csv(files / "images.csv").set_index("image")["label"]
    known = rows[rows["image"].isin([f"photo_{i}.jpg" for i in range(20)])]
    answers = known.assign(label=np.where(truth.loc[known["image"]].to_numpy() == known["class"], "yes", "no"))
    answers.to_csv(files / "gold.csv", index=False)
    output = aggregate(files, "--gold", files / "gold.csv")
    assert f"recalibrated on {len(answers)} known labels" in output
    assert provenance(files)["calibrated_on"] == len(answers)
    table = pd.read_csv(files / "out" / "reliability.csv")
    assert table.groupby("posterior")["n_items"].sum().to_dict() == {"before": len(answers), "after": len(answers)}
    labels = pd.read_parquet(files / "out" / "labels.parquet").merge(answers, on=["image", "class"])
    assert (labels["label_x"] == (labels["label_y"] == "yes")).all()


def test_a_correlation_is_given_beforehand_or_learnt_from_gold(files):
    plain = aggregate(files)
    careful = aggregate(files, "--correlation", 0.8)
    expected = [float(said.split("Expected: F1 ")[1][:5]) for said in (plain, careful)]
    assert expected[1] < expected[0]
    assert "correlated by 0.8" in careful
    assert "by one half" not in careful
    (files / "gold.csv").write_text("image,class\nphoto_1.jpg,apple\n")
    assert "leave --correlation out" in aggregate(files, "--gold", files / "gold.csv", "--correlation", 0.8, expect=2)
    assert "between 0 and 1" in aggregate(files, "--correlation", 1.8, expect=2)


def test_where_each_label_has_one_vote_no_quality_is_claimed(files):
    output = aggregate(files, "--leave-out", "ben")
    assert "Expected: F1 unknown; each label has one vote" in output


def test_a_precision_that_no_label_reaches_is_said(files):
    output = aggregate(files, "--aim", "precision 1")
    assert "0 labels kept" in output
    surest = pd.read_parquet(files / "out" / "labels.parquet")["posterior"].max()
    assert f"the surest has a posterior of {surest:.6g}" in output


def test_where_everybody_says_no_the_careful_figure_follows_the_convention_of_the_other(files):
    votes = pd.read_csv(files / "votes.csv").assign(vote="no")
    votes.to_csv(files / "votes.csv", index=False)
    output = aggregate(files)
    assert "0 labels kept" in output
    expected = float(output.split("Expected: F1 ")[1][:5])
    careful = float(output.split("are not in it: ")[1][:5])
    assert 0 < careful <= expected
