"""Votes as files, and the two commands on them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commands.aggregate import aggregate
from pipeline.commands.analyze import analyze
from pipeline.errors import DatasetError
from pipeline.formats import votes_in
from pipeline.formats.known_answers import read_gold_answers
from pipeline.formats.real_votes import read_final_labels, read_raters, read_scores
from pipeline.formats.votes_in import read_votes

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


def test_csv_and_parquet_hold_the_same_votes(votes_as_rows, votes_csv, tmp_path):
    parquet = tmp_path / "votes.parquet"
    pd.read_csv(votes_csv, keep_default_na=False).to_parquet(parquet)
    one, other = votes_as_rows(read_votes(votes_csv)), votes_as_rows(read_votes(parquet))
    assert one == other
    assert "NA" in {class_ for _, class_, _, _ in one}


@pytest.mark.parametrize("separator", [";", "\t"])
def test_votes_that_a_spreadsheet_separated_otherwise_are_the_same_votes(votes_as_rows, votes_csv, tmp_path, separator):
    other = tmp_path / "other.csv"
    other.write_text(VOTES.replace(",", separator), encoding="utf-8-sig")
    assert votes_as_rows(read_votes(other)) == votes_as_rows(read_votes(votes_csv))
    gold = tmp_path / "gold.csv"
    gold.write_text(f"image{separator}class{separator}label\ni0{separator}c0{separator}no\n")
    out = tmp_path / "out"
    done = run(aggregate, other, "--gold", gold, "--out", out)
    assert done.exit_code == 0, done.output
    labels = pd.read_parquet(out / "labels.parquet").set_index(["image", "class"])["label"]
    assert not labels["i0", "c0"]
    other.write_text("image;class;who\ni0;c0;ann\n")
    with pytest.raises(
        DatasetError, match=r"lacks the columns \['annotator', 'vote'\]; it has \['image', 'class', 'who'\]"
    ):
        read_votes(other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,class,annotator\ni,c,a\n", r"votes.csv lacks the columns \['vote'\]"),
        ("image,class,annotator,vote\ni,c,a,yes\ni,d,a,perhaps\n", "votes.csv: line 3 has a vote .*\\('perhaps'\\)"),
        ("image,class,annotator,vote\ni,c,a,\n", r"votes.csv: line 2 has a vote .*\(an empty cell\)"),
        (
            "image,class,annotator,vote,shown\ni,c,a,yes,sometimes\n",
            r"votes.csv: line 2 has a `shown` .*\('sometimes'\)",
        ),
        ("", "votes.csv cannot be read as csv"),
        ("image,class,annotator,vote\n", "votes.csv holds no votes"),
        ("image,class,annotator,vote,shown\ni,c,a,,false\n", "votes.csv holds no votes"),
        ("image,class,annotator,vote\ni,c\n", "votes.csv: line 2 has no annotator"),
        ("image,class,annotator,vote\n\n\ni,c,a,maybe\n", "votes.csv: line 4 has a vote"),
        ("image,class,annotator,vote\ni,c,a,yes\ni,c,b,yes\ni,c,a,no\n", "votes.csv: line 4: annotator 'a' voted more"),
        ("image,class,annotator,vote,round\ni,c,a,yes,third\n", r"votes.csv: line 2 has a round .*\('third'\)"),
        ("image,class,annotator,vote\ni,c,a,yes,more\n", "votes.csv cannot be read as csv"),
        ("image,class,annotator,vote\ni,c,a,yes\nj,c,a,yes,more\n", "cannot be read as csv: .* line 3"),
        ("image|class|annotator|vote\ni|c|a|yes\n", "lacks the columns"),
    ],
)
def test_a_file_that_holds_no_votes_is_refused_by_name_and_row(tmp_path, text, message):
    path = tmp_path / "votes.csv"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_votes(path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": [["i"], ["j"]]}, "column 'image' holds list"),
        ({"image": ["i", None]}, "row 1 has no image"),
        ({"class": [1.0, float("nan")]}, "row 1 has no class"),
        ({"vote": [2, 0]}, r"row 0 has a vote .*\('2'\)"),
        ({"shown": [True, None]}, "row 1 has a `shown`"),
        ({"image": ["i", "i"]}, "row 1: annotator 'a' voted more than once"),
    ],
)
def test_a_parquet_table_that_holds_no_votes_is_refused_by_row(tmp_path, columns, message):
    path = tmp_path / "votes.parquet"
    good = {"image": ["i", "j"], "class": ["c", "c"], "annotator": ["a", "a"], "vote": ["yes", "no"]}
    pd.DataFrame(good | columns).to_parquet(path)
    with pytest.raises(DatasetError, match=message):
        read_votes(path)


def test_numbers_of_a_parquet_are_names_however_large(tmp_path):
    path = tmp_path / "votes.parquet"
    ids = [10**17, 10**17 + 1]
    pd.DataFrame({"image": ids, "class": [5, 3], "annotator": [9, 9], "vote": ["yes", "no"]}).to_parquet(path)
    votes = read_votes(path)
    assert votes.images.tolist() == [str(number) for number in ids]
    assert votes.item_frame()["class"].tolist() == ["5", "3"]


def test_the_order_of_rows_changes_nothing(votes_as_rows, tmp_path):
    generator = np.random.default_rng(0)
    image, class_, rater = np.unravel_index(generator.permutation(60), (5, 4, 3))
    table = pd.DataFrame({"image": image, "class": class_, "annotator": rater}).astype(str)
    table["vote"] = generator.choice(["no", "unsure", "yes"], 60)
    table.to_csv(tmp_path / "one.csv", index=False)
    table.sort_values("annotator").to_parquet(tmp_path / "other.parquet")
    one, other = read_votes(tmp_path / "one.csv"), read_votes(tmp_path / "other.parquet")
    assert votes_as_rows(one) == votes_as_rows(other)


def test_a_missing_file_and_an_unknown_kind_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        read_votes(tmp_path / "none.csv")
    (tmp_path / "votes.txt").write_text("x")
    with pytest.raises(DatasetError, match=r"neither .csv nor .parquet"):
        read_votes(tmp_path / "votes.txt")


def test_of_formats_with_one_ending_the_one_that_fits_reads(votes_as_rows, votes_csv, tmp_path, monkeypatch):
    def read_backwards(path):
        (tmp_path / "turned.csv").write_text(path.read_text()[::-1])
        return votes_in.read_votes(tmp_path / "turned.csv")

    def is_backwards(path):
        return "etov" in path.read_text()

    backwards = votes_in.VotesFormat((".csv",), "backwards", read_backwards, fits=is_backwards)
    expected = votes_as_rows(read_votes(votes_csv))
    monkeypatch.setattr(votes_in, "FORMATS", (backwards, *votes_in.FORMATS))
    (tmp_path / "backwards.csv").write_text(votes_csv.read_text()[::-1])
    assert votes_as_rows(read_votes(tmp_path / "backwards.csv")) == expected
    assert votes_as_rows(read_votes(votes_csv)) == expected
    monkeypatch.setattr(votes_in, "FORMATS", (backwards,))
    with pytest.raises(DatasetError, match="is no file of votes; give backwards"):
        read_votes(votes_csv)


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


def test_gold_tells_how_many_of_its_rows_were_of_use(votes_csv, tmp_path):
    gold = tmp_path / "gold.csv"
    gold.write_text("image,class,label\ni1,NA,yes\ni9,c0,no\n")
    result = run(aggregate, votes_csv, "--gold", gold, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "1 pair has a known answer" in result.output
    assert "has 1 row besides" in result.output


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("--gold", "image,class,label\ni9,c0,yes\n", "gold.csv: line 2 names image 'i9'"),
        ("--gold", "image,class,label\ni0,c0,perhaps\n", "gold.csv: line 2 has the label 'perhaps'"),
        ("--gold", "image,class,label\ni0,c0,yes\ni0,c0,no\n", "gold.csv: line 3 answers image 'i0', class 'c0' more"),
        ("--gold", "image,class,label\ni0,,yes\n", "gold.csv: line 2 has no class"),
        ("--gold", "image,label\ni0,yes\n", "gold.csv lacks the columns ['class']"),
        ("--gold", "image,class,label\n", "gold.csv holds no answers"),
        ("--original", "image,class\ni9,c0\n", "gold.csv: line 2 names image 'i9'"),
        ("--original", "image,class\ni0,c0\ni0,c1\n", "gold.csv: line 3 gives image 'i0' more than one"),
        ("--threshold", "1.5", "the threshold is 1.5"),
        ("--out", "gold.csv", "results cannot be written there"),
    ],
)
def test_the_shell_says_in_one_line_what_is_wrong_with_which_row_and_exits_with_2(
    votes_csv, tmp_path, option, text, message
):
    path = tmp_path / "gold.csv"
    path.write_text(text)
    value = text if option == "--threshold" else str(path)
    options = ["--out", str(tmp_path / "out"), option, value]
    result = CliRunner().invoke(app, ["aggregate", str(votes_csv), *options])
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_classes_by_number_are_matched_as_numbers_and_others_refused(tmp_path):
    write_raters(tmp_path)
    gold, votes = tmp_path / "gold.csv", tmp_path / "raters.npz"
    gold.write_text("image,class,label\nx_00000002.JPEG,7,no\n")
    result = run(aggregate, votes, "--gold", gold, "--out", tmp_path / "out")
    assert "1 pair has a known answer." in result.output
    for wrong in ("seven", "7.5"):
        gold.write_text(f"image,class,label\nx_00000002.JPEG,{wrong},no\n")
        with pytest.raises(DatasetError, match=rf"line 2 names class '{wrong}'"):
            read_gold_answers(gold, read_votes(votes))


def test_analyze_writes_its_tables_and_null_for_what_is_undefined(votes_csv, tmp_path):
    result = run(analyze, votes_csv, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "differ on 1 of 2 images" in result.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["n_set_disagreements"] == 1
    votes_csv.write_text("image,class,annotator,vote\ni0,c0,ann,yes\n")
    result = run(analyze, votes_csv, "--out", tmp_path / "alone")
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
