"""Files that nobody meant to give so: read as they are, or refused in one line that says what to do."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import run_mlf
from exported_lines import names, said

from pipeline.datasets.create import init_project
from pipeline.formats.exchange.content import ImageContent, Outgoing, ReadOptions, Refused, Sitting
from pipeline.formats.exchange.registry import format_named, known_formats
from pipeline.project.folder import Project
from pipeline.votes.words import Vote

IMAGES = [f"scenes/{number:04d}.jpg" for number in range(24)]
Take = Callable[..., tuple[str, dict[str, dict[str, Any]]]]

COCO = {
    "images": [{"id": 1, "file_name": "0000.jpg"}],
    "categories": [{"id": 1, "name": "mug"}],
    "annotations": [{"image_id": 1, "category_id": 1}],
}
STUDIO = [{"data": {"image": "0000.jpg"}, "annotations": [{"completed_by": {"email": "a"}, "result": []}]}]
#: A file of each tool that reads well there.
FILES: dict[str, bytes] = {
    "labels.csv": b"image,class\n0000.jpg,mug\n",
    "work.jsonl": b'{"image": "0000.jpg", "labels": ["mug"]}\n',
    "coco.json": json.dumps(COCO).encode(),
    "studio.json": json.dumps(STUDIO).encode(),
    "real.json": json.dumps({"0000.jpg": [0]}).encode(),
    "cvat.xml": b'<annotations><image id="0" name="0000.jpg"><tag label="mug"/></image></annotations>',
    "voc.xml": b"<annotation><filename>0000.jpg</filename><object><name>mug</name></object></annotation>",
    "list.txt": b"0000.jpg 0\n",
}
#: Which of them a format reads.
ITS_OWN = {
    "csv": {"labels.csv"},
    "parquet": {"labels.csv"},
    "jsonl": {"work.jsonl"},
    "hugging-face": {"work.jsonl", "labels.csv"},
    "coco": {"coco.json"},
    "label-studio": {"studio.json"},
    "real": {"real.json"},
    "multilabelfy": {"real.json"},
    "cvat": {"cvat.xml"},
    "voc": {"voc.xml"},
    "imagenet-txt": {"list.txt"},
}


def lines_of(*records: dict[str, Any]) -> str:
    return "\n".join(map(json.dumps, records))


def refused(project: Project, *given: object) -> str:
    """Return the one line in which an import is refused."""
    told = run_mlf("import", project.root, *given, code=2)
    notes = [line for line in told.strip().splitlines() if not line.startswith("Note:")]
    assert len(notes) == 1, told
    assert len(told.replace(str(project.root.parent), "")) < 700, told
    return told


@pytest.mark.parametrize("kind", [each.name for each in known_formats("import")])
def test_files_of_other_tools_empty_and_packed_ones_and_folders_are_refused_by_name(
    kind: str, receiving: Project, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    given: dict[str, bytes] = {name: content for name, content in FILES.items() if name not in ITS_OWN.get(kind, ())}
    given |= {f"empty{Path(name).suffix}": b"" for name in FILES}
    given["work.gz"] = gzip.compress(b"image,class\n0000.jpg,mug\n")
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("annotations.xml", FILES["cvat.xml"])
    given["export.json"] = packed.getvalue()
    for name, content in given.items():
        (tmp_path / name).write_bytes(content)
        assert str(tmp_path / name) in refused(receiving, tmp_path / name, "--format", kind)
    assert "is packed (gzip); unpack it" in refused(receiving, tmp_path / "work.gz", "--format", kind)
    assert "is packed (gzip); unpack it" in refused(receiving, tmp_path / "work.gz")
    assert "is packed (ZIP); unpack it" in refused(receiving, tmp_path / "export.json", "--format", kind)
    assert str(tmp_path / "folder") in refused(receiving, tmp_path / "folder", "--format", kind)
    assert "does not exist" in refused(receiving, tmp_path / "nowhere", "--format", kind)


def test_a_folder_given_for_a_file_says_which_files_are_in_it(receiving: Project, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "real.json").write_text("{}")
    told = refused(receiving, tmp_path / "real", "--format", "real")
    assert "is a folder, and ReaL is read from files; give those in it: real.json" in told


@pytest.mark.parametrize("name", ["labels.csv", "work.jsonl", "coco.json", "cvat.xml", "voc.xml", "list.txt"])
def test_a_byte_order_mark_and_line_ends_of_windows_change_nothing(name: str, take: Take) -> None:
    kind = next(kind for kind, own in ITS_OWN.items() if name in own)
    content = b"\xef\xbb\xbf" + FILES[name].replace(b"\n", b"\r\n")
    told, after = take(name, content, "--format", kind, "--class-numbers", "from-0")
    assert "taken: 1 label set" in told
    assert names(after[IMAGES[0]]) == ["mug"]


def test_names_in_another_unicode_form_are_the_same_and_capitals_are_told(take: Take) -> None:
    head = "image,class,annotator,vote\n"
    rows = (
        "0000.jpg,mug,Zo\u00eb,yes",
        "0000.jpg,hat,Zoe\u0308,no",
        "0000.jpg,mug,ZO\u00cb,no",
        "0001.jpg,mug,ben,yes",
    )
    told, after = take("votes.csv", head + "\n".join(rows))
    assert said(after[IMAGES[0]]) == {"Zo\u00eb": {"mug": "yes", "hat": "no"}, "ZO\u00cb": {"mug": "no"}}
    assert "'ZO\u00cb' and 'Zo\u00eb': different people here; if they are one, give them one name in the files" in told
    told, _ = take("more.csv", f"{head}0002.jpg,mug,ben,yes\n")
    assert "different people" not in told


#: Keys of classes on which a file may break.
KEYS = ("7", "007", "a, b", "a; b", 'a "quoted" one', "=1+1", "NA", "na\u00efve", "<i>&amp;")


def project_of(root: Path) -> Project:
    """Return a project of these classes and three images without files."""
    root.mkdir(parents=True)
    with (root / "classes.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["key", "name"], *([key, f"class {n}"] for n, key in enumerate(KEYS))])
    (root / "images.csv").write_text("image,label\na.jpg,7\nb.jpg,NA\nc.jpg,NA\n")
    return init_project(root / "project", root / "images.csv", root / "classes.csv", has_files=False, numbers="keys")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("odd")
    made = project_of(root / "from")
    lines = lines_of({"image": "a.jpg", "labels": list(KEYS)}, {"image": "b.jpg", "labels": ["007"]})
    (root / "work.jsonl").write_text(lines)
    run_mlf("import", made.root, root / "work.jsonl", "--class-numbers", "keys")
    return made


@pytest.mark.parametrize("kind", [each.name for each in known_formats("import") if each.given])
def test_keys_on_which_a_file_may_break_come_back_as_they_were(kind: str, odd: Project, tmp_path: Path) -> None:
    here, out = project_of(tmp_path / "to"), tmp_path / "out" / format_named(kind, "export").output
    if kind == "imagenet-txt":
        told = run_mlf("export", odd.root, "--format", kind, "--out", out, code=2)
        assert "class 'a, b': synsets.txt takes names without spaces" in told
        return
    run_mlf("export", odd.root, "--format", kind, "--out", out, "--no-images")
    files = {"real": out / "real.json", "label-studio": out / "tasks.json"}
    numbers = "from-0" if kind in {"real", "multilabelfy"} else "keys"
    given = files.get(kind, out)
    told = run_mlf("import", here.root, given, "--format", kind, "--empty", "skip", "--class-numbers", numbers)
    assert "refused" not in told
    run_mlf("export", here.root, "--format", "jsonl", "--out", tmp_path / "all.jsonl")
    lines = {line["image"]: line for line in map(json.loads, (tmp_path / "all.jsonl").read_text().splitlines())}
    assert [names(lines[image]) for image in ("a.jpg", "b.jpg", "c.jpg")] == [list(KEYS), ["007"], None]


def test_rows_given_twice_and_rows_of_unknown_images_are_counted(take: Take) -> None:
    rows = ["0000.jpg,mug,ada,yes"] * 3 + ["nowhere.jpg,mug,ada,yes", "0001.jpg,hat,ada,no"]
    told, after = take("votes.csv", "image,class,annotator,vote\n" + "\n".join(rows))
    assert "taken: 2 decisions" in told
    assert "nowhere.jpg: no image of the project has this name" in told
    assert said(after[IMAGES[0]]) == {"ada": {"mug": "yes"}}


def test_an_object_of_json_that_has_a_name_twice_is_refused(receiving: Project, tmp_path: Path) -> None:
    twice = '{"0000.jpg": ["mug"], "0000.jpg": ["hat"]}'
    for name, kind in (("real.json", "real"), ("refined.json", "multilabelfy")):
        (tmp_path / name).write_text(twice)
        assert "an object in it has '0000.jpg' twice; keep one" in refused(receiving, tmp_path / name, "--format", kind)
    (tmp_path / "a.jsonl").write_text('{"image": "0000.jpg", "labels": ["mug"], "labels": ["hat"]}\n')
    assert "an object in it has 'labels' twice" in refused(receiving, tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_text('{"image": "0000.jpg", "a": {"b": 1, "b": 1.0}, "labels": ["mug"]}\n')
    assert "an object in it has 'b' twice" in refused(receiving, tmp_path / "a.jsonl")


def test_an_object_of_json_that_says_the_same_twice_is_read(take: Take) -> None:
    unread = '{"y": {"b": 1, "c": 2}, "y": {"c": 2, "b": 1}}'
    _, after = take("a.jsonl", f'{{"image": "0000.jpg", "x": {unread}, "labels": ["mug"], "labels": ["mug"]}}')
    assert names(after[IMAGES[0]]) == ["mug"]


@pytest.mark.parametrize(
    ("name", "kind", "content", "reason"),
    [
        ("a.jsonl", "jsonl", '{"image": Infinity, "labels": ["mug"]}', "it names no image"),
        ("a.jsonl", "jsonl", f'{{"image": "0000.jpg", "labels": [{"9" * 400}]}}', "not among the 56 classes"),
        (
            "a.jsonl",
            "jsonl",
            '{"image": "0000.jpg", "labels": [{"class": "mug", "n_yes": 99999999999}]}',
            "votes on a label; expected a number from 0 to 32767",
        ),
        (
            "a.jsonl",
            "jsonl",
            f'{{"image": "0000.jpg", "labels": [{{"class": "mug", "posterior": {"9" * 400}}}]}}',
            "expected a number",
        ),
        ("a.csv", "csv", "image,class,posterior\n0000.jpg,mug,95\n", "a posterior is 95; expected a probability"),
        ("a.csv", "csv", 'image,class,posterior\n0000.jpg,mug,"0,9"\n', "its posterior is '0,9'; expected a number"),
        ("a.csv", "csv", "image,class,n_yes\n0000.jpg,mug,2.5\n", "its n_yes is '2.5'; expected a whole number"),
        ("a.txt", "imagenet-txt", f"0000.jpg {'9' * 5000}\n", "there are 56 classes, counted from 0"),
        ("a.json", "real", json.dumps({"0000.jpg": [{"a": 1}] * 5000}), "is no list of classes"),
    ],
    ids=["image", "class", "count", "posterior", "over 1", "comma", "half a count", "index", "list"],
)
def test_numbers_that_cannot_be_are_refused_with_their_image(
    name: str, kind: str, content: str, reason: str, receiving: Project, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    assert reason in refused(receiving, tmp_path / name, "--format", kind)


def test_one_number_that_cannot_be_leaves_the_whole_label_set_out(take: Take) -> None:
    told, after = take("a.csv", "image,class,posterior\n0000.jpg,mug,0.9\n0000.jpg,hat,high\n0001.jpg,hat,0.5\n")
    assert "a.csv, line 3, 0000.jpg: its posterior is 'high'; expected a number, so that the set is not whole" in told
    assert [names(after[image]) for image in IMAGES[:2]] == [None, ["hat"]]


@pytest.mark.parametrize("word", ["NaN", "NA", "n/a", "Null", "none"])
def test_a_missing_number_leaves_the_label_there(word: str, take: Take, receiving: Project, tmp_path: Path) -> None:
    take("a.csv", f"image,class,posterior,n_yes\n0000.jpg,mug,{word},{word}\n0000.jpg,hat,0.5,2\n")
    labels = [{"class": "mug", "posterior": float("nan") if word == "NaN" else word}]
    votes = [{"annotator": "ada", "votes": {"mug": "yes"}}]
    _, after = take("a.jsonl", {"image": IMAGES[1], "labels": labels, "votes": votes})
    assert [names(after[image]) for image in IMAGES[:2]] == [["mug", "hat"], ["mug"]]
    assert said(after[IMAGES[1]]) == {"ada": {"mug": "yes"}}
    assert after[IMAGES[0]]["labels"][1] | {"source": ""} == {
        "class": "hat",
        "source": "",
        "posterior": 0.5,
        "n_yes": 2,
    }
    assert not {"posterior", "n_yes"} & after[IMAGES[0]]["labels"][0].keys()
    for infinite in ("inf", "-Infinity"):
        (tmp_path / "b.csv").write_text(f"image,class,posterior\n0002.jpg,mug,{infinite}\n")
        assert "expected a number" in refused(receiving, tmp_path / "b.csv")


def task(image: str, *results: tuple[str, str, list[str]], **more: Any) -> dict[str, Any]:
    result = [
        {"from_name": control, "to_name": "image", "type": kind, "value": {kind: chosen}}
        for control, kind, chosen in results
    ]
    return {"data": {"image": image}, "annotations": [{"completed_by": {"email": "ada"}, "result": result, **more}]}


def test_label_studio_says_which_of_several_controls_hold_labels(
    take: Take, receiving: Project, tmp_path: Path
) -> None:
    tasks = [
        task(IMAGES[0], ("present", "choices", ["mug"]), ("absent", "choices", ["hat"])),
        task(IMAGES[1], ("absent", "choices", ["mug"])),
        task(IMAGES[2], ("present", "choices", ["hat"]), was_cancelled=True),
        {"data": {"image": IMAGES[3]}, "annotations": []},
    ]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    told = refused(receiving, tmp_path / "tasks.json", "--format", "label-studio")
    assert "several controls have choices (absent, present), and nothing says which of them are labels" in told
    told = refused(receiving, tmp_path / "tasks.json", "--format", "label-studio", "--controls", "here")
    assert "no control 'here' (--controls) has choices; there are ['absent', 'present']" in told
    told = refused(receiving, tmp_path / "tasks.json", "--format", "coco", "--controls", "present")
    assert "--controls: COCO has none" in told
    told, after = take("tasks.json", tasks, "--format", "label-studio", "--controls", "present")
    assert said(after[IMAGES[0]]) == {"ada": {"mug": "yes"}}
    assert after[IMAGES[1]]["votes"][0]["none"] is True
    assert [after[image]["votes"] for image in IMAGES[2:4]] == [[], []]
    assert "skipped: 2 rows" in told
    assert "nobody has annotated it" in told


def test_multilabelfy_users_have_folders_and_spaces_in_their_names(receiving: Project, tmp_path: Path) -> None:
    for user, label in (("Ada Lovelace", "mug"), ("ben d. b.", "hat")):
        folder = tmp_path / "users" / user
        folder.mkdir(parents=True)
        (folder / f"checkbox_selections_{user}.json").write_text(json.dumps({IMAGES[0]: [label]}))
    told = run_mlf("import", receiving.root, tmp_path / "users", "--format", "multilabelfy")
    assert "taken: 2 decisions" in told
    run_mlf("export", receiving.root, "--format", "jsonl", "--out", tmp_path / "all.jsonl")
    first = json.loads((tmp_path / "all.jsonl").read_text().splitlines()[0])
    assert said(first) == {"Ada Lovelace": {"mug": "yes"}, "ben d. b.": {"hat": "yes"}}
    history = run_mlf("project", "history", receiving.root, "--json")
    assert "Ada Lovelace/checkbox_selections_Ada Lovelace.json" in history
    (tmp_path / "checkbox_selections.json").write_text(json.dumps({IMAGES[1]: ["mug"]}))
    told = refused(receiving, tmp_path / "checkbox_selections.json", "--format", "multilabelfy")
    assert "its name says nothing of whose it is; call it checkbox_selections_<user>.json" in told


def test_two_users_whose_names_no_disk_tells_apart_have_two_files(tmp_path: Path) -> None:
    people = ["a*b", "a?b", "A_B"]
    record = ImageContent("0000.jpg", sittings=tuple(Sitting(who, {"mug": Vote.YES}) for who in people))
    given = Outgoing(lambda: iter([record]), ("mug",), ("mug",))
    notes = format_named("multilabelfy", "export").write(given, tmp_path / "out")
    files = sorted(path.name for path in (tmp_path / "out").glob("checkbox_selections_*.json"))
    assert len({name.casefold() for name in files}) == 3
    assert any("'a?b'" in note for note in notes)


def test_a_list_of_real_of_another_length_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text(json.dumps([[0], [1], [2]]))
    kind = format_named("real", "import")
    val = tuple(f"ILSVRC2012_val_{number:08d}.JPEG" for number in (1, 2, 4))
    with pytest.raises(Exception, match=r"3 lists, and the project has ILSVRC2012_val_00000004.JPEG"):
        list(kind.read([tmp_path / "real.json"], ReadOptions(val)))
    with pytest.raises(Exception, match="3 lists for 2 images: a list is paired with the sorted image names"):
        list(kind.read([tmp_path / "real.json"], ReadOptions(("b.jpg", "a.jpg"))))
    val = tuple(f"ILSVRC2012_val_{number:08d}.JPEG" for number in (3, 1))
    read = {each.image: each for each in kind.read([tmp_path / "real.json"], ReadOptions(val))}
    assert [label.name for label in read[val[0]].labels or ()] == ["2"]  # type: ignore[union-attr]
    assert [label.name for label in read[val[1]].labels or ()] == ["0"]  # type: ignore[union-attr]


def test_hugging_face_splits_in_folders_of_their_own_are_all_read(receiving: Project, tmp_path: Path) -> None:
    for split, rows in (("train", {"0000.jpg": ["mug"], "0001.jpg": ["hat"]}), ("test/hard", {"0002.jpg": ["mug"]})):
        folder = tmp_path / "hf" / split
        folder.mkdir(parents=True)
        lines = (json.dumps({"file_name": name, "labels": labels}) for name, labels in rows.items())
        (folder / "metadata.jsonl").write_text("\n".join(lines))
    told = run_mlf("import", receiving.root, tmp_path / "hf", "--format", "hugging-face")
    assert "taken: 3 label sets" in told
    kind = format_named("hugging-face", "import")
    read = [each for each in kind.read([tmp_path / "hf"], ReadOptions()) if not isinstance(each, Refused)]
    assert [each.image for each in read] == ["test/hard/0002.jpg", "train/0000.jpg", "train/0001.jpg"]


def test_hugging_face_a_folder_of_parquet_is_read_by_its_card(tmp_path: Path) -> None:
    (tmp_path / "hf" / "data").mkdir(parents=True)
    card = "---\ndataset_info:\n  features:\n  - names:\n      '0': mug\n      '1': hat\n---\n"
    (tmp_path / "hf" / "README.md").write_text(card)
    for number, labels in enumerate(([0, 1], [1])):
        rows = [{"image": f"{number:04d}.jpg", "labels": labels}]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "hf" / "data" / f"train-0000{number}.parquet")
    kind = format_named("hugging-face", "import")
    read = {each.image: each for each in kind.read([tmp_path / "hf"], ReadOptions())}
    found = {name: [label.name for label in each.labels or ()] for name, each in read.items()}  # type: ignore[union-attr]
    assert found == {"0000.jpg": ["mug", "hat"], "0001.jpg": ["hat"]}


@pytest.mark.parametrize("digest", ["sha256", "md5", ""])
def test_croissant_compares_the_digest_that_is_told(digest: str, receiving: Project, tmp_path: Path) -> None:
    table = b"image,class\n0000.jpg,mug\n"
    told = {digest: hashlib.new(digest, table).hexdigest()} if digest else {}
    source = {"fileObject": {"@id": "t"}, "extract": {"column": "class"}}
    content = {
        "distribution": [{"@id": "t", "contentUrl": "labels.csv", **told}],
        "recordSet": [{"field": [{"source": source}]}],
    }
    (tmp_path / "croissant.json").write_text(json.dumps(content))
    message = refused(receiving, tmp_path / "croissant.json", "--format", "croissant")
    assert f"{tmp_path / 'labels.csv'} does not exist" in message
    (tmp_path / "labels.csv").write_bytes(table + b"0001.jpg,mug\n")
    if digest:
        assert f"its {digest} differs" in refused(receiving, tmp_path / "croissant.json", "--format", "croissant")
        (tmp_path / "labels.csv").write_bytes(table)
    assert "taken: " in run_mlf("import", receiving.root, tmp_path / "croissant.json", "--format", "croissant")


def test_what_every_row_came_to_is_in_the_report_and_adds_up(receiving: Project, tmp_path: Path) -> None:
    rows = [f"{image},{'mug' if number % 3 else 'unicorn'}" for number, image in enumerate(IMAGES)]
    (tmp_path / "labels.tsv").write_text("\n".join(["image,class", *rows]).replace(",", "\t"))
    run_mlf("import", receiving.root, tmp_path / "labels.tsv")
    [report] = (receiving.root / "imports").glob("*.csv")
    outcomes = [row["outcome"] for row in csv.DictReader(report.read_text(encoding="utf-8").splitlines())]
    assert {each: outcomes.count(each) for each in set(outcomes)} == {"taken": 16, "refused": 8}


def test_arrays_are_refused_by_row_as_tables_are(receiving: Project, tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz",
        labels=np.array([[1, 0], [1, 1], [1, 0]]),
        images=np.array(["0000.jpg", "0001.jpg", "0002.jpg"]),
        classes=np.array(["mug", "unicorn"]),
        posterior=np.array([[1.5, 0], [0.5, 0.5], [0.5, 0]]),
    )
    told = run_mlf("import", receiving.root, tmp_path / "a.npz", "--format", "numpy")
    assert "a.npz, row 0, 0000.jpg: a posterior is 1.5; expected a probability, from 0 to 1" in told
    assert "a.npz, row 1, 0001.jpg: 'unicorn': not among the 56 classes" in told
    assert "taken: 1 label set" in told
