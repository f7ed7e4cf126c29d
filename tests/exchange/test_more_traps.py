"""How other tools' files must not be misread, continued: whose word it is, what is said twice, what is half there."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import run_mlf
from exported_lines import names, said
from numpy.lib.format import write_array_header_1_0
from toy_projects import Toys, copy_of

from pipeline.formats.exchange.content import ImageContent, Outgoing, Proposal, ReadOptions, Sitting
from pipeline.formats.exchange.registry import format_named
from pipeline.project.folder import Project
from pipeline.votes.words import Round, Vote

IMAGES = [f"scenes/{number:04d}.jpg" for number in range(24)]
Take = Callable[..., tuple[str, dict[str, dict[str, Any]]]]


def lines_of(*records: dict[str, Any]) -> str:
    return "\n".join(map(json.dumps, records))


def test_lines_of_prodigy_and_labels_of_somebody_are_no_refined_labels(take: Take) -> None:
    content = lines_of(
        {"image": IMAGES[0], "label": "mug", "answer": "accept"},
        {"image": IMAGES[1], "label": "mug", "answer": "reject"},
        {"image": IMAGES[2], "label": "mug", "answer": "ignore"},
        {"image": IMAGES[3], "labels": ["mug"]},
    )
    told, after = take("work.jsonl", content)
    assert [names(after[image]) for image in IMAGES[:4]] == [None, None, None, ["mug"]]
    assert told.count("it is an answer given in Prodigy, not a label; give --format prodigy") == 3
    told = take("more.jsonl", lines_of({"image": IMAGES[4], "labels": ["mug"], "worker": "ada"}), code=2)[0]
    assert "its 'worker' says whose word it is" in told


def test_only_the_option_fills_in_who_did_the_work(take: Take, tmp_path: Path) -> None:
    options = [{"id": "mug", "text": "Mug"}]
    tasks = [
        {"path": IMAGES[0], "options": options, "accept": ["mug"], "answer": "accept", "_annotator_id": "ada"},
        {"path": IMAGES[1], "options": options, "accept": ["mug"], "answer": "accept"},
    ]
    _, after = take("tasks.jsonl", lines_of(*tasks), "--format", "prodigy", "--annotator", "bo")
    assert [said(after[image]) for image in IMAGES[:2]] == [{"ada": {"mug": "yes"}}, {"bo": {"mug": "yes"}}]
    (tmp_path / "checkbox_selections_cleo.json").write_text(json.dumps({IMAGES[2]: ["mug"]}))
    (tmp_path / "checkbox_selections_dora.json").write_text(json.dumps({IMAGES[2]: ["hat"]}))
    _, after = take(
        "comments_cleo.json", {IMAGES[2]: "dark"}, "--format", "multilabelfy", "--annotator", "bo",
        tmp_path / "checkbox_selections_cleo.json", tmp_path / "checkbox_selections_dora.json",
    )  # fmt: skip
    assert said(after[IMAGES[2]]) == {"cleo": {"mug": "yes"}, "dora": {"hat": "yes"}}


@pytest.mark.parametrize("name", ["a/b", "ada:x", "ada\u202eeve"])
def test_work_of_somebody_whose_name_nobody_can_have_is_refused_and_that_of_others_taken(take: Take, name: str) -> None:
    rows = ("image,class,annotator,vote", "0000.jpg,mug,ada,yes", f"0000.jpg,mug,{name},no", f"0001.jpg,mug,{name},no")
    told, after = take("votes.csv", "\n".join(rows))
    assert [said(after[image]) for image in IMAGES[:2]] == [{"ada": {"mug": "yes"}}, {}]
    assert f"annotator {name!a}: a name takes 1 to 100 characters" in told


def test_two_files_of_one_user_are_named(receiving: Project, tmp_path: Path) -> None:
    paths = [tmp_path / folder / "checkbox_selections_ada.json" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_text(json.dumps({IMAGES[0]: ["mug"]}))
    told = run_mlf("import", receiving.root, *paths, "--format", "multilabelfy", code=2)
    assert f"{paths[0]} and {paths[1]} are both checkbox_selections of ada; give one of them" in told


def test_label_studio_a_ground_truth_with_a_comment_or_a_doubt_alone_is_no_label_set(take: Take) -> None:
    def truth(image: str, *result: dict[str, Any]) -> dict[str, Any]:
        annotation = {"completed_by": {"email": "ada"}, "ground_truth": True, "result": list(result)}
        return {"id": 1, "data": {"image": image}, "annotations": [annotation]}

    comment = {"from_name": "comment", "to_name": "image", "type": "textarea", "value": {"text": ["dark"]}}
    unsure = {"from_name": "unsure", "to_name": "image", "type": "choices", "value": {"choices": ["hat"]}}
    mug = {"from_name": "labels", "to_name": "image", "type": "choices", "value": {"choices": ["mug"]}}
    tasks = [truth(IMAGES[0], comment), truth(IMAGES[1], unsure), truth(IMAGES[2], mug, unsure), truth(IMAGES[3])]
    _, after = take("tasks.json", tasks, "--format", "label-studio")
    assert [names(after[image]) for image in IMAGES[:4]] == [None, None, ["mug"], []]
    assert said(after[IMAGES[1]]) == {"ada": {"hat": "unsure"}}


README = "---\ndataset_info:\n  features:\n  - names:\n      '0': mug\n      '1': hat\n      '2': key\n---\n"


def test_hugging_face_numbers_are_named_once(receiving: Project, tmp_path: Path) -> None:
    known = {"info": {"features": {"labels": {"feature": {"names": ["1", "0"], "_type": "ClassLabel"}}}}}
    schema = pa.schema({"file_name": pa.string(), "labels": pa.list_(pa.int64())})
    schema = schema.with_metadata({"huggingface": json.dumps(known)})
    rows = [{"file_name": IMAGES[0], "labels": [0]}]
    path = tmp_path / "metadata.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema), path)
    (tmp_path / "README.md").write_text(README)
    kind = format_named("hugging-face", "import")

    def read() -> list[list[str]]:
        return [[label.name for label in each.labels or ()] for each in kind.read([path], ReadOptions())]  # type: ignore[union-attr]

    assert read() == [["1"]]
    pq.write_table(pa.Table.from_pylist(rows, schema.remove_metadata()), path)
    assert read() == [["mug"]]
    (tmp_path / "README.md").write_text(README.replace("      '2': key", "  - names:\n      '0': hat"))
    told = run_mlf("import", receiving.root, path, "--format", "hugging-face", code=2)
    assert "it calls class 0 both 'mug' and 'hat'" in told


def test_another_folder_of_proposals_is_not_there_already(receiving: Project, tmp_path: Path) -> None:
    for folder, name in (("a", "mug"), ("b", "hat")):
        (tmp_path / folder).mkdir()
        entry = {"image_name": IMAGES[0], "ground_truth": None, "softmax_val": {name: 0.5}}
        (tmp_path / folder / "predictions_ada.json").write_text(json.dumps([entry]))
    given = ("--format", "multilabelfy")
    assert "taken: 1 list of proposals" in run_mlf("import", receiving.root, tmp_path / "a", *given)
    assert "there already: 1 list" in run_mlf("import", receiving.root, tmp_path / "a", *given)
    assert "the project has other proposals" in run_mlf("import", receiving.root, tmp_path / "b", *given, code=2)
    assert "taken: 1 list" in run_mlf("import", receiving.root, tmp_path / "b", *given, "--replace")


def test_a_folder_of_labels_leaves_the_names_and_digests_of_its_files(receiving: Project, tmp_path: Path) -> None:
    (tmp_path / "voc" / "Annotations").mkdir(parents=True)
    voc = "<annotation><filename>0000.jpg</filename><object><name>mug</name></object></annotation>"
    (tmp_path / "voc" / "Annotations" / "0000.xml").write_text(voc)
    run_mlf("import", receiving.root, tmp_path / "voc", "--format", "voc")
    [beside] = (receiving.root / "results").glob("refined_labels*provenance*")
    [imported] = json.loads(beside.read_text())["imported"]
    assert [file["name"] for file in imported["files"]] == ["Annotations/0000.xml"]
    assert len(imported["files"][0]["sha256"]) == 64


def test_equal_votes_are_there_already_where_more_was_shown(take: Take) -> None:
    head = "image,class,annotator,vote\n"
    take("votes.csv", f"{head}0000.jpg,mug,ada,yes\n0000.jpg,hat,ada,no\n")
    for options in ((), ("--replace",)):
        told, after = take("votes.csv", f"{head}0000.jpg,mug,ada,yes\n", *options)
        assert "there already: 1 decision" in told
        assert said(after[IMAGES[0]]) == {"ada": {"mug": "yes", "hat": "no"}}
    told, _ = take("votes.csv", f"{head}0000.jpg,hat,ada,yes\n", "--dry-run", code=2)
    assert "ada has decided it otherwise here" in told


def test_giving_everything_again_changes_nothing_even_with_replace(
    worked: Toys, truth: list[dict[str, Any]], tmp_path: Path
) -> None:
    root = copy_of(worked, tmp_path / "again").project.root
    run_mlf("export", root, "--table", "votes", "--out", tmp_path / "votes.csv")
    for path in (tmp_path / "all.jsonl", tmp_path / "votes.csv"):
        if path.suffix == ".jsonl":
            path.write_text(lines_of(*truth))
        for options in ((), ("--replace",)):
            told = run_mlf("import", root, path, "--only", "votes", *options)
            assert "taken:" not in told, told
            assert "  refused:" not in told, told
    run_mlf("export", root, "--format", "jsonl", "--out", tmp_path / "after.jsonl")
    assert [json.loads(line) for line in (tmp_path / "after.jsonl").read_text().splitlines()] == truth


def test_two_names_of_one_class_are_one_vote_and_two_comments_are_kept(take: Take) -> None:
    head = "image,class,annotator,vote,comment\n"
    rows = [
        ("0000.jpg,wine glass,ada,yes,dark", "0000.jpg,wine_glass,ada,no,blurred"),
        ("0001.jpg,wine_glass,ada,no,", "0001.jpg,wine glass,ada,unsure,"),
        ("0002.jpg,wine_glass,ada,unsure,dark", "0002.jpg,wine glass,ada,yes,dark"),
    ]
    _, after = take("votes.csv", head + "\n".join(row for pair in rows for row in pair))
    assert [said(after[image])["ada"] for image in IMAGES[:3]] == [
        {"wine_glass": word} for word in ("yes", "unsure", "yes")
    ]
    assert [after[image]["votes"][0].get("comment") for image in IMAGES[:3]] == ["dark\nblurred", None, "dark"]


def test_a_label_in_a_column_of_an_unknown_class_is_refused_as_in_every_other_format(take: Take) -> None:
    rows = ("0000.jpg,1,0,1,0.5,train", "0001.jpg,0,1,0,1,val", "0002.jpg,0,0,0,0,val")
    told, after = take("wide.csv", "\n".join(["image,mug,hat,unicorn,blur,split", *rows]))
    assert "columns that hold no 0 and 1 are no classes, and are left out: blur, split" in told
    reason = "'unicorn': not among the 56 classes of"
    assert told.count(reason) == 1
    assert f"line 2, 0000.jpg: {reason}" in told
    assert "add it with `mlf classes add`, or take it out of the file" in told
    assert [names(after[image]) for image in IMAGES[:3]] == [None, ["hat"], None]
    told, after = take("long.csv", "image,class\n0003.jpg,mug\n0003.jpg,unicorn\n0004.jpg,mug\n")
    assert reason in told
    assert [names(after[image]) for image in IMAGES[3:5]] == [None, ["mug"]]


def test_columns_that_are_no_classes_can_be_left_out(take: Take) -> None:
    text = "image,mug,hat,reviewed,Is-Train\n0000.jpg,1,0,1,1\n0001.jpg,0,1,0,1\n0003.jpg,1,0,0,0\n"
    told, _ = take("wide.csv", text)
    assert "(--leave-out: columns of a table)" in told
    told, _ = take("wide.csv", text, "--leave-out", "reviewed,is_trian", code=2)
    assert "no column 'is_trian' (--leave-out); there are 'image', 'mug', 'hat', 'reviewed', 'is_train'" in told
    told, _ = take("wide.csv", text, "--leave-out", "reviewed", "--format", "coco", code=2)
    assert "--leave-out: COCO has no columns to leave out" in told
    told, after = take("wide.csv", text, "--leave-out", "reviewed, Is-Train")
    assert "columns left out (--leave-out): is_train, reviewed" in told
    assert [names(after[image]) for image in IMAGES[:2]] == [["mug"], ["hat"]]
    _, after = take("long.csv", "image,class,worker,n_yes\n0002.jpg,mug,ada,many\n", "--leave-out", "worker,n_yes")
    assert names(after[IMAGES[2]]) == ["mug"]


def test_lists_of_classes_in_a_parquet_may_have_gaps_and_numbers_missing(receiving: Project, tmp_path: Path) -> None:
    listed = pa.table(
        {"image": IMAGES[:2], "labels": [["mug", None, "hat"], ["hat"]], "posterior": [float("nan"), 0.5]}
    )
    fractions = pa.table({"image": IMAGES[2:4], "labels": [[0.5, None], [None]]})
    pq.write_table(listed, tmp_path / "listed.parquet")
    pq.write_table(fractions, tmp_path / "fractions.parquet")
    told = run_mlf("import", receiving.root, tmp_path / "listed.parquet", tmp_path / "fractions.parquet")
    assert "taken: 2 label sets" in told
    assert f"{IMAGES[2]}: 0.5 is no class; give its name as text, so that the set is not whole" in told
    run_mlf("export", receiving.root, "--format", "jsonl", "--out", tmp_path / "all.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert [names(line) for line in lines[:4]] == [["mug", "hat"], ["hat"], None, None]


def studio_task(image: str, chosen: dict[str, str], offered: dict[str, str], **more: Any) -> dict[str, Any]:
    def result(given: dict[str, str]) -> list[dict[str, Any]]:
        return [{"from_name": c, "type": "choices", "value": {"choices": [name]}} for c, name in given.items()]

    annotations = [{"completed_by": {"email": "ada"}, "result": result(chosen), **more}]
    predictions = [{"model_version": "m", "score": 0.5, "result": result(offered)}] if offered else []
    return {"data": {"image": image}, "annotations": annotations, "predictions": predictions}


def test_label_studio_predictions_and_skipped_tasks_do_not_decide_which_controls_hold_labels(take: Take) -> None:
    skipped = studio_task(IMAGES[1], {"quality": "good"}, {}, was_cancelled=True)
    tasks = [studio_task(IMAGES[0], {"present": "mug"}, {"model": "hat"}), skipped]
    _, after = take("tasks.json", tasks, "--format", "label-studio")
    assert said(after[IMAGES[0]]) == {"ada": {"mug": "yes"}}
    assert [each["class"] for each in after[IMAGES[0]]["proposals"]] == ["hat"]
    two = [studio_task(IMAGES[2], {"present": "mug"}, {"model": "hat", "quality": "good"})]
    told, _ = take("two.json", two, "--format", "label-studio", code=2)
    assert "several controls have choices (model, quality)" in told


def test_label_studio_a_control_that_only_one_of_the_files_has_is_fine(receiving: Project, tmp_path: Path) -> None:
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, control, image in zip(paths, ("present", "shown"), IMAGES, strict=False):
        path.write_text(json.dumps([studio_task(image, {control: "mug"}, {})]))
    given = (receiving.root, *paths, "--format", "label-studio", "--controls")
    assert "no control 'here' (--controls) has choices" in run_mlf("import", *given, "here,there", code=2)
    told = run_mlf("import", *given, "present", "--dry-run")
    assert f"{paths[1]}: no label is chosen in it: --controls names none of shown" in told
    told = run_mlf("import", *given, "shown,present,here")
    assert "no control 'here' (--controls) has choices; there are ['present', 'shown']" in told
    assert "taken: 2 decisions" in told


def test_multilabelfy_names_that_only_begin_like_a_users_file_are_refined_labels(take: Take) -> None:
    content = {IMAGES[0]: ["mug"]}
    _, after = take("predictionsofmine.json", content, "--format", "multilabelfy")
    assert names(after[IMAGES[0]]) == ["mug"]
    for name, kind in (("comments 2", "comments"), ("Predictions", "predictions"), ("comments_", "comments")):
        told, _ = take(f"{name}.json", content, "--format", "multilabelfy", code=2)
        assert f"call it {kind}_<user>.json" in told


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.csv", "image,class,worker\n0000.jpg,mug,ada\n", (), "the column 'worker' says whose word a row is"),
        ("a.csv", "image,mug,hat,rater\n0000.jpg,1,0,ada\n", (), "the column 'rater' says whose word a row is"),
        ("a.json", '{"images": [1], "annotations": [], "categories": []}', ("--format", "coco"), "entry 0 of 'images'"),
        (
            "a.json",
            '{"categories": {"label": {"labels": [{"name": "mug"}]}}, "items": [3]}',
            ("--format", "datumaro"),
            "item 0: it holds a int; expected an object",
        ),
        ("a.xml", "<annotation/>", ("--format", "voc"), "no <annotation> with anything in it"),
        (
            "a.json",
            '[{"data": {"image": "0000.jpg"}, "annotations": [{"completed_by": "ada", "result": [7]}]}]',
            ("--format", "label-studio"),
            "not laid out as Label Studio",
        ),
    ],
)
def test_what_is_laid_out_otherwise_is_refused_in_one_line(
    name: str, content: str, options: tuple[object, ...], message: str, receiving: Project, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    told = run_mlf("import", receiving.root, tmp_path / name, *options, code=2)
    assert message in told
    assert len(told.strip().splitlines()) == 1


def test_lists_in_a_parquet_and_broken_arrays_are_one_line(worked: Toys, receiving: Project, tmp_path: Path) -> None:
    run_mlf("export", worked.project.root, "--format", "hugging-face", "--out", tmp_path / "hf", "--no-images")
    told = run_mlf("import", receiving.root, tmp_path / "hf" / "metadata.parquet", code=2)
    assert "holds a list" in told
    assert "give --format hugging-face" in told
    np.savez_compressed(tmp_path / "whole.npz", labels=np.arange(56 * 24).reshape(24, 56) % 2)
    whole = (tmp_path / "whole.npz").read_bytes()
    flipped = bytearray(whole)
    for place in range(60, len(whole) - 120):
        flipped[place] ^= 0xFF
    for broken in (whole[: len(whole) // 2], bytes(flipped)):
        (tmp_path / "broken.npz").write_bytes(broken)
        for kind in ("numpy", "real"):
            told = run_mlf("import", receiving.root, tmp_path / "broken.npz", "--format", kind, code=2)
            assert len(told.strip().splitlines()) == 1


@pytest.mark.parametrize("word", ["mug", "-2", "2", "0.5"])
def test_what_is_no_number_of_the_classes_that_a_parquet_names_is_refused(
    word: str, receiving: Project, tmp_path: Path
) -> None:
    features = {"label": {"names": ["mug", "hat"], "_type": "ClassLabel"}}
    table = pa.table({"image": IMAGES[:2], "label": ["1", word]})
    named = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(named, tmp_path / "odd.parquet")
    told = run_mlf("import", receiving.root, tmp_path / "odd.parquet", code=2)
    assert f"column 'label' holds {word!r}; it names its classes 0 to 1" in told


def test_arrays_that_would_fill_the_memory_are_refused_by_their_heads(receiving: Project, tmp_path: Path) -> None:
    head = BytesIO()
    write_array_header_1_0(head, {"descr": "|i1", "fortran_order": False, "shape": (10**6, 10**9)})
    (tmp_path / "bare.npy").write_bytes(head.getvalue())
    for name in ("labels.npy", "labels"):
        with ZipFile(tmp_path / f"{name}.npz", "w") as archive:
            archive.writestr(name, head.getvalue())
    for file, reason in (
        ("bare.npy", "cannot be read as NumPy arrays"),
        ("labels.npy.npz", "unpacks to 931,322.6 GiB"),
        ("labels.npz", "cannot be read as NumPy arrays"),
    ):
        told = run_mlf("import", receiving.root, tmp_path / file, "--format", "numpy", code=2)
        assert reason in told
        assert len(told.strip().splitlines()) == 1


@pytest.mark.parametrize("kind", ["real", "multilabelfy"])
def test_who_voted_in_both_rounds_leaves_with_one_word_that_refinement_settles(kind: str, tmp_path: Path) -> None:
    sittings = (
        Sitting("ada", {"hat": Vote.YES}, ("mug", "hat"), round=Round.REFINEMENT),
        Sitting("ada", {"mug": Vote.YES, "hat": Vote.NO}, ("mug", "hat")),
    )
    record = ImageContent("0000.jpg", labels=None, sittings=sittings, proposals=(Proposal("mug", 0.5),))
    of = format_named(kind, "export")
    of.write(Outgoing(lambda: iter([record]), ("mug", "hat"), ("mug", "hat")), tmp_path / "out")
    files = [tmp_path / "out" / "raters.npz"] if kind == "real" else [tmp_path / "out"]
    read = [each for each in of.read(files, ReadOptions(classes=("mug", "hat"))) if isinstance(each, ImageContent)]
    [sitting] = [sitting for each in read for sitting in each.sittings]
    assert {name for name, vote in sitting.votes.items() if vote is Vote.YES} == {"0", "1"}
    assert sum(bool(each.proposals) for each in read) == (kind == "multilabelfy")


def test_crowd_kit_has_one_row_of_a_person_on_a_class(tmp_path: Path) -> None:
    sittings = (
        Sitting("ada", {"mug": Vote.YES, "hat": Vote.NO}, ("mug", "hat")),
        Sitting("ada", {"hat": Vote.YES}, ("hat",), round=Round.REFINEMENT),
    )
    record = ImageContent("0000.jpg", sittings=sittings)
    given = Outgoing(lambda: iter([record]), ("mug", "hat"), ("mug", "hat"))
    format_named("crowd-kit", "export").write(given, tmp_path / "votes.csv")
    rows = [line.split(",")[1:3] for line in (tmp_path / "votes.csv").read_text().splitlines()[1:]]
    assert rows == [["ada", "yes"], ["ada", "yes"]]


@pytest.mark.parametrize("round_", list(Round))
def test_the_files_word_stands_when_asked_and_giving_it_again_changes_nothing(round_: Round, take: Take) -> None:
    words = [dict(zip(("mug", "hat"), pair, strict=True)) for pair in product(["yes", "no", "unsure", ""], repeat=2)]
    said_of = [{name: word for name, word in each.items() if word} for each in words if any(each.values())]
    pairs = [(before, after) for before in said_of for after in said_of if before != after]
    place = [(IMAGES[number % 24], f"p{number // 24}") for number in range(len(pairs))]

    def votes(of: int) -> str:
        rows = [
            f"{image},{name},{who},{word},{round_}"
            for (image, who), pair in zip(place, pairs, strict=True)
            for name, word in pair[of].items()
        ]
        return "\n".join(["image,class,annotator,vote,round", *rows])

    take("votes.csv", votes(0))
    told, after = take("votes.csv", votes(1), "--replace")
    assert "refused" not in told
    assert [said(after[image])[who] for image, who in place] == [dict.fromkeys(a, "no") | b for a, b in pairs]
    for options in ((), ("--replace",)):
        told, again = take("votes.csv", votes(1), *options)
        assert f"there already: {len(pairs)} decisions" in told
        assert again == after
