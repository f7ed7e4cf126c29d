"""Projects made from folders and manifests, through `init_project` and the tables it writes."""

from __future__ import annotations

import csv
from pathlib import Path
from random import Random
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.datasets.create import init_project, init_summary
from pipeline.datasets.manifest import manifest_records
from pipeline.datasets.records import read_source_rows
from pipeline.errors import DatasetError, ProjectError
from pipeline.images.locations import join_location, natural_key
from pipeline.project.folder import Project, open_project
from pipeline.project.image_table import image_columns
from pipeline.project.label_space import ClassInfo, LabelSpace
from pipeline.project.tables import IMAGES, SKIPPED
from pipeline.sessions.project_tables import ProjectTables


def draw(path: Path, colour: str = "red") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 12), colour).save(path)


def write_csv(path: Path, header: list[str], rows: list[list[Any]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def image_rows(project: Project) -> list[tuple[int, str, str | None, int | None]]:
    table = pq.read_table(project.images_path)
    assert table.schema.remove_metadata().equals(IMAGES)
    return [tuple(row.values()) for row in table.to_pylist()]  # type: ignore[misc]


def skipped_rows(project: Project) -> dict[str, str]:
    table = pq.read_table(project.skipped_path)
    assert table.schema.equals(SKIPPED)
    return {row["image_id"]: row["reason"] for row in table.to_pylist()}


def test_a_folder_tree_names_the_classes_and_orders_images_naturally(tmp_path: Path) -> None:
    for name in ("dog/10.png", "dog/2.png", "cat/1.png", "cat/more/3.jpg"):
        draw(tmp_path / "images" / name)
    project = init_project(tmp_path / "project", tmp_path / "images")
    assert project.label_space.keys == ("cat", "dog")
    assert image_rows(project) == [
        (0, "cat/1.png", "cat/1.png", 0),
        (1, "cat/more/3.jpg", "cat/more/3.jpg", 0),
        (2, "dog/2.png", "dog/2.png", 1),
        (3, "dog/10.png", "dog/10.png", 1),
    ]


def test_what_cannot_be_used_is_named_with_its_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    draw(tmp_path / "images/cat/1.png")
    draw(tmp_path / "images/bird/1.png")
    (tmp_path / "images/cat/broken.jpg").write_bytes(b"not a picture")
    (tmp_path / "images/cat/notes.txt").write_text("hello")
    (tmp_path / "images/cat/.hidden.jpg").write_text("left out")
    (tmp_path / "classes.csv").write_text("key\ncat\ndog\n")
    project = init_project(tmp_path / "project", tmp_path / "images", tmp_path / "classes.csv")
    assert [row[1] for row in image_rows(project)] == ["cat/1.png"]
    skipped = skipped_rows(project)
    assert "unknown class 'bird'" in skipped["bird/1.png"]
    assert "not an image" in skipped["cat/broken.jpg"]
    assert "does not end like one" in skipped["cat/notes.txt"]
    assert len(skipped) == len(init_summary(project).skipped) == 3


def test_flat_files_named_by_their_class_are_labelled_so(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.png", "stray.jpg"):
        draw(tmp_path / "images" / name)
    (tmp_path / "classes.csv").write_text("key\na\nb\n")
    project = init_project(tmp_path / "project", tmp_path / "images", tmp_path / "classes.csv")
    assert [(row[1], row[3]) for row in image_rows(project)] == [("a.png", 0), ("b.jpg", 1)]
    assert "unknown class 'stray'" in skipped_rows(project)["stray.jpg"]


def test_flat_files_with_other_names_have_no_label(tmp_path: Path) -> None:
    draw(tmp_path / "images/1.jpg")
    (tmp_path / "classes.csv").write_text("key\na\nb\n")
    project = init_project(tmp_path / "project", tmp_path / "images", tmp_path / "classes.csv")
    assert [row[3] for row in image_rows(project)] == [None]
    assert init_summary(project).n_unlabelled == 1


def test_a_manifest_keeps_its_order_and_names_every_row_it_cannot_use(tmp_path: Path) -> None:
    for name in ("z.png", "a.png", "other/b.png"):
        draw(tmp_path / name)
    rows = [
        ["z.png", "dog"],
        ["missing.png", "dog"],
        ["a.png", "0"],
        ["z.png", "cat"],
        ["other/b.png", "horse"],
        ["", "cat"],
        ["../outside.png", "cat"],
        [str(tmp_path / "other/b.png"), "cat"],
    ]
    manifest = write_csv(tmp_path / "images.csv", ["image", "wnid"], rows)
    (tmp_path / "classes.csv").write_text("key\ncat\ndog\n")
    project = init_project(tmp_path / "project", manifest, tmp_path / "classes.csv")
    assert [row[2:] for row in image_rows(project)] == [("z.png", 1), ("a.png", 0), ("other/b.png", 0)]
    reasons = [row["reason"] for row in pq.read_table(project.skipped_path).to_pylist()]
    expected = [
        "no such file",
        "duplicate id",
        "line 6: unknown class 'horse'",
        "line 7: names no image",
        "leads out of",
    ]
    assert len(reasons) == len(expected)
    assert all(word in reason for word, reason in zip(expected, reasons, strict=True))
    source = read_source_rows(project.images_path)
    assert (source.n_rows, source.skipped) == (8, (1, 3, 4, 5, 6))


@pytest.mark.parametrize(
    "spelling", ["./scenes/x.png", "scenes//x.png", "scenes/../scenes/x.png", "{root}/scenes/./x.png"]
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_file_that_two_rows_spell_differently_is_one_image(tmp_path: Path, spelling: str, is_first: bool) -> None:
    draw(tmp_path / "scenes/x.png")
    draw(tmp_path / "scenes/y.png")
    names = ["scenes/x.png", spelling.format(root=tmp_path)]
    kept, other = names if is_first else names[::-1]
    manifest = write_csv(
        tmp_path / "images.csv", ["image", "label"], [[kept, "a"], ["scenes/y.png", "a"], [other, "b"]]
    )
    project = init_project(tmp_path / "project", manifest)
    assert image_rows(project) == [(0, kept, "scenes/x.png", 0), (1, "scenes/y.png", "scenes/y.png", 0)]
    assert skipped_rows(project) == {other: f"the same file as {kept!r} of an earlier row; that one is kept"}
    assert read_source_rows(project.images_path).skipped == (2,)


def test_two_ids_of_one_file_and_two_spellings_of_a_file_that_is_not_here_are_one_image(tmp_path: Path) -> None:
    draw(tmp_path / "x.png")
    rows = [["first", "x.png"], ["second", "./x.png"]]
    with_ids = init_project(tmp_path / "a", write_csv(tmp_path / "ids.csv", ["id", "path"], rows), "imagenet-1k")
    assert [row[1] for row in image_rows(with_ids)] == ["first"]
    assert "same file as 'first'" in skipped_rows(with_ids)["second"]
    names = write_csv(
        tmp_path / "names.csv", ["image", "label"], [["far/1.jpg", "a"], ["./far/1.jpg", "a"], ["b//", "a"]]
    )
    without_files = init_project(tmp_path / "b", names, has_files=False)
    assert [row[1] for row in image_rows(without_files)] == ["far/1.jpg", "b//"]
    assert "same file as 'far/1.jpg'" in skipped_rows(without_files)["./far/1.jpg"]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_lists_that_a_spreadsheet_separated_otherwise_are_read_alike(tmp_path: Path, separator: str) -> None:
    draw(tmp_path / "1.png")
    draw(tmp_path / "2.png")
    rows = [["image", "label"], ["1.png", "mug, large"], ["2.png", "cup"]]
    manifest = tmp_path / "images.csv"
    manifest.write_text("".join(f"{separator.join(row)}\n" for row in rows), encoding="utf-8-sig")
    classes = tmp_path / "classes.csv"
    lines = [["key", "name", "synonyms"], ["cup", "cup, small", '"beaker;goblet"'], ["mug, large", "mug", ""]]
    classes.write_text("".join(f"{separator.join(line)}\n" for line in lines), encoding="utf-8-sig")
    project = init_project(tmp_path / "project", manifest, classes)
    assert [row[1:] for row in image_rows(project)] == [("1.png", "1.png", 1), ("2.png", "2.png", 0)]
    assert [info.name for info in project.label_space] == ["cup, small", "mug"]
    assert project.label_space[0].synonyms == ("beaker", "goblet")
    assert init_project(tmp_path / "other", manifest).label_space.keys == ("cup", "mug, large")


def test_a_row_with_more_values_than_columns_is_skipped_rather_than_read_wrongly(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    draw(tmp_path / "2.png")
    manifest = tmp_path / "images.csv"
    manifest.write_text('image,label\n1.png,mug, large\n2.png,"mug, large",\n')
    project = init_project(tmp_path / "project", manifest)
    assert project.label_space.keys == ("mug, large",)
    assert [row[1] for row in image_rows(project)] == ["2.png"]
    assert "3 values for 2 columns" in skipped_rows(project)["1.png"]


def test_classes_with_more_values_than_columns_are_refused_by_row(tmp_path: Path) -> None:
    classes = tmp_path / "classes.csv"
    classes.write_text("key,definition\nmug,a vessel, with a handle\n")
    with pytest.raises(DatasetError, match=r"classes\.csv, line 2: more values than columns"):
        init_project(tmp_path / "project", tmp_path, classes)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("images.json", "neither a folder of images nor a manifest"),
        ("images.csv", "names no class in its column 'label'"),
    ],
)
def test_a_file_that_cannot_be_a_source_is_named_for_what_it_is(tmp_path: Path, name: str, message: str) -> None:
    write_csv(tmp_path / name, ["image", "label"], [])
    with pytest.raises(DatasetError, match=message):
        init_project(tmp_path / "project", tmp_path / name)


def test_a_manifest_of_ids_makes_images_without_files(tmp_path: Path) -> None:
    manifest = write_csv(tmp_path / "ids.csv", ["image", "label"], [["8f2a", "cat"], ["11bc", ""]])
    project = init_project(tmp_path / "project", manifest)
    assert image_rows(project) == [(0, "8f2a", None, 0), (1, "11bc", None, None)]


def test_names_that_end_like_files_are_ids_where_a_manifest_has_no_files(tmp_path: Path) -> None:
    manifest = write_csv(tmp_path / "ids.csv", ["image", "label"], [["1.JPEG", "cat"]])
    project = init_project(tmp_path / "project", manifest, has_files=False)
    assert image_rows(project) == [(0, "1.JPEG", None, 0)]


def test_csv_and_parquet_manifests_make_the_same_images(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(5)]
    for name in names:
        draw(tmp_path / name)
    labels = ["b", "a", "b", "c", "a"]
    as_csv = write_csv(tmp_path / "m.csv", ["label", "path", "image_id"], [[y, p, p[0]] for y, p in zip(labels, names)])  # noqa: B905
    pq.write_table(
        pa.table({"image_id": [p[0] for p in names], "path": names, "label": labels}), tmp_path / "m.parquet"
    )
    made = [init_project(tmp_path / f"project{i}", m) for i, m in enumerate((as_csv, tmp_path / "m.parquet"))]
    assert image_rows(made[0]) == image_rows(made[1])
    assert [row[1] for row in image_rows(made[0])] == list("01234")


def test_images_are_found_behind_an_fsspec_url(tmp_path: Path) -> None:
    filesystem = fsspec.filesystem("memory")
    draw(tmp_path / "one.png")
    for name in ("cat/1.png", "dog/1.png"):
        filesystem.pipe(f"/init-test/{name}", (tmp_path / "one.png").read_bytes())
    filesystem.pipe("/init-test/dog/2.png", b"broken")
    project = init_project(tmp_path / "project", "memory://init-test")
    assert [row[2] for row in image_rows(project)] == ["cat/1.png", "dog/1.png"]
    assert list(skipped_rows(project)) == ["dog/2.png"]
    assert project.images_root == "memory://init-test"


def test_a_source_in_which_everything_fails_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    manifest = write_csv(tmp_path / "images.csv", ["image", "label"], [["1.png", "cat"], ["2.png", "cat"]])
    with pytest.raises(DatasetError, match=r"not one of 2 rows can be used; the first, 1\.png: .*no such file"):
        init_project(tmp_path / "project", manifest)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.csv"]


@pytest.mark.parametrize(
    ("header", "message"), [(["picture", "label"], "no column names the image"), ([], "empty|no label column")]
)
def test_a_manifest_without_the_columns_it_needs_is_refused(tmp_path: Path, header: list[str], message: str) -> None:
    manifest = write_csv(tmp_path / "images.csv", header, [])
    with pytest.raises(DatasetError, match=message):
        init_project(tmp_path / "project", manifest, "imagenet-1k" if header else None)


def test_a_folder_in_use_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    draw(tmp_path / "images/cat/1.png")
    init_project(tmp_path / "project", tmp_path / "images")
    before = {path: path.read_bytes() for path in (tmp_path / "project").iterdir()}
    with pytest.raises(ProjectError, match="is a project already"):
        init_project(tmp_path / "project", tmp_path / "images")
    assert {path: path.read_bytes() for path in (tmp_path / "project").iterdir()} == before


def test_a_full_check_finds_what_a_header_hides(tmp_path: Path) -> None:
    draw(tmp_path / "images/cat/1.jpg")
    Image.effect_noise((300, 300), 50).save(tmp_path / "images/cat/cut.jpg")
    whole = (tmp_path / "images/cat/cut.jpg").read_bytes()
    (tmp_path / "images/cat/cut.jpg").write_bytes(whole[: len(whole) // 3])
    assert init_summary(init_project(tmp_path / "a", tmp_path / "images")).n_images == 2
    assert init_summary(init_project(tmp_path / "b", tmp_path / "images", check="full")).n_images == 1
    (tmp_path / "images/cat/1.jpg").write_bytes(b"")
    assert init_summary(init_project(tmp_path / "c", tmp_path / "images", check="none")).n_images == 2


def test_the_settings_say_where_images_and_examples_lie(tmp_path: Path) -> None:
    draw(tmp_path / "images/cat/1.png")
    draw(tmp_path / "examples/cat/7.png")
    init_project(tmp_path / "project", tmp_path / "images", examples=tmp_path / "examples", name="cats")
    project = open_project(tmp_path / "project")
    assert project.settings.project.name == "cats"
    assert project.images_root == str(tmp_path / "images")
    assert project.examples_root == str(tmp_path / "examples")


@given(st.sets(st.text("0123456789ab./", min_size=1, max_size=8), max_size=12), st.randoms())
def test_natural_order_does_not_depend_on_the_order_before(names: set[str], random: Random) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)
    assert sorted(shuffled, key=natural_key) == sorted(names, key=natural_key)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.text("ab./\\ ", min_size=1, max_size=12))
def test_no_path_reaches_outside_of_the_root(tmp_path: Path, path: str) -> None:
    try:
        location = join_location(str(tmp_path / "root"), path)
    except DatasetError:
        return
    assert Path(location).resolve().is_relative_to((tmp_path / "root").resolve())


@pytest.mark.shared_data
def test_real_photographs_named_by_wordnet_id_are_labelled_by_it(tmp_path: Path, shared_data: Path) -> None:
    project = init_project(tmp_path / "project", shared_data / "imagenet_samples", "imagenet-1k")
    rows = image_rows(project)
    assert len(rows) == 1000
    assert all(project.label_space[row[3]].key == Path(row[1]).stem for row in rows if row[3] is not None)
    assert init_summary(project).skipped == ()


@pytest.mark.shared_data
def test_the_imagenetv2_manifest_is_read_as_published(tmp_path: Path, shared_data: Path) -> None:
    manifest = shared_data / "imagenetv2_matched_frequency" / "images.csv"
    project = init_project(tmp_path / "project", manifest, "imagenet-1k")
    with manifest.open(newline="") as file:
        published = [(row["image"], row["wnid"]) for row in csv.DictReader(file)]
    keys = project.label_space.keys
    assert [(row[1], keys[row[3]]) for row in image_rows(project) if row[3] is not None] == published


def test_absolute_paths_in_a_manifest_just_work_wherever_they_lead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, name in (("one/a", "1.png"), ("one/b", "2.png"), ("here", "3.png")):
        (tmp_path / folder).mkdir(parents=True)
        Image.new("RGB", (8, 8), "red").save(tmp_path / folder / name)
    lists = tmp_path / "here"
    elsewhere = [tmp_path / "one/a/1.png", tmp_path / "one/b/2.png"]
    (lists / "absolute.csv").write_text("path,label\n" + "".join(f"{path},x\n" for path in elsewhere))
    (lists / "mixed.csv").write_text("path,label\n3.png,x\n" + "".join(f"{path},x\n" for path in elsewhere))
    alone = init_project(tmp_path / "p", lists / "absolute.csv")
    assert alone.images_root == str(tmp_path / "one")
    for column in ("path", "image_id"):
        assert image_columns(alone, [column]).column(0).to_pylist() == ["a/1.png", "b/2.png"]
    mixed = init_project(tmp_path / "q", lists / "mixed.csv")
    assert init_summary(mixed).skipped == ()
    tables = ProjectTables(mixed)
    assert [tables.location(i) for i in range(3)] == [str(lists / "3.png"), *map(str, elsewhere)]
    assert image_columns(mixed, ["image_id"]).column(0).to_pylist() == ["3.png", *map(str, elsewhere)]
    assert "2 images outside of" in "".join(capsys.readouterr())


@pytest.mark.parametrize("has_files", [True, False])
def test_a_table_of_absolute_paths_names_images_as_their_folder_does(tmp_path: Path, has_files: bool) -> None:
    paths = [tmp_path / "photos" / "cat" / name for name in ("1.png", "2.png")]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(path)
    pictures = [{"bytes": None, "path": str(path)} for path in paths]
    rows = {"image": pictures, "label": ["cat", "cat"]}
    pq.write_table(pa.table(rows), tmp_path / "paths.parquet")
    root = tmp_path / "photos"
    project = init_project(tmp_path / "p", tmp_path / "paths.parquet", images_root=root, has_files=has_files)
    assert image_columns(project, ["image_id"]).column(0).to_pylist() == ["cat/1.png", "cat/2.png"]
    pq.write_table(
        pa.table({"id": ["one", "/two"], "path": [*map(str, paths)], "label": ["cat"] * 2}), tmp_path / "n.parquet"
    )
    named = init_project(tmp_path / "q", tmp_path / "n.parquet", has_files=has_files)
    assert image_columns(named, ["image_id"]).column(0).to_pylist() == ["one", "/two"]


def test_a_table_of_votes_images_names_them_alike_whatever_folder_one_works_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "photos" / "1.png"
    path.parent.mkdir()
    (tmp_path / "images.csv").write_text(f"image,label\n{path},cat\n")
    space = LabelSpace((ClassInfo(0, "cat", "cat"),))
    for folder in (tmp_path, path.parent, Path("/")):
        monkeypatch.chdir(folder)
        [record] = manifest_records(str(tmp_path / "images.csv"), space, "", has_files=False)
        assert record.image_id == str(path)
