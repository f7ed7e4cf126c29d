"""The file behind the site's explorer: images that can be read have a thumbnail, and everybody's word is in it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.explorer import ExplorerFilter
from pipeline.datasets.create import init_project
from pipeline.project.folder import Project
from pipeline.reports import explorer_data
from pipeline.reports.explorer_data import write_explorer
from pipeline.sessions.local_explorer import LocalExplorer
from pipeline.store import Assignment, open_project_store
from pipeline.votes.words import Round


def test_images_in_further_folders_have_thumbnails(tmp_path: Path) -> None:
    for folder in ("here", "elsewhere"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (8, 8), "red").save(tmp_path / folder / "1.png")
    manifest = tmp_path / "here" / "images.csv"
    manifest.write_text(f"path,label\n1.png,x\n{tmp_path / 'elsewhere' / '1.png'},x\n")
    project = init_project(tmp_path / "project", manifest)
    assert project.image_folders
    written = write_explorer(project, project.reports_dir)
    assert (written.n_thumbnails, written.n_unreadable) == (2, 0)


@pytest.fixture
def voted(tmp_path: Path) -> Project:
    """Return a project of four images: two people differ on the second, one only comments on the third."""
    manifest = tmp_path / "images.csv"
    manifest.write_text("image_id,label\na,x\nb,y\nc,x\nd,y\n")
    project = init_project(tmp_path / "project", manifest)

    def said(who: str, image: int, kind: EventKind, **given: Any) -> Event:
        return Event(uuid.uuid4().hex, Round.ANNOTATION, who, image, kind, given, (0, 1), 100)

    with open_project_store(project) as store:
        store.add_annotators(["ada", "ben"])
        store.assign(Round.ANNOTATION, [Assignment(name, image) for name in ("ada", "ben") for image in range(4)])
        results = store.append(
            [
                said("ben", 1, EventKind.VOTE, class_index=1, vote="yes"),
                said("ada", 1, EventKind.VOTE, class_index=0, vote="yes"),
                said("ada", 1, EventKind.COMMENT, text="dark"),
                said("ada", 2, EventKind.NONE, value=True),
                said("ben", 2, EventKind.COMMENT, text="only words"),
            ]
        )
        assert all(result.seq for result in results)
    return project


def read_data(project: Project) -> dict[str, Any]:
    text = (project.reports_dir / "explorer_data.js").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text.removeprefix("window.mlfSite=").rstrip().removesuffix(";"))
    return found


def test_everybodys_word_is_as_the_explorer_in_a_notebook_shows_it(voted: Project) -> None:
    written = write_explorer(voted, voted.reports_dir)
    assert written.n_thumbnails == 0
    assert "None has a thumbnail" in written.notice
    data = read_data(voted)
    people = [person["name"] for person in data["people"]]
    page = LocalExplorer(voted).page(ExplorerFilter(), 0, 10)
    for image in page.images:
        shown = [
            [people[who], labels, none, unsure, text]
            for who, labels, none, unsure, text in data["words"][image.image_index]
        ]
        assert shown == [[w.annotator, list(w.labels), w.none, w.unsure, w.comment] for w in image.words]
        assert data["nOpen"][image.image_index] == len(image.open_labels)
    assert data["disagreement"] == [-1, 1000, -1, -1]  # who only comments has decided nothing
    assert data["numbers"] is None


def test_of_very_many_images_some_are_listed_by_their_numbers(voted: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    voted.refined_labels_path.parent.mkdir(parents=True, exist_ok=True)
    labels = {"image_index": [0, 1, 2, 3], "class_index": [0, 0, 0, 0], "source": ["agreed"] * 4}
    pq.write_table(pa.table(labels), voted.refined_labels_path)  # the second and the last are no longer y
    monkeypatch.setattr(explorer_data, "MOST_LISTED", 2)
    written = write_explorer(voted, voted.reports_dir)
    assert "2 of 4 images are listed" in written.notice
    data = read_data(voted)
    assert (data["numbers"], data["ids"], data["disagreement"]) == ([1, 3], ["b", "d"], [1000, -1])
