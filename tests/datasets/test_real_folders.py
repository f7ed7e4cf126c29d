"""Folders as people have them: links, names from other systems, files that storage and Windows add."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.datasets.create import init_project, init_summary
from pipeline.datasets.links import LinkedFolders
from pipeline.datasets.walking import walk, walk_files
from pipeline.errors import DatasetError
from pipeline.images.locations import IMAGE_SUFFIXES, absolute_location, relative_location
from pipeline.project.folder import Project, open_project
from pipeline.project.notices import notices_to
from pipeline.project.settings import write_settings
from pipeline.service.serving import ServedTables
from pipeline.sessions.project_tables import ProjectTables


def save(path: Path, colour: str = "teal") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path, "JPEG")
    return path


def made(folder: Path, images: Path) -> tuple[Project, list[str], list[str]]:
    """Return a project, the ids of its images, and the messages."""
    told: list[str] = []
    with notices_to(told.append):
        project = init_project(folder, images)
    tables = ProjectTables(project)
    n_images = init_summary(project).n_images
    return project, [tables.image(index)[0] for index in range(n_images)], told


def reasons(project: Project) -> dict[str | None, str]:
    return {row.path: row.reason for row in init_summary(project).skipped}


@pytest.mark.parametrize("target", ["..", ".", "../dog/../cat"])
def test_a_link_that_leads_back_is_not_followed_and_named(tmp_path: Path, target: str) -> None:
    save(tmp_path / "images/cat/a.jpg")
    save(tmp_path / "images/dog/b.jpg")
    (tmp_path / "images/cat/back").symlink_to(target)
    project, ids, _ = made(tmp_path / "p", tmp_path / "images")
    assert ids == ["cat/a.jpg", "dog/b.jpg"]
    assert "not followed" in reasons(project)["cat/back"]


def test_links_to_each_others_folders_end(tmp_path: Path) -> None:
    save(tmp_path / "images/cat/a.jpg")
    save(tmp_path / "images/dog/b.jpg")
    (tmp_path / "images/cat/dogs").symlink_to("../dog")
    (tmp_path / "images/dog/cats").symlink_to("../cat")
    found = list(walk_files(str(tmp_path / "images")))
    assert found == ["cat/a.jpg", "cat/dogs/b.jpg", "dog/b.jpg", "dog/cats/a.jpg"]


@pytest.mark.parametrize(
    "folder",
    [
        "@eaDir",
        "#recycle",
        "@Recycle",
        "#snapshot",
        "$RECYCLE.BIN",
        "System Volume Information",
        "__MACOSX",
        "lost+found",
    ],
)
def test_folders_of_the_system_hold_no_images_and_are_no_classes(tmp_path: Path, folder: str) -> None:
    save(tmp_path / "images/cat/a.jpg")
    save(tmp_path / "images/cat" / folder / "a.jpg/THUMB_M.jpg")
    save(tmp_path / "images" / folder / "b.jpg")
    project, ids, _ = made(tmp_path / "p", tmp_path / "images")
    assert (ids, project.label_space.keys) == (["cat/a.jpg"], ("cat",))
    assert {path for path, reason in reasons(project).items() if "left out" in reason} == {folder, f"cat/{folder}"}


def test_a_class_whose_name_merely_begins_so_is_a_class(tmp_path: Path) -> None:
    for name in ("@eaDirs", "#hashtag", "$100", "lost"):
        save(tmp_path / "images" / name / "a.jpg")
    project, ids, _ = made(tmp_path / "p", tmp_path / "images")
    assert len(ids) == len(project.label_space) == 4


@pytest.mark.parametrize("name", [b"Mu\xf1oz.jpg", b"\xff.jpg", "日本.jpg".encode("shift_jis")])
def test_a_name_that_is_not_utf8_is_named_and_the_rest_is_read(tmp_path: Path, name: bytes) -> None:
    picture = save(tmp_path / "images/cat/a.jpg").read_bytes()
    with open(os.fsencode(tmp_path / "images/cat") + b"/" + name, "wb") as file:  # noqa: PTH123
        file.write(picture)
    project, ids, _ = made(tmp_path / "p", tmp_path / "images")
    assert ids == ["cat/a.jpg"]
    (reason,) = reasons(project).values()
    assert "not in UTF-8: rename it" in reason


def test_a_class_folder_whose_name_is_not_utf8_does_not_stop_the_others(tmp_path: Path) -> None:
    save(tmp_path / "images/cat/a.jpg")
    strange = os.fsencode(tmp_path / "images") + b"/caf\xe9"
    os.mkdir(strange)  # noqa: PTH102
    with open(strange + b"/b.jpg", "wb") as file:  # noqa: PTH123
        file.write((tmp_path / "images/cat/a.jpg").read_bytes())
    project, ids, _ = made(tmp_path / "p", tmp_path / "images")
    assert ids == ["cat/a.jpg"]
    assert list(reasons(project)) == ["caf\\xe9/b.jpg"]


def test_names_with_backslashes_are_folders_and_their_files_are_found(tmp_path: Path) -> None:
    for name in ("cat\\a.jpg", "cat\\more\\b.jpg", "dog\\a.jpg"):
        save(tmp_path / "images" / name)
    project, ids, told = made(tmp_path / "p", tmp_path / "images")
    assert ids == ["cat/a.jpg", "cat/more/b.jpg", "dog/a.jpg"]
    assert project.label_space.keys == ("cat", "dog")
    assert all(Path(ProjectTables(project).location(index)).is_file() for index in range(3))
    assert "3 file names hold backslashes" in told[0]


def test_a_pipe_among_images_is_left_out_and_not_waited_for(tmp_path: Path) -> None:
    save(tmp_path / "images/cat/a.jpg")
    os.mkfifo(tmp_path / "images/cat/b.jpg")
    project, ids, _ = made(tmp_path / "p", tmp_path / "images")
    assert ids == ["cat/a.jpg"]
    assert reasons(project)["cat/b.jpg"] == "neither a file nor a folder: left out"


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES)[::3])
@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_images_are_known_by_any_suffix_that_they_go_by(tmp_path: Path, suffix: str, change: object) -> None:
    save(tmp_path / "images/cat" / f"a{change(suffix)}")  # type: ignore[operator]
    assert len(made(tmp_path / "p", tmp_path / "images")[1]) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [("a.cr2", "a camera's raw format"), ("a.SVG", "SVG"), ("a.mp4", "a video"), ("a.txt", "does not end like one")],
)
def test_what_is_skipped_by_its_name_is_called_what_it_is(tmp_path: Path, name: str, reason: str) -> None:
    save(tmp_path / "images/cat/a.jpg")
    (tmp_path / "images/cat" / name).write_bytes(b"x")
    assert reason in reasons(made(tmp_path / "p", tmp_path / "images")[0])[f"cat/{name}"]


def linked(folder: Path, layout: str, n: int = 40) -> Path:
    """Return images that are links, as a tool keeps them: its cache lies beside them, under the tool's own names."""
    for number in range(n):
        name = f"{number:02x}{number:030x}"
        target = {
            "git-annex": f".git/annex/objects/{name[:2]}/{name[2:4]}/{name}.jpg/{name}.jpg",
            "DVC": f"cache/files/md5/{name[:2]}/{name[2:]}",
            "Hugging Face": f"hub/datasets--birds/blobs/{name}",
        }[layout]
        save(folder / target, "teal")
        link = folder / "images" / f"c{number % 2}" / f"{number}.jpg"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(folder / target, link.parent))
    return folder / "images"


@pytest.mark.parametrize(
    ("layout", "root"),
    [("git-annex", ".git/annex/objects"), ("DVC", "cache/files/md5"), ("Hugging Face", "hub/datasets--birds/blobs")],
)
def test_images_that_are_links_into_a_cache_are_served_and_nothing_else_beside_it(
    tmp_path: Path, layout: str, root: str
) -> None:
    images = linked(tmp_path / "lab", layout)
    project, ids, told = made(tmp_path / "lab" / "birds", images)
    assert project.settings.project.link_roots == [str(tmp_path / "lab" / root)]
    assert "40 images are links to files outside" in told[-1]
    assert "link_roots in mlf.toml" in told[-1]
    tables = ServedTables(open_project(tmp_path / "lab" / "birds"))
    assert all(tables.location(index) for index in range(len(ids)))
    # Replaced behind the hub's back by a link to somebody's own files.
    own = save(tmp_path / "home" / "private.jpg")
    (images / "c0" / "0.jpg").unlink()
    (images / "c0" / "0.jpg").symlink_to(own)
    with pytest.raises(DatasetError, match=r"0\.jpg' is a link that leads out of the project's images"):
        tables.location(0)


def test_a_home_folder_or_one_above_the_images_is_never_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    images = save(tmp_path / "data" / "images" / "cat" / "a.jpg").parents[1]
    for place in (tmp_path / "home" / "x.jpg", tmp_path / "data" / "y.jpg"):
        save(place)
        (images / "cat" / place.name).symlink_to(place)
    project, ids, told = made(tmp_path / "p", images)
    assert len(ids) == 3
    assert project.settings.project.link_roots == []
    assert f"does not serve those that lie directly in {tmp_path / 'data'}, {tmp_path / 'home'}" in told[-1]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.lists(st.sampled_from("abcdefghijkl"), min_size=1, max_size=4), min_size=1, max_size=30))
def test_every_link_is_below_a_named_folder_and_none_is_above_the_images(
    tmp_path: Path, places: list[list[str]]
) -> None:
    images = tmp_path / "lab" / "images"
    images.mkdir(parents=True, exist_ok=True)
    links = LinkedFolders(str(images), tmp_path / "project")
    for number, parts in enumerate(places):
        link = images / f"{number}.jpg"
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / "cache" / Path(*parts) / "file.jpg")
        links.add(link.name)
    roots = [Path(root) for root in links.roots()]
    for parts in places:
        assert any((tmp_path / "cache" / Path(*parts)).is_relative_to(root) for root in roots)
    assert all(root.is_relative_to(tmp_path / "cache") for root in roots)


def test_a_link_to_content_that_is_not_there_is_told_with_how_to_fetch_it(tmp_path: Path) -> None:
    save(tmp_path / "images/cat/a.jpg")
    (tmp_path / "images/cat/b.jpg").symlink_to("../../.git/annex/objects/gone.jpg")
    project, ids, _ = made(tmp_path / "p", tmp_path / "images")
    assert ids == ["cat/a.jpg"]
    assert "git annex get" in reasons(project)["cat/b.jpg"]


def test_a_link_keeps_its_suffix_its_folder_and_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs/3f2a").write_text("image,label\na.jpg,cat\n")
    save(tmp_path / "snapshots/a.jpg")
    (tmp_path / "snapshots/images.csv").symlink_to("../blobs/3f2a")
    monkeypatch.chdir(tmp_path / "blobs")
    _, ids, _ = made(tmp_path / "p", Path("../snapshots/images.csv"))
    assert ids == ["a.jpg"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert absolute_location("~/snapshots/images.csv") == str(tmp_path / "snapshots/images.csv")
    (tmp_path / "shortcut").symlink_to("snapshots")
    for known in ("shortcut", "snapshots"):
        assert relative_location(str(tmp_path / known / "a.jpg"), str(tmp_path / "shortcut")) == "a.jpg"


def test_settings_keep_the_folders_that_links_may_lead_to(tmp_path: Path) -> None:
    save(tmp_path / "images/cat/a.jpg")
    project = made(tmp_path / "p", tmp_path / "images")[0]
    changed = project.settings.with_changes("project", link_roots=["/mnt/cache", "~/x", "here"], images_root="~/photos")
    write_settings(changed, project.root / "mlf.toml")
    opened = open_project(project.root)
    assert opened.link_roots == ["/mnt/cache", str(Path.home() / "x"), str(tmp_path / "p" / "here")]
    assert opened.images_root == str(Path.home() / "photos")


def test_an_unreadable_walk_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder of images"):
        list(walk(str(tmp_path / "gone")))
