"""A project whose images lie in larger files: sessions, examples, reports, exports and copies read them there."""

from __future__ import annotations

import io
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import run_mlf
from packed_inputs import contents, picture, write_tar
from PIL import Image

from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.session import Picture, Unreadable
from pipeline.examples.choice import example_candidates, groups_of_candidates
from pipeline.project.folder import Project, open_project
from pipeline.reports.thumbnails import thumbnail
from pipeline.service.serving import ServedSession, ServedTables
from pipeline.stages.settle import settle_project
from pipeline.store import open_project_store
from pipeline.votes.words import Round

KEYS = ("cat", "dog")
N_IMAGES = 8


def _shards(folder: Path) -> None:
    for key in KEYS:  # a shard named after its class must give nothing away
        members = {}
        for i in (i for i in range(N_IMAGES) if KEYS[i % 2] == key):
            members |= {f"{i}.png": picture(i), f"{i}.cls": key.encode()}
        write_tar(folder / f"{key}-0.tar", members)


def _parquet(folder: Path) -> None:
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    image = pa.array([{"bytes": picture(i), "path": f"{i}.png"} for i in range(N_IMAGES)], kind)
    folder.mkdir()
    table = pa.table({"image": image, "label": [KEYS[i % 2] for i in range(N_IMAGES)]})
    pq.write_table(table, folder / "train-00000-of-00001.parquet", row_group_size=3)


@pytest.fixture(params=[_shards, _parquet], ids=["shards", "parquet"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """Return a project with proposals and an annotator."""
    request.param(tmp_path / "packed")
    return _with_annotator(tmp_path, "--images", tmp_path / "packed")


def _with_annotator(folder: Path, *options: object, n_images: int = N_IMAGES) -> Project:
    run_mlf("init", folder / "p", *options)
    np.savez(folder / "top.npz", model=np.array([[0, 1]] * n_images))
    run_mlf("propose", folder / "p", "--from-predictions", folder / "top.npz")
    run_mlf("assign", folder / "p", "--annotators", "ann", "--per-image", "1")
    return open_project(folder / "p")


def _decide(project: Project) -> None:
    with open_project_store(project) as store:
        session = ServedSession(ServedTables(project), store, "ann", Round.ANNOTATION)
        payload = {"class_index": 1, "vote": "yes"}
        events = [
            Event(f"event-{i:04d}-of-ann", Round.ANNOTATION, "ann", i, EventKind.VOTE, payload, (0, 1))
            for i in range(N_IMAGES)
        ]
        assert [saved.error for saved in session.save(events)] == [""] * N_IMAGES
    settle_project(project)


def pixels(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as image:
        return image.size


def test_sessions_show_images_and_examples_and_never_the_name_of_a_shard(project: Project, tmp_path: Path) -> None:
    with open_project_store(project) as store:
        session = ServedSession(ServedTables(project), store, "ann", Round.ANNOTATION)
        assert all(isinstance(shown, Picture) for shown in session.images(range(N_IMAGES), 64))
        assert pixels(session.image(0, None).data) == (8, 6)
        group = session.tasks([0])[0].example_group
        assert session.sprite(0, group).data
        assert pixels(session.example(0, 0, group).data) == (8, 6)
        for path in (tmp_path / "packed").iterdir():
            path.write_bytes(path.read_bytes()[:100])
        session = ServedSession(ServedTables(project), store, "ann", Round.ANNOTATION)
        for lost in session.images(range(N_IMAGES), 64):
            assert isinstance(lost, Unreadable)
            assert "the file" in lost.reason
            assert not any(key in lost.reason for key in KEYS)


def test_a_session_names_no_member_of_a_shard_that_is_written_anew(tmp_path: Path) -> None:
    for i in range(2):  # both have the name, so that the id is another one
        write_tar(tmp_path / f"s/s-{i}.tar", {"cat/1.png": picture(i), "cat/1.cls": b"cat"})
    (tmp_path / "classes.txt").write_text("\n".join(KEYS))
    project = _with_annotator(tmp_path, "--images", tmp_path / "s", "--classes", tmp_path / "classes.txt", n_images=2)
    write_tar(tmp_path / "s/s-0.tar", {"other.png": picture(9), "cat/1.png": picture(0)})
    with open_project_store(project) as store:
        session = ServedSession(ServedTables(project), store, "ann", Round.ANNOTATION)
        lost = [shown.reason for shown in session.images(range(2), 64) if isinstance(shown, Unreadable)]
    assert len(lost) == 1
    assert "is not where it was" in lost[0]
    assert "cat" not in lost[0]


def test_an_export_gives_pictures_without_a_name_the_ending_of_their_kind(tmp_path: Path) -> None:
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    image = pa.array([{"bytes": picture(i), "path": None} for i in range(N_IMAGES)], kind)
    pq.write_table(pa.table({"image": image, "label": [KEYS[i % 2] for i in range(N_IMAGES)]}), tmp_path / "d.parquet")
    project = _with_annotator(tmp_path, "--images", tmp_path / "d.parquet")
    _decide(project)
    told = run_mlf("export", project.root, "--format", "hugging-face", "--out", tmp_path / "out")
    assert "are links" not in told
    assert (tmp_path / "out/d/3.png").read_bytes() == picture(3)
    read = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert sorted(read["image_id"]) == [f"d/{i}" for i in range(N_IMAGES)]
    run_mlf("export", project.root, "--format", "imagenet-txt", "--out", tmp_path / "list")
    assert "d/3.png" in "".join(file.read_text() for file in (tmp_path / "list").rglob("*.txt"))


def test_reports_exports_and_copies_have_the_images(project: Project, tmp_path: Path) -> None:
    _decide(project)
    [path, *_] = pq.read_table(project.images_path)["path"].to_pylist()
    assert "data:image/jpeg;base64" in thumbnail(project, path, "a picture", 32)
    run_mlf("export", project.root, "--format", "hugging-face", "--out", tmp_path / "out")
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").glob("*.png")} == {
        f"{i}.png": picture(i) for i in range(N_IMAGES)
    }
    run_mlf("backup", project.root, tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(project.root)


def test_an_example_that_is_a_copy_of_an_image_in_a_shard_is_known_as_that_image(tmp_path: Path) -> None:
    _shards(tmp_path / "packed")
    for i, name in enumerate(("0.png", "1.png", "another.png")):
        file = tmp_path / "examples" / KEYS[i % 2] / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(i))
    run_mlf("init", tmp_path / "p", "--images", tmp_path / "packed", "--examples", tmp_path / "examples")
    project = open_project(tmp_path / "p")
    assert sorted(groups_of_candidates(project, example_candidates(project))) == ["cat/0.png", "dog/1.png"]
