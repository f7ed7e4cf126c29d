"""The grid in JupyterLab: one class, many images, ticks that say nothing about any other class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from axe import complaints, set_theme
from lab_server import LabServer, write_notebook
from person import OPEN_TIMEOUT_MS, Person, new_name
from playwright.sync_api import BrowserContext, Locator, expect

from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.folding import ImageState
from pipeline.project.folder import Project
from pipeline.sessions.local import LocalSession
from pipeline.sessions.project_tables import ProjectTables
from pipeline.votes.words import Round


@dataclass
class GridPerson(Person):
    """An annotator in front of the grid, or somebody in front of the explorer."""

    widget: str = "grid"

    @property
    def root(self) -> Locator:
        """The widget."""
        return self.page.locator(f'[data-mlf="{self.widget}"]')

    def clicks_in_the_widget(self) -> None:
        """Give the widget the keyboard."""
        self.root.locator(".mlf-grid-words").click(position={"x": 5, "y": 5})

    def tile(self, position: int) -> Locator:
        """The checkbox of the task at a position (from 0)."""
        return self.root.locator(f'input[type=checkbox][data-position="{position}"]')

    def shown_positions(self) -> list[int]:
        """The tasks on this page, in order."""
        boxes = self.root.locator("input[type=checkbox][data-position]").all()
        return [int(box.get_attribute("data-position") or -1) for box in boxes]

    def states(self) -> dict[int, ImageState]:
        """What the store holds, by position, for the images that somebody has said something about."""
        session = self.session()
        tasks = session.tasks(range(session.open().progress.n_tasks))
        return {task.position: task.state for task in tasks if task.state.last_seq}

    def hears(self, words: str) -> None:
        """Wait until the widget announces these words."""
        expect(self.root.locator(".mlf-said")).to_contain_text(words)


@pytest.fixture
def sit_at_grid(lab: LabServer, context: BrowserContext) -> Iterator[Callable[..., GridPerson]]:
    """Return a function that opens a grid for ada, with a class of the project."""
    people: list[GridPerson] = []

    def sit_down(project: Project, class_index: int | None) -> GridPerson:
        name = f"{new_name(lab.folder, 'grid')}.ipynb"
        key = "" if class_index is None else project.label_space[class_index].key
        opening = f"from mlf_widgets import open_grid\n\nopen_grid({str(project.root)!r}, 'ada', class_name={key!r})"
        write_notebook(lab, name, opening)
        ada = GridPerson(context.new_page(), lab, name, project, "ada")
        people.append(ada)
        ada.open()
        ada.clicks_in_the_widget()
        return ada

    yield sit_down
    for person in people:
        person.page.close()
        lab.end_kernel(person.notebook)


def common_class(project: Project) -> tuple[int, tuple[int, ...]]:
    """A class that many of ada's images were offered, and their positions."""
    session = GridPerson(None, None, "", project, "ada").session()  # type: ignore[arg-type]
    pages = [session.grid(class_index, 0, 100) for class_index in range(len(project.label_space))]
    page = max(pages, key=lambda page: page.n_total)
    assert page.class_index is not None
    return page.class_index, page.positions


def test_ticks_by_key_and_by_click_are_votes_on_this_class_alone(make_toybox, sit_at_grid) -> None:
    project = make_toybox("ada")
    class_index, positions = common_class(project)
    ada = sit_at_grid(project, class_index)
    assert ada.shown_positions() == list(positions)
    ada.presses("Space", "ArrowRight", "n", "ArrowRight", "u", "ArrowRight", "Enter", "Enter")
    ada.tile(positions[4]).click()
    expect(ada.tile(positions[0])).to_be_checked()
    expect(ada.tile(positions[3])).not_to_be_checked()
    expect(ada.tile(positions[4])).to_be_checked()
    ada.is_told_saved()
    expected = {0: {class_index: "yes"}, 1: {class_index: "no"}, 2: {class_index: "unsure"}, 3: {}}
    expected[4] = {class_index: "yes"}
    states = ada.states()
    assert {number: dict(states[positions[number]].votes) for number in range(5)} == expected
    # Only the class that was asked about was shown, so no other class got a vote or a `no`.
    assert {state.shown for state in states.values()} == {(class_index,)}
    assert set(states) == set(positions[:5])


def test_a_confirmed_page_says_no_of_what_was_on_screen_and_goes_back_as_one(make_toybox, sit_at_grid) -> None:
    project = make_toybox("ada")
    class_index, positions = common_class(project)
    ada = sit_at_grid(project, class_index)
    ada.presses("ArrowRight", "Space")
    ada.does("confirm")
    ada.hears("confirmed")
    ada.is_told_saved()
    votes = {position: dict(state.votes) for position, state in ada.states().items()}
    assert votes.pop(positions[1]) == {class_index: "yes"}
    assert votes
    assert all(vote == {class_index: "no"} for vote in votes.values())
    while ada.root.get_by_text("Page confirmed").count() == 0:  # rows that were not on screen yet come into view
        n_before = len(ada.states())
        ada.sees_an_image()
        ada.has_looked()
        ada.presses("c")
        ada.hears("confirmed")
        ada.is_told_saved()
        assert len(ada.states()) > n_before
    assert len(ada.states()) == len(positions)
    while any(state.is_decided for state in ada.states().values()):
        n_decided = sum(state.is_decided for state in ada.states().values())
        ada.presses("z")
        ada.hears("Undone")
        ada.is_told_saved()
        n_left = sum(state.is_decided for state in ada.states().values())
        assert n_left < n_decided
    ada.presses("Shift+Z")
    ada.hears("Redone")
    ada.is_told_saved()
    assert [dict(s.votes) for s in ada.states().values() if s.is_decided] == [{class_index: "yes"}]


def test_what_an_annotator_never_saw_gets_no_word_when_the_grid_decides_the_image(make_toybox, sit_at_grid) -> None:
    project = make_toybox("ada")
    class_index, positions = common_class(project)
    ada = sit_at_grid(project, class_index)
    ada.presses("Space")
    ada.is_told_saved()
    assert ada.states()[positions[0]].exposed_votes() == {class_index: "yes"}


def test_everything_is_there_again_after_a_reload(make_toybox, sit_at_grid) -> None:
    project = make_toybox("ada")
    class_index, positions = common_class(project)
    ada = sit_at_grid(project, class_index)
    ada.presses("Space", "ArrowRight", "u")
    ada.is_told_saved()
    ada.reloads_the_page()
    expect(ada.tile(positions[0])).to_be_checked()
    expect(ada.tile(positions[1])).to_have_accessible_name(f"Image {positions[1] + 1}: unsure", timeout=OPEN_TIMEOUT_MS)
    ada.clicks_in_the_widget()
    ada.presses("z", "z")
    expect(ada.tile(positions[0])).not_to_be_checked()
    ada.is_told_saved()
    assert not any(state.is_decided for state in ada.states().values())


def test_another_class_is_found_by_typing_and_images_by_what_was_said(make_toybox, sit_at_grid) -> None:
    project = make_toybox("ada")
    class_index, positions = common_class(project)
    ada = sit_at_grid(project, None)
    assert len(ada.shown_positions()) == 40
    ada.presses("s")
    ada.page.keyboard.type(project.label_space[class_index].name)
    expect(ada.root.get_by_role("listbox", name="Classes found").get_by_role("option").first).to_contain_text(
        project.label_space[class_index].name
    )
    ada.presses("Enter")
    expect(ada.root).to_have_attribute("data-class-id", str(class_index))
    ada.sees_an_image()
    expect(ada.tile(positions[0])).to_be_visible()
    ada.presses("u")
    ada.is_told_saved()
    ada.root.get_by_label("Show").select_option("unsure")
    expect(ada.tile(positions[1])).to_have_count(0)
    expect(ada.tile(positions[0])).to_be_visible()
    assert ada.shown_positions() == [positions[0]]
    ada.root.get_by_label("Show").select_option("commented")
    expect(ada.root.get_by_text("and is “commented”")).to_be_visible()
    ada.root.get_by_role("button", name="Show all images").click()
    expect(ada.tile(positions[1])).to_be_visible()


def test_the_explorer_shows_everybodys_words_by_class_and_agreement_and_has_nothing_to_tick(
    make_toybox, lab: LabServer, context: BrowserContext
) -> None:
    project = make_toybox("ada", "ben")
    ada, ben = (LocalSession(project, name) for name in ("ada", "ben"))
    task = ada.tasks([0])[0]
    class_index, image_index = task.proposals[0].class_index, task.image_index
    doubtful = task.proposals[1].class_index
    doubt = {"class_index": doubtful, "vote": "unsure"}
    ben.save([Event("explored-doubt-1", Round.ANNOTATION, "ben", image_index, EventKind.VOTE, doubt, (doubtful,), 10)])
    for session in (ada, ben):
        word = "yes" if session is ada else "no"
        payload = {"class_index": class_index, "vote": word}
        event_id = f"explored-by-{session.annotator}"
        event = Event(
            event_id, Round.ANNOTATION, session.annotator, image_index, EventKind.VOTE, payload, (class_index,), 10
        )
        assert session.save([event])[0].seq
    name = f"{new_name(lab.folder, 'explorer')}.ipynb"
    write_notebook(lab, name, f"from mlf_widgets import open_explorer\n\nopen_explorer({str(project.root)!r})")
    rea = GridPerson(context.new_page(), lab, name, project, "ada", widget="explorer")
    try:
        rea.open()
        expect(rea.root.get_by_role("status").first).to_have_text("40 images")
        rea.root.get_by_label("Agreement").select_option("disputed")
        expect(rea.root.get_by_role("status").first).to_have_text("1 image")
        # A researcher sees the image's name; annotators' tasks do not hold it.
        expect(rea.root).to_have_attribute("data-image-id", ProjectTables(project).image(image_index)[0])
        rea.root.locator(".mlf-explorer-bar strong").click()
        rea.presses("s")
        rea.page.keyboard.type(project.label_space[class_index].name)
        rea.presses("Enter")
        words = rea.root.locator(f'[data-image-index="{image_index}"] .mlf-explorer-words li')
        unsure = f"{project.label_space[doubtful].name}: unsure"
        expect(words).to_have_text(["ada yes", "ben no"])
        assert rea.root.locator("input[type=checkbox]").count() == 0
        rea.presses("Enter")
        expect(rea.page.get_by_role("dialog")).to_contain_text(project.label_space[class_index].name)
        expect(rea.page.get_by_role("dialog")).to_contain_text(unsure)
        assert complaints(rea.page) == []
    finally:
        rea.page.close()
        lab.end_kernel(name)


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_axe_finds_nothing_serious(make_toybox, sit_at_grid, theme: str) -> None:
    project = make_toybox("ada")
    ada = sit_at_grid(project, common_class(project)[0])
    set_theme(ada.page, theme)
    ada.clicks_in_the_widget()
    try:
        ada.presses("Space", "ArrowRight", "n", "ArrowRight", "u")
        assert complaints(ada.page) == []
        for key in ("?", "s", "v"):
            ada.presses(key)
            expect(ada.page.get_by_role("dialog")).to_be_visible()
            assert complaints(ada.page) == []
            ada.presses("Escape")
    finally:
        set_theme(ada.page, "Light")
