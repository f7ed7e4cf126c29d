"""How other tools' files must not be misread: skipped images, models' tags, crowds, difficult objects, odd rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import run_mlf
from exported_lines import names, said
from toy_projects import Toys, copy_of

from pipeline.errors import StoreError
from pipeline.project.folder import Project
from pipeline.stages import import_votes
from pipeline.store import SqlStore

CLASSES = ("mug", "hat")
IMAGES = [f"scenes/{number:04d}.jpg" for number in range(24)]
Take = Callable[..., tuple[str, dict[str, dict[str, Any]]]]


def task(image: str, *annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"image": image}, "annotations": list(annotations), **more}


def choice(who: str, *chosen: Any, **more: Any) -> dict[str, Any]:
    value = {"choices": list(chosen)}
    result = [{"from_name": "c", "to_name": "image", "type": "choices", "value": value}] if chosen else []
    return {"completed_by": {"id": 3, "email": who}, "was_cancelled": False, "result": result, **more}


def test_label_studio_a_skipped_task_is_no_empty_result(take: Take) -> None:
    tasks = [
        task(IMAGES[0], choice("ada@lab.org", was_cancelled=True)),
        task(IMAGES[1], choice("ada@lab.org")),
        task(IMAGES[2], choice("ada@lab.org", "mug")),
    ]
    told, after = take("tasks.json", tasks, "--format", "label-studio")
    assert "skipped: 1 row\n" in told
    assert "was_cancelled" in told
    assert [len(after[image]["votes"]) for image in IMAGES[:3]] == [0, 1, 1]
    assert after[IMAGES[1]]["votes"][0]["none"] is True
    assert said(after[IMAGES[2]]) == {"ada@lab.org": {"mug": "yes"}}


def test_label_studio_aliases_nested_choices_uploads_and_local_files(take: Take) -> None:
    tasks = [
        task("/data/upload/7/0a1b2c3d-0000.jpg", choice("ada", ["Things", "Kitchen", "teacup"], "mug")),
        task("/data/local-files/?d=box/scenes/0001.jpg", choice("ada", "wine glass")),
        task("https://lab.example/photos/scenes/0002.jpg?v=2", choice("ada", "wine_glass")),
        task(IMAGES[3], choice("ada", "no such thing"), choice("ben", "mug", "no such thing")),
    ]
    told, after = take("tasks.json", tasks, "--format", "label-studio")
    assert said(after[IMAGES[0]]) == {"ada": {"mug": "yes", "teacup": "yes"}}
    assert said(after[IMAGES[1]]) == said(after[IMAGES[2]]) == {"ada": {"wine_glass": "yes"}}
    assert said(after[IMAGES[3]]) == {"ben": {"mug": "yes"}}
    assert "'no such thing': not among the 56 classes of" in told


def test_cvat_takes_all_tags_and_those_of_a_model_as_proposals(take: Take) -> None:
    xml = f"""<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>
    <image id="0" name="{IMAGES[0]}" width="2" height="2"><tag label="mug" source="manual"/><tag label="hat"/>
      <box label="mug" source="manual" xtl="0" ytl="0" xbr="1" ybr="1"/><tag label="key" source="auto"/></image>
    <image id="1" name="{IMAGES[1]}" width="2" height="2"><tag label="key" source="auto"/></image>
    <image id="2" name="{IMAGES[2]}" width="2" height="2"/></annotations>"""
    told, after = take("annotations.xml", xml, "--format", "cvat")
    assert names(after[IMAGES[0]]) == ["mug", "hat"]
    assert [each["class"] for each in after[IMAGES[0]]["proposals"]] == ["key"]
    assert names(after[IMAGES[1]]) is None
    assert names(after[IMAGES[2]]) is None
    assert "--empty none takes it for none applies" in told


def test_xml_that_defines_entities_is_refused(receiving: Project, tmp_path: Path) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb">]><annotations>&b;</annotations>'
    (tmp_path / "annotations.xml").write_text(bomb)
    told = run_mlf("import", receiving.root, tmp_path / "annotations.xml", "--format", "cvat", code=2)
    assert "cannot be read as XML" in told


def test_multilabelfy_an_empty_list_is_never_none_unasked(take: Take) -> None:
    ticks = {IMAGES[0]: ["0", "2"], IMAGES[1]: [], IMAGES[2]: []}
    told, after = take("checkbox_selections_ada.json", ticks, "--format", "multilabelfy", "--class-numbers", "from-0")
    assert said(after[IMAGES[0]]) == {"ada": {"mug": "yes", "bowl": "yes"}}
    assert after[IMAGES[1]]["votes"] == []
    assert "it may mean that none applies, or that the image was skipped" in told
    told, after = take("checkbox_selections_ada.json", ticks, "--format", "multilabelfy", "--empty", "none")
    assert after[IMAGES[1]]["votes"][0]["none"] is True


def test_multilabelfy_predictions_are_proposals_and_other_original_labels_are_told(take: Take) -> None:
    softmax = [0.0] * 56
    softmax[5], softmax[2], softmax[30] = 0.2, 0.7, 0.1
    entries = [{"image_name": image, "ground_truth": 0, "softmax_val": softmax} for image in IMAGES[:3]]
    entries.append({"image_name": IMAGES[3], "ground_truth": 0, "softmax_val": [0.5, 0.5]})
    told, after = take("predictions_ada.json", entries, "--format", "multilabelfy")
    offered = [(each["class"], round(each["score"], 3)) for each in after[IMAGES[1]]["proposals"]]
    assert offered == [("bowl", 0.7), ("vase", 0.2), ("cap", 0.1)]
    n_others = sum(after[image]["original"] != "mug" for image in IMAGES[:3])
    assert f"{n_others} images have another original label there than in the project" in told
    assert "`softmax_val` has no probability for each of 56 classes" in told


def test_multilabelfy_a_comment_alone_decides_nothing(take: Take) -> None:
    _, after = take("comments_ada.json", {IMAGES[0]: "too dark"}, "--format", "multilabelfy")
    [sitting] = after[IMAGES[0]]["votes"]
    assert (sitting["comment"], sitting["votes"], sitting.get("none")) == ("too dark", {}, None)


def test_coco_counts_crowds_and_asks_about_images_without_objects(take: Take) -> None:
    coco = {
        "images": [
            {"id": 5, "file_name": "0000.jpg"},
            {"id": 6, "file_name": "0001.jpg"},
            {"id": 7, "file_name": "x.jpg"},
        ],
        "categories": [{"id": 1, "name": "mug"}, {"id": 90, "name": "hat"}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 90, "iscrowd": 1},
            {"id": 2, "image_id": 5, "category_id": 1, "iscrowd": 0},
            {"id": 3, "image_id": 5, "category_id": 1, "iscrowd": 0},
            {"id": 4, "image_id": 6, "category_id": 2},
        ],
    }
    told, after = take("instances.json", coco, "--format", "coco")
    assert names(after[IMAGES[0]]) == ["mug", "hat"]
    assert names(after[IMAGES[1]]) is None
    assert "image 1, 0001.jpg: annotation 3: the file has no category 2, so that the set is not whole" in told
    assert "no image of the project has this name" in told


VOC = """<annotation><folder>VOC2007</folder><filename>0000.jpg</filename>
<source><database>The VOC2007 Database</database><annotation>PASCAL VOC2007</annotation><image>flickr</image></source>
<object><name>mug</name><difficult>0</difficult></object><object><name>mug</name><difficult>1</difficult></object>
<object><name>hat</name><difficult>1</difficult></object></annotation>"""


def test_voc_leaves_open_what_is_difficult_alone(take: Take) -> None:
    told, after = take("voc/0000.xml", VOC, "--format", "voc")
    assert names(after[IMAGES[0]]) == ["mug"]
    assert "taken: 1 label set\n" in told
    assert "refused" not in told
    assert "empty list" not in told
    assert "hat is marked difficult alone: left open, neither a label nor a no" in told
    _, after = take("voc/0000.xml", VOC, "--format", "voc", "--as-votes", "--annotator", "voc")
    assert said(after[IMAGES[0]]) == {"voc": {"mug": "yes", "hat": "unsure"}}


def test_prodigy_a_rejected_or_ignored_task_is_not_none(take: Take) -> None:
    options = [{"id": "mug", "text": "Mug"}, {"id": "hat", "text": "Hat"}]
    lines = [
        {"path": IMAGES[0], "options": options, "accept": ["hat"], "answer": "accept", "_annotator_id": "ada"},
        {"path": IMAGES[1], "options": options, "accept": [], "answer": "accept", "_annotator_id": "ada"},
        {"path": IMAGES[2], "options": options, "accept": ["hat"], "answer": "reject", "_annotator_id": "ada"},
        {"path": IMAGES[3], "options": options, "accept": [], "answer": "ignore", "_annotator_id": "ada"},
        {"path": IMAGES[4], "label": "mug", "answer": "reject", "_session_id": "ada"},
        {"path": IMAGES[4], "label": "hat", "answer": "accept", "_session_id": "ada"},
        {"image": "data:image/png;base64,AAAA", "label": "hat", "answer": "accept", "_session_id": "ada"},
    ]
    told, after = take("prodigy.jsonl", "\n".join(map(json.dumps, lines)), "--format", "prodigy")
    assert [said(after[image]) for image in IMAGES[:5]] == [
        {"ada": {"mug": "no", "hat": "yes"}},
        {"ada": {"mug": "no", "hat": "no"}},
        {},
        {},
        {"ada": {"mug": "no", "hat": "yes"}},
    ]
    assert "rejected as a whole" in told
    assert "pictures in the line itself" in told


def test_fiftyone_null_is_undecided(take: Take) -> None:
    content = {"classes": ["hat", "mug"], "labels": {"0000": [1, 0], "0001": None, "0002": 1, "0003": [], "0004": [5]}}
    told, after = take("labels.json", content, "--format", "fiftyone")
    assert [names(after[image]) for image in IMAGES[:5]] == [["mug", "hat"], None, ["mug"], None, None]
    assert "names a class that its `classes` lack" in told


def test_tables_of_people_with_their_marks_cells_and_repeats(take: Take) -> None:
    text = "﻿Image;Class;Annotator;Vote\r\n0000.jpg;mug;ada;YES\r\n0000.jpg;hat;ada;no\r\n0000.jpg;mug;ada;no\r\n"
    text += "0001.jpg;;ada;yes\r\n0002.jpg;hat;;yes\r\n0003.jpg;hat;a/b;yes\r\n0004.jpg;hat;ada;maybe\r\n"
    told, after = take("votes.csv", text)
    assert said(after[IMAGES[0]]) == {"ada": {"mug": "yes", "hat": "no"}}
    for reason in ("no here and yes in an earlier row", "names no class", "names no annotator", "'maybe' is no vote"):
        assert reason in told or reason in _report(told), reason


def test_a_table_with_a_column_for_each_class(take: Take) -> None:
    text = "filename,mug,Hat,wine glass,split\n0000.jpg,1,1,0,train\n0001.jpg,0,0,0,train\n0002.jpg,0,x,1,val\n"
    told, after = take("train.csv", text)
    assert [names(after[image]) for image in IMAGES[:3]] == [["mug", "hat"], None, None]
    assert "class 'hat' is 'x' there; expected 1 or 0" in told


def _report(told: str) -> str:
    path = next(line for line in told.splitlines() if line.startswith("Every row: ")).split(": ", 1)[1]
    return Path(path.split(";")[0]).read_text(encoding="utf-8")


def test_the_report_names_every_row_with_what_became_of_it(take: Take) -> None:
    told, _ = take("labels.csv", "image,class\n0000.jpg,mug\n0001.jpg,nothing\n0002.jpg,\nnowhere.jpg,mug\n")
    rows = {row["place"].removeprefix("labels.csv, "): row for row in csv.DictReader(_report(told).splitlines())}
    assert {place: row["outcome"] for place, row in rows.items()} == {
        "line 2": "taken",
        "line 3": "refused",
        "line 4": "skipped",
        "line 5": "refused",
    }


def test_what_somebody_decided_here_stands_unless_asked(take: Take) -> None:
    head, other = "image,class,annotator,vote\n", "0001.jpg,mug,ada,yes\n"
    take("votes.csv", f"{head}0000.jpg,mug,ada,yes\n0000.jpg,hat,ada,no\n")
    changed = f"{head}0000.jpg,mug,ada,no\n0000.jpg,hat,ada,unsure\n{other}"
    told, after = take("votes.csv", changed)
    assert "ada has decided it otherwise here; --replace takes the file's word" in told
    assert said(after[IMAGES[0]]) == {"ada": {"mug": "yes", "hat": "no"}}
    _, after = take("votes.csv", changed, "--replace")
    assert said(after[IMAGES[0]]) == {"ada": {"mug": "no", "hat": "unsure"}}


def test_whatever_was_said_before_the_files_word_stands_when_asked(take: Take) -> None:
    words = [("yes", "no"), ("no", "no"), ("unsure", "yes"), ("no", "unsure"), ("yes", "yes")]
    pairs = [(before, after) for before in words for after in words if before != after]

    def votes(of: int) -> str:
        rows = [
            f"{IMAGES[i]},{name},ada,{word}"
            for i, pair in enumerate(pairs)
            for name, word in zip(CLASSES, pair[of], strict=True)
        ]
        return "\n".join(["image,class,annotator,vote", *rows])

    take("votes.csv", votes(0))
    told, after = take("votes.csv", votes(1), "--replace")
    assert "refused" not in told
    assert [said(after[IMAGES[i]]) for i in range(len(pairs))] == [
        {"ada": dict(zip(CLASSES, word, strict=True))} for _, word in pairs
    ]


def test_an_import_that_was_cut_off_goes_on_where_it_was(
    take: Take, receiving: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "\n".join(["image,class,annotator,vote", *(f"{image},mug,ada,yes" for image in IMAGES)])
    append, calls = SqlStore.append, list[int]()

    def failing(store: SqlStore, events: Any) -> Any:
        calls.append(len(events))
        if len(calls) == 3:
            raise StoreError("the disk is full")
        return append(store, events)

    with monkeypatch.context() as patched:
        patched.setattr(import_votes, "_AT_ONCE", 5)
        patched.setattr(SqlStore, "append", failing)
        path = receiving.root.parent / "votes.csv"
        path.write_text(rows)
        assert "the disk is full" in run_mlf("import", receiving.root, path, code=2)
    told, after = take("votes.csv", rows)
    assert "there already: 10 decisions" in told
    assert "taken: 14 decisions" in told
    assert all(said(line) == {"ada": {"mug": "yes"}} for line in after.values())


def test_a_class_that_was_not_shown_has_no_vote_unless_all_were(take: Take) -> None:
    tasks = [task(IMAGES[0], choice("ada", "mug"))]
    _, after = take("tasks.json", tasks, "--format", "label-studio")
    assert said(after[IMAGES[0]]) == {"ada": {"mug": "yes"}}
    tasks = [task(IMAGES[1], choice("ada", "mug"))]
    _, after = take("tasks.json", tasks, "--format", "label-studio", "--shown", "all")
    votes = said(after[IMAGES[1]])["ada"]
    assert len(votes) == 56
    assert sum(vote == "no" for vote in votes.values()) == 55


def test_labels_that_the_project_settled_are_not_mixed_with_others(worked: Toys, tmp_path: Path) -> None:
    root = copy_of(worked, tmp_path / "settled").project.root
    line = next(row for row in labels_of(root) if row["source"] == "unlabelled")
    (tmp_path / "more.csv").write_text(f"image,class\n{line['image']},mug\n")
    told = run_mlf("import", root, tmp_path / "more.csv", code=2)
    assert "the project has settled labels from votes; --replace takes the file's in their place" in told
    assert (root / "results" / "settle.json").exists()
    run_mlf("import", root, tmp_path / "more.csv", "--replace")
    assert ("mug", "known") in {(row["class_key"], row["source"]) for row in labels_of(root)}
    assert not (root / "results" / "settle.json").exists()
    assert not (root / "results" / "settle").exists()


def labels_of(root: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((root / "results" / "refined_labels.csv").read_text(encoding="utf-8").splitlines()))


def test_programs_do_not_vote_under_peoples_names(take: Take) -> None:
    take("votes.csv", "image,class,annotator,vote\n0000.jpg,mug,ada,yes\n")
    told, after = take(
        "votes.csv", "image,class,annotator,vote\n0001.jpg,mug,ada (simulated),yes\n0002.jpg,mug,bo,no\n"
    )
    assert "ada is a person in this project, and these votes are a program's" in told
    assert after[IMAGES[1]]["votes"] == []


def test_a_dry_run_writes_nothing(receiving: Project, tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text("image,class,annotator,vote\n0000.jpg,mug,ada,yes\n")
    before = sorted(path.name for path in receiving.root.iterdir())
    told = run_mlf("import", receiving.root, tmp_path / "votes.csv", "--dry-run")
    assert "taken: 1 decision of a person on an image" in told
    assert "nobody has decided" in run_mlf("export", receiving.root, "--table", "votes", code=2)
    assert {path.name for path in receiving.root.iterdir()} - {*before} <= {
        "store.sqlite",
        "store.sqlite-wal",
        "store.sqlite-shm",
    }


def test_who_imported_what_is_in_the_history(take: Take, receiving: Project) -> None:
    take("votes.csv", "image,class,annotator,vote\n0000.jpg,mug,ada,yes\n", "--by", "maria")
    told = run_mlf("project", "history", receiving.root)
    assert "maria: 1 row taken from" in told


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.json", "{", ("--format", "label-studio"), "cannot be read as JSON"),
        ("a.json", "[]", (), "several tools write such files; say which with --format"),
        ("a.csv", "image,class\n0000.jpg,mug\n", ("--format", "cvatt"), "is not known; did you mean 'cvat'?"),
        ("a.csv", "image,class\n0000.jpg,mug\n", ("--format", "cleanlab"), "this format is written, not read"),
        ("a.csv", "image,vote,class\n0000.jpg,yes,mug\n", (), "say whose votes they are with --annotator"),
        ("a.csv", "image,class\n0000.jpg,mug\n", ("--as-votes",), "say whose votes the labels are with --annotator"),
        ("a.csv", "image,class\n0000.jpg,mug\n", ("--empty", "no"), "an empty list is taken for one of skip, none"),
        ("a.csv", "image,class\n0000.jpg,mug\n", ("--only", "boxes"), "a file brings votes, labels, proposals"),
        ("a.csv", "image,class\nother.jpg,mug\n", (), "none of 1 row in"),
        ("a.jsonl", '{"image": "0000.jpg"}\n{', (), "a.jsonl, line 2 cannot be read as JSON"),
        ("a.json", '{"images": []}', ("--format", "coco"), "it lacks the list 'annotations'"),
        ("a.xml", "<annotations><track/></annotations>", ("--format", "cvat"), "CVAT for video"),
        ("a.xml", '<?xml version="1.0" encoding="utf-7"?><a/>', ("--format", "voc"), "cannot be read as XML"),
        ("a.npy", "no", ("--format", "numpy"), "cannot be read as NumPy arrays"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    name: str, content: str, options: tuple[object, ...], message: str, receiving: Project, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    told = run_mlf("import", receiving.root, tmp_path / name, *options, code=2)
    assert message in told
    assert len(told.strip().splitlines()) == 1
