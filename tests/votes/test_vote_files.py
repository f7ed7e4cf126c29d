"""Votes as files, and the two commands on them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from pipeline.commands.aggregate import aggregate
from pipeline.commands.disagreement import disagreement
from pipeline.errors import DatasetError
from pipeline.raters import read_final_labels, read_raters, read_scores
from pipeline.vote_tables import read_votes

VOTES = """image,class,annotator,vote
i0,c0,ann,yes
i0,c0,bob,yes
i0,c1,ann,no
i0,c1,bob,Yes
i1,NA,ann,unsure
i1,NA,bob,no
"""


@pytest.fixture
def votes_csv(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text(VOTES)
    return path


def run(command, *arguments):
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_csv_and_parquet_hold_the_same_votes(votes_csv, tmp_path):
    parquet = tmp_path / "votes.parquet"
    pd.read_csv(votes_csv, keep_default_na=False).to_parquet(parquet)
    one, other = read_votes(votes_csv).to_table().astype(str), read_votes(parquet).to_table().astype(str)
    assert one.to_dict("records") == other.to_dict("records")
    assert "NA" in set(one["class"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,class,annotator\ni,c,a\n", r"votes.csv lacks the columns \['vote'\]"),
        ("image,class,annotator,vote\ni,c,a,yes\ni,d,a,perhaps\n", "votes.csv: row 1 has a vote .*'perhaps'"),
        ("image,class,annotator,vote\ni,c,a,\n", "votes.csv: row 0 has a vote"),
        ("image,class,annotator,vote,shown\ni,c,a,yes,sometimes\n", "votes.csv: row 0 has a `shown`"),
        ("", "votes.csv cannot be read as csv"),
    ],
)
def test_a_file_that_holds_no_votes_is_refused_by_name_and_row(tmp_path, text, message):
    path = tmp_path / "votes.csv"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_votes(path)


def test_a_missing_file_and_an_unknown_kind_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        read_votes(tmp_path / "none.csv")
    (tmp_path / "votes.txt").write_text("x")
    with pytest.raises(DatasetError, match=r"neither .csv nor .parquet"):
        read_votes(tmp_path / "votes.txt")


@pytest.mark.parametrize("method", ["majority", "weighted", "dawid-skene"])
def test_aggregate_writes_labels_and_annotators(votes_csv, tmp_path, method):
    result = run(aggregate, votes_csv, "--method", method, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    labels = pd.read_parquet(tmp_path / "out" / "labels.parquet")
    assert list(labels.columns) == ["image", "class", "posterior", "label"]
    assert labels["class"].tolist() == ["c0", "c1", "NA"]
    annotators = pd.read_csv(tmp_path / "out" / "annotators.csv")
    assert annotators["n_votes"].tolist() == [3, 3]


def test_aggregate_keeps_gold_answers_and_its_threshold(votes_csv, tmp_path):
    gold = tmp_path / "gold.csv"
    gold.write_text("image,class,label\ni1,NA,yes\n")
    run(aggregate, votes_csv, "--method", "majority", "--gold", gold, "--threshold", "0.4", "--out", tmp_path / "out")
    labels = pd.read_parquet(tmp_path / "out" / "labels.parquet")
    assert labels["label"].tolist() == [True, True, True]


def test_disagreement_writes_its_tables_and_null_for_what_is_undefined(votes_csv, tmp_path):
    result = run(disagreement, votes_csv, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "differ on 1 of 2 images" in result.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["n_set_disagreements"] == 1
    votes_csv.write_text("image,class,annotator,vote\ni0,c0,ann,yes\n")
    result = run(disagreement, votes_csv, "--out", tmp_path / "alone")
    assert "undefined" in result.output
    assert json.loads((tmp_path / "alone" / "summary.json").read_text())["alpha"] is None


def write_raters(folder):
    info = np.array([["x_00000002.JPEG", "7"], ["x_00000001.JPEG", "3"]])
    tensor = np.zeros((2, 2, 3))
    tensor[0, 0, 2] = tensor[1, 0, 1] = tensor[1, 1, 0] = 1
    np.savez(folder / "raters.npz", tensor=tensor, info=info, ids=np.array([11, 12]))
    np.savez(folder / "scores.npz", tensor=np.array([0.9, 0.1]), info=info)
    (folder / "real.json").write_text("[[], [7, 8]]")


def test_published_files_are_paired_by_file_name(tmp_path):
    write_raters(tmp_path)
    votes = read_raters(tmp_path / "raters.npz")
    assert votes.images.tolist() == ["x_00000001.JPEG", "x_00000002.JPEG"]
    assert votes.item_counts().tolist() == [[1, 0, 0], [0, 1, 1]]
    assert read_scores(tmp_path / "scores.npz", votes).tolist() == [0.1, 0.9]
    assert read_final_labels(tmp_path / "real.json", votes).tolist() == [False, True]


def test_aggregate_reads_the_published_votes_as_they_are(tmp_path):
    write_raters(tmp_path)
    original = tmp_path / "images.csv"
    original.write_text("image,wnid\nx_00000001.JPEG,n01440764\n")
    result = run(aggregate, tmp_path / "raters.npz", "--original", original, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert pd.read_parquet(tmp_path / "out" / "labels.parquet")["class"].tolist() == [3, 7]


def test_a_broken_archive_is_refused(tmp_path):
    (tmp_path / "raters.npz").write_bytes(b"no archive")
    with pytest.raises(DatasetError, match=r"raters\.npz cannot be read"):
        read_raters(tmp_path / "raters.npz")
    np.savez(tmp_path / "part.npz", tensor=np.zeros((1, 1, 3)))
    with pytest.raises(DatasetError, match="lacks the arrays"):
        read_raters(tmp_path / "part.npz")
