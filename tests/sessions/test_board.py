"""The progress board: counted against plain loops, live, with names that cannot run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner

from mlf_widgets.board import ProgressBoard, board_html
from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.folding import ImageState
from pipeline.commands.status import status
from pipeline.datasets.create import init_project
from pipeline.errors import ServiceError, StoreError
from pipeline.service.board_client import RemoteBoard
from pipeline.sessions.board import BOARD, Board, BoardReader, peer_agreement
from pipeline.store import Assignment, SqlStore, open_store
from pipeline.votes.words import Round

NASTY = "<img src=x onerror=alert(1)>&\"'"
_numbers = count()


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    made = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}", 10)
    made.add_annotators(["ada", "ben", NASTY])
    made.add_annotators(["robot"], kind="simulated")
    made.assign(
        Round.ANNOTATION,
        [Assignment(name, image) for name in ("ada", "ben") for image in range(4)]
        + [Assignment("ada", 9, is_gold=True), Assignment(NASTY, 0), Assignment("robot", 3)],
    )
    return made


def vote(store: SqlStore, annotator: str, image: int, label: int, shown: tuple[int, ...], active_ms: int = 0) -> None:
    payload = {"class_index": label, "vote": "yes"}
    event = Event(
        f"event-{next(_numbers):06d}", Round.ANNOTATION, annotator, image, EventKind.VOTE, payload, shown, active_ms
    )
    assert store.append([event])[0].seq


def row_of(board: Board, name: str):
    return next(row for row in board.rows if row.annotator == name)


def test_counts_pace_and_gold_of_one_annotator(store: SqlStore) -> None:
    vote(store, "ada", 0, 1, (0, 1), 4000)
    vote(store, "ada", 1, 1, (0, 1), 8000)
    vote(store, "ada", 9, 5, (5, 6), 30000)
    ada = row_of(BoardReader(store, answers={9: frozenset({5})}).read(), "ada")
    assert (ada.n_done, ada.n_left) == (3, 2)
    assert (ada.seconds_per_image, ada.n_timed) == (8.0, 3)
    assert ada.hours_left == pytest.approx(2 * 8 / 3600)
    assert (ada.gold.n_exact, ada.gold.n_decided) == (1, 1)
    assert not ada.is_idle


def test_agreement_compares_only_classes_that_both_were_shown() -> None:
    states = {
        0: {
            "ada": ImageState(votes={0: "yes"}, shown=(0, 1, 2)),
            "ben": ImageState(votes={0: "yes", 1: "yes"}, shown=(0, 1)),
            "cleo": ImageState(shown=(0,)),  # undecided
        },
        1: {"ben": ImageState(none=True, shown=(3,))},
    }
    assert peer_agreement("ada", states) == peer_agreement("ben", states) == (1, 2)
    assert peer_agreement("cleo", states) == (0, 0)


def test_a_second_reading_equals_a_fresh_one(store: SqlStore) -> None:
    reader = BoardReader(store)
    reader.read()
    vote(store, "ada", 2, 1, (0, 1), 1000)
    vote(store, "ben", 2, 0, (0, 1), 3000)
    store.assign(Round.ANNOTATION, [Assignment("ben", 8)])
    now = datetime.now(UTC)
    assert reader.read(now) == BoardReader(store).read(now)
    vote(store, "ben", 8, 0, (0, 1))
    assert reader.read(now) == BoardReader(store).read(now)
    assert row_of(reader.read(now), "ada").n_peer_votes == 2


def test_silence_of_a_day_with_work_left_is_idle_and_finished_work_is_not(store: SqlStore) -> None:
    vote(store, "ada", 0, 1, (1,))
    vote(store, "robot", 3, 1, (1,))
    board = BoardReader(store).read(datetime.now(UTC) + timedelta(hours=25))
    assert {row.annotator: row.is_idle for row in board.rows} == {"ada": True, "ben": True, NASTY: True, "robot": False}
    assert row_of(board, "robot").is_simulated


def test_a_board_survives_its_way_through_json(store: SqlStore) -> None:
    vote(store, "ada", 0, 1, (1,), 500)
    board = BoardReader(store).read()
    assert BOARD.validate_json(BOARD.dump_json(board)) == board


def test_a_service_that_is_away_for_a_moment_is_asked_again_and_one_that_refuses_is_not(store: SqlStore) -> None:
    board = BoardReader(store).read()
    refusal = {"code": "Forbidden", "message": "only researchers may see this"}
    answers = [
        httpx.Response(503),
        httpx.ConnectError("away"),
        httpx.Response(200, content=BOARD.dump_json(board)),
        httpx.Response(403, json=refusal),
    ]
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        found = answers[len(asked) - 1]
        if isinstance(found, httpx.Response):
            return found
        raise found

    client = httpx.Client(transport=httpx.MockTransport(answer))
    remote = RemoteBoard("http://hub/services/mlf", "token", client=client, sleep=lambda _: None)
    assert remote.read("annotation") == board
    with pytest.raises(ServiceError, match="only researchers"):
        remote.read(Round.REFINEMENT)
    assert asked == [f"/services/mlf/api/rounds/{name}/board" for name in (*["annotation"] * 3, "refinement")]


def test_names_are_shown_as_text_and_never_as_markup(store: SqlStore) -> None:
    from html.parser import HTMLParser

    tags: list[str] = []
    texts: list[str] = []

    class Collector(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the parser's signature
            tags.append(tag)

        def handle_data(self, data: str) -> None:
            texts.append(data)

    Collector().feed(board_html(BoardReader(store).read()))
    assert "img" not in tags
    assert NASTY in texts


def test_every_column_and_row_has_a_heading_that_screen_readers_know(store: SqlStore) -> None:
    html = board_html(BoardReader(store).read())
    assert html.count('scope="col"') == 9
    assert html.count('scope="row"') == 4
    assert "<caption>" in html
    assert html.count("aria-label=") == 4


def test_a_board_without_tasks_says_what_to_do(tmp_path: Path) -> None:
    empty = open_store(f"sqlite:///{tmp_path / 'empty.sqlite'}", 3)
    assert "mlf assign" in board_html(BoardReader(empty).read())


def test_a_store_that_is_away_leaves_the_last_board_and_says_so(store: SqlStore) -> None:
    boards = [BoardReader(store).read()]

    def read() -> Board:
        if boards:
            return boards.pop()
        raise StoreError("the store is <away>")

    widget = ProgressBoard(read, every_s=0)
    widget.refresh()
    assert "ada" in widget.value
    assert "Not up to date: the store is &lt;away&gt;" in widget.value


def test_status_names_the_stages_and_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_text("image,label\none,a\ntwo,b\n")
    project = init_project(tmp_path / "birds", tmp_path / "images.csv")
    app = typer.Typer()
    app.command()(status)
    output = CliRunner().invoke(app, [str(project.root)], catch_exceptions=False).output
    assert "[x] images         2 images" in output
    assert "[ ] proposals" in output
    assert "Next: mlf propose" in output
