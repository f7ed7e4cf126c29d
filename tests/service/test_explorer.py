"""The explorer, with all images and what everybody said: from the folder, and by the service for researchers only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from serving import ServiceProcess, StubHub, assign_small, make_project, vote, with_store

from pipeline.annotation.events import EventKind
from pipeline.annotation.explorer import Disagreement, ExplorerFilter, ExplorerSource, Person, PersonsWord
from pipeline.annotation.session import TaskFilter, Unreadable
from pipeline.errors import DatasetError, ServiceError, StoreError
from pipeline.project.folder import Project
from pipeline.service.app import create_app
from pipeline.service.explorer_client import RemoteExplorer
from pipeline.service.identity import Caller
from pipeline.sessions.local_explorer import LocalExplorer
from pipeline.store import open_store
from pipeline.votes.words import Round

KINDS = ["local", "service-sqlite", pytest.param("service-postgres", marks=pytest.mark.postgres)]


def say(project: Project) -> None:
    """Ann and ben agree on image 1 and differ on 2; only ann has decided 3; ben comments on 4 and is unsure on 5."""
    with open_store(project.store_url, 6) as store:
        said = {"text": "<i>hm</i>"}
        comment = replace(vote("explored-b-4", 4, annotator="ben"), kind=EventKind.COMMENT, payload=said)
        results = store.append(
            [
                vote("explored-a-1", 1, 1, shown=(0, 1)),
                vote("explored-b-1", 1, 1, annotator="ben", shown=(0, 1)),
                vote("explored-a-2", 2, 2, shown=(2, 3)),
                vote("explored-b-2", 2, 3, annotator="ben", shown=(2, 3)),
                vote("explored-a-3", 3, 5),
                comment,
                vote("explored-b-5", 5, 0, "unsure", annotator="ben"),
                vote("explored-c-2", 2, 2, annotator="cleo", round=Round.REFINEMENT),
            ]
        )
        assert all(result.seq for result in results)


@pytest.fixture(scope="module", params=KINDS)
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExplorerSource]:
    project = make_project(tmp_path_factory.mktemp("place"))
    if request.param == "service-postgres":
        project = with_store(project, request.getfixturevalue("postgres").new_database())
        assign_small(project)
    say(project)
    if request.param == "local":
        yield LocalExplorer(project)
        return
    with StubHub() as hub, ServiceProcess(project, hub) as service:
        yield RemoteExplorer(service.url, "token-rea")


def shown(source: ExplorerSource, **which: object) -> list[int]:
    """Indices of the images that pass."""
    return [image.image_index for image in source.page(ExplorerFilter(**which), 0, 100).images]  # type: ignore[arg-type]


def test_it_opens_with_everybody_who_has_tasks(source: ExplorerSource) -> None:
    info = source.open()
    assert (info.project_name, info.n_images, info.n_classes) == ("small", 12, 6)
    assert info.people == (Person("ann", "human"), Person("ben", "human"), Person("cleo", "human"))
    assert source.label_space().names[2] == "class 2"


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ({}, list(range(12))),
        ({"annotator": "ann"}, list(range(10))),
        ({"annotator": "ann", "which": TaskFilter.DONE}, [1, 2, 3]),
        ({"annotator": "ann", "which": TaskFilter.NOT_DONE}, [0, 4, 5, 6, 7, 8, 9]),
        ({"which": TaskFilter.DONE}, [1, 2, 3, 5]),
        ({"which": TaskFilter.UNSURE}, [5]),
        ({"which": TaskFilter.COMMENTED}, [4]),
        ({"disagreement": Disagreement.DISPUTED}, [2]),
        ({"disagreement": Disagreement.AGREED}, [1]),
        ({"disagreement": Disagreement.OPEN}, [2, 5]),  # only ben decided 5, and is unsure
        ({"annotator": "cleo"}, []),
        ({"annotator": "cleo", "round": Round.REFINEMENT}, [0, 1, 2, 3]),
        ({"annotator": "cleo", "round": Round.REFINEMENT, "which": TaskFilter.DONE}, [2]),
        ({"class_index": 5}, [2, 3, 4, 5, 8, 9, 10, 11]),  # proposed for 2 to 5 and 8 to 11, ticked on 3
        ({"class_index": 0, "which": TaskFilter.UNSURE}, [5]),
        ({"class_index": 1, "disagreement": Disagreement.OPEN}, [5]),
        ({"class_index": 0, "annotator": "ann", "which": TaskFilter.DONE}, [3]),
    ],
)
def test_images_pass_everything_that_is_set(
    source: ExplorerSource, which: dict[str, object], expected: list[int]
) -> None:
    assert shown(source, **which) == expected


def test_an_image_comes_with_everybodys_words_on_the_class_asked_about(source: ExplorerSource) -> None:
    page = source.page(ExplorerFilter(class_index=3, disagreement=Disagreement.DISPUTED), 0, 10)
    (image,) = (image for image in page.images if image.image_index == 2)
    assert (image.image_id, image.has_image, image.original_label) == ("2.png", True, 2)
    assert (image.is_disputed, image.open_labels) == (True, (2, 3))
    assert image.words == (PersonsWord("ann", (2,), "no"), PersonsWord("ben", (3,), "yes"))
    (refined,) = source.page(ExplorerFilter(round=Round.REFINEMENT, which=TaskFilter.DONE), 0, 10).images
    assert refined.words == (PersonsWord("cleo", (2,)),)
    assert (refined.is_disputed, refined.open_labels) == (True, (2, 3))


def test_pages_are_parts_of_one_list(source: ExplorerSource) -> None:
    pages = [source.page(ExplorerFilter(), start, 5) for start in (0, 5, 10)]
    assert {page.n_total for page in pages} == {12}
    assert [image.image_index for page in pages for image in page.images] == list(range(12))


def test_pictures_are_small_and_one_that_is_not_there_keeps_none_of_the_others(source: ExplorerSource) -> None:
    first, missing, last = source.images([11, 99, 0], 32)
    assert not isinstance(first, Unreadable)
    assert not isinstance(last, Unreadable)
    assert (first.width_px, first.height_px) == (80, 60)  # the size of the original
    assert max(Image.open(BytesIO(first.data)).size) == 32
    assert isinstance(missing, Unreadable)


def test_what_is_not_there_is_named(source: ExplorerSource) -> None:
    with pytest.raises(DatasetError, match="no class 6"):
        source.page(ExplorerFilter(class_index=6), 0, 1)
    with pytest.raises((StoreError, ServiceError)):
        source.page(ExplorerFilter(), 0, 201)


def test_what_comes_in_while_one_looks_is_seen(tmp_path) -> None:
    project = make_project(tmp_path)
    source = LocalExplorer(project)
    assert shown(source, disagreement=Disagreement.DISPUTED) == []
    say(project)
    assert shown(source, disagreement=Disagreement.DISPUTED) == [2]
    assert shown(source, disagreement=Disagreement.OPEN) == [2, 5]


def test_only_researchers_explore_through_the_service(project: Project) -> None:
    people = StubHub().people

    class Known:
        async def caller(self, token: str) -> Caller | None:
            found = people.get(token)
            return Caller(found["name"], frozenset(found["groups"])) if found else None

    with TestClient(create_app(project, Known())) as client:
        for name in ("ann", "ben", "cleo", "rev", "nob"):
            source = RemoteExplorer("http://testserver/services/mlf", f"token-{name}", client=client)
            for ask in (
                source.open,
                source.label_space,
                lambda source=source: source.page(ExplorerFilter(), 0, 1),
                lambda source=source: source.images([0], 32),
            ):
                with pytest.raises(ServiceError, match="only researchers"):
                    ask()
        assert client.get("/services/mlf/api/explorer/page").status_code == 401
