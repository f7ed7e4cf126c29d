"""The refinement widget in JupyterLab: from disputed images to refined labels."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest
from axe import complaints, set_theme
from lab_server import ROOT, LabServer
from light_server import LightServer
from person import Person, new_name, with_light_sessions
from playwright.sync_api import BrowserContext, Locator, expect
from wire import Looks, Wire, images_beside_themselves

from pipeline.annotation.events import Event, EventKind
from pipeline.project.folder import Project, open_project
from pipeline.project.settings import write_settings
from pipeline.sessions.local import LocalSession
from pipeline.stages.select import select_and_assign
from pipeline.stages.settle import settle_project
from pipeline.votes.words import Round

#: What each annotator ticks, as ranks among the image's proposals: image index to (ada's, ben's).
TICKS = {
    0: ((0, 1), (0,)),  # 1 disputed, 0 agreed
    1: ((2, 3, 4), (4, 5)),  # 2, 3, 5 disputed, 4 agreed
    2: ((), (6,)),  # 6 disputed
    3: ((7,), (7,)),  # nothing disputed
    4: ((0, 1), (2, 3)),  # four disputed
    5: ((8, 9), (9,)),
}


@dataclass
class Refiner(Person):
    """A person who settles what others disputed."""

    @property
    def root(self) -> Locator:
        """The widget."""
        return self.page.locator('[data-mlf="refiner"]')

    def session(self) -> LocalSession:
        """A session of the same refiner, on the same store."""
        return LocalSession(self.project, self.annotator, Round.REFINEMENT)

    def image_index(self) -> int:
        """The image on the screen."""
        return int(self.task(self.number).image_index)

    def goes_to_image(self, image_index: int) -> None:
        """Jump to the task of an image."""
        tasks = self.session().tasks(range(self.session().open().progress.n_tasks))
        number = next(task.position + 1 for task in tasks if task.image_index == image_index)
        if number != self.number:
            self.jumps_to(number)

    def confirms(self) -> None:
        """Confirm the image by its key after looking at every label; afterwards the next image is on the screen."""
        number, n_tasks = self.number, self.session().open().progress.n_tasks
        for _ in range(10):
            self.presses("Enter")
            self.has_looked()  # the press may have brought something into view
            is_looking = "has not been on screen" in self.root.locator(".mlf-said-words").inner_text()
            if not is_looking or self.number != number:  # the message stays until another replaces it
                break
        if number < n_tasks:
            self.sees(number + 1)

    def after(self) -> Locator:
        """What stands after the refiner's decisions, in words."""
        return self.root.locator('[data-mlf-part="after"]')


def proposed_classes(project: Project, image_index: int) -> list[int]:
    """The classes proposed for an image, best first."""
    session = LocalSession(project, "ada")
    task = next(task for task in session.tasks(range(40)) if task.image_index == image_index)
    return [proposal.class_index for proposal in task.proposals]


def annotate(project: Project, wanted: Mapping[int, tuple[Sequence[int], Sequence[int]]] = TICKS) -> None:
    """Have ada and ben decide some images; ada leaves a comment and a mark on the first of `TICKS`."""
    for place, name in enumerate(("ada", "ben")):
        session, events = LocalSession(project, name), []
        for image_index, ticks in wanted.items():
            classes = proposed_classes(project, image_index)

            made = [(EventKind.VOTE, {"class_index": classes[rank], "vote": "yes"}) for rank in ticks[place]] or [
                (EventKind.NONE, {"value": True})
            ]
            if name == "ada" and wanted is TICKS and image_index == 0:
                box = {"kind": "box", "x": 0.1, "y": 0.2, "width": 0.3, "height": 0.4}
                made.append((EventKind.COMMENT, {"text": "<b>half</b> hidden"}))
                made.append((EventKind.REGION, {"class_index": classes[1], "regions": [box]}))
            shown = tuple(sorted(classes))
            events += [
                Event(uuid.uuid4().hex, Round.ANNOTATION, name, image_index, kind, payload, shown, 1000)
                for kind, payload in made
            ]
        assert all(result.seq for result in session.save(events))


@pytest.fixture
def make_disputed(make_toybox) -> Callable[..., Project]:
    """Return a function that makes a project with disputes, assigned to grace."""

    def make(*, blind_first: bool = False) -> Project:
        project = make_toybox("ada", "ben")
        settings = project.settings.with_changes("refinement", blind_first=blind_first)
        write_settings(settings, project.root / "mlf.toml")
        project = open_project(project.root)
        annotate(project)
        select_and_assign(project, ["grace"])
        return project

    return make


@pytest.fixture
def sit_down_to_refine(lab: LabServer, context: BrowserContext, place: str) -> Iterator[Callable[..., Refiner]]:
    """Return a function that opens a project's refinement notebook for grace."""
    people: list[Refiner] = []

    def sit_down(project: Project, watch: Callable[[Refiner], None] = lambda _: None, where: str = "lab") -> Refiner:
        if place == "light":
            project = with_light_sessions(project)
            light = LightServer(project, "grace").start()
            return begin(Refiner(context.new_page(), lab, "", project, "grace", light), watch, where)
        content = json.loads((ROOT / "notebooks" / "4_refine.ipynb").read_text(encoding="utf-8"))
        for cell in content["cells"]:
            if "parameters" in cell["metadata"].get("tags", []):
                cell["source"] = f"project = {str(project.root)!r}\nrefiner = 'grace'"
        name = f"{new_name(lab.folder, 'refine')}.ipynb"
        (lab.folder / name).write_text(json.dumps(content), encoding="utf-8")
        return begin(Refiner(context.new_page(), lab, name, project, "grace"), watch, where)

    def begin(grace: Refiner, watch: Callable[[Refiner], None], where: str) -> Refiner:
        people.append(grace)
        watch(grace)
        grace.open(where)
        grace.clicks_in_the_widget()
        return grace

    yield sit_down
    for person in people:
        person.leaves()


@pytest.mark.every_place
def test_disputed_images_become_refined_labels_by_keyboard_alone(make_disputed, sit_down_to_refine) -> None:
    project = make_disputed()
    grace = sit_down_to_refine(project)
    assert grace.session().open().progress.n_tasks == 5  # image 3 is undisputed
    keys = {0: ["1"], 1: ["1", "w"], 2: ["q"], 4: ["1", "Shift+2"], 5: ["1"]}
    for _ in keys:
        image_index = grace.image_index()
        grace.presses(*keys[image_index])
        grace.confirms()
    grace.is_told_saved()
    expect(grace.root.get_by_text("All settled")).to_be_visible()
    words = {1: {2: "yes", 3: "no", 5: "no"}, 4: {0: "yes", 1: "unsure", 2: "no", 3: "no"}, 2: {6: "no"}}
    for image_index, expected in words.items():
        classes = proposed_classes(project, image_index)
        state = grace.session()._store.states(Round.REFINEMENT, "grace", [image_index])[image_index]
        assert dict(state.votes) == {classes[rank]: vote for rank, vote in expected.items()}
        assert set(state.shown) == set(state.votes)
    refined: dict[int, set[int]] = {}
    for row in settle_project(project).labels.to_pylist():
        labels = refined.setdefault(row["image_index"], set())
        labels |= {row["class_index"]} - {None}
    for image_index, ranks in {0: {0, 1}, 1: {2, 4}, 2: set(), 3: {7}, 5: {8, 9}}.items():
        classes = proposed_classes(project, image_index)
        assert refined[image_index] == {classes[rank] for rank in ranks}


def test_who_said_what_is_shown_without_names_and_as_text(make_disputed, sit_down_to_refine) -> None:
    grace = sit_down_to_refine(make_disputed())
    grace.goes_to_image(0)
    voices = grace.root.get_by_role("list", name="What annotators said of").get_by_role("listitem")
    assert sorted(voices.all_inner_texts()) == ["A no", "B yes"] or sorted(voices.all_inner_texts()) == [
        "A yes",
        "B no",
    ]
    expect(grace.root.get_by_role("list", name="Comments of the annotators")).to_contain_text("<b>half</b> hidden")
    assert "ada" not in grace.root.inner_text()
    assert "ben" not in grace.root.inner_text()


def test_undisputed_labels_are_folded_and_stand_unless_somebody_says_no(make_disputed, sit_down_to_refine) -> None:
    project = make_disputed()
    grace = sit_down_to_refine(project)
    grace.goes_to_image(0)
    agreed, disputed = proposed_classes(project, 0)[:2]
    assert grace.shown_classes() == [disputed]
    grace.presses("h")
    expect(grace.box(agreed)).to_be_checked()
    expect(grace.box(disputed)).not_to_be_checked()
    grace.presses("q")  # the first label: no
    grace.is_told_saved()
    assert grace.state(grace.number).votes == {disputed: "no"}
    assert agreed not in grace.state(grace.number).shown  # looking at it did not ask about it
    grace.box(agreed).click()
    expect(grace.box(agreed)).not_to_be_checked()
    grace.is_told_saved()
    assert grace.state(grace.number).votes == {disputed: "no", agreed: "no"}


def test_a_class_that_nobody_proposed_can_be_added_and_taken_back_after_a_reload(
    make_disputed, sit_down_to_refine
) -> None:
    grace = sit_down_to_refine(make_disputed())
    grace.goes_to_image(2)
    number = grace.number
    space = grace.project.label_space
    added = next(c for c in range(len(space)) if c not in proposed_classes(grace.project, 2))
    grace.presses("s")
    grace.page.keyboard.type(space[added].name)
    expect(grace.root.get_by_role("listbox", name="Classes found").get_by_role("option").first).to_contain_text(
        space[added].name
    )
    grace.presses("Enter")
    expect(grace.box(added)).to_be_checked()
    expect(grace.after()).to_contain_text(space[added].name)
    grace.is_told_saved()
    assert grace.state(number).votes == {added: "yes"}
    grace.reloads_the_page()
    grace.sees(number)
    grace.clicks_in_the_widget()
    expect(grace.box(added)).to_be_checked()
    grace.presses("z")
    expect(grace.box(added)).to_have_count(0)
    grace.presses("Shift+Z")
    expect(grace.box(added)).to_be_checked()
    grace.is_told_saved()
    assert grace.state(number).votes == {added: "yes"}


def test_none_of_these_and_what_most_said(make_disputed, sit_down_to_refine) -> None:
    grace = sit_down_to_refine(make_disputed())
    grace.goes_to_image(1)
    classes = proposed_classes(grace.project, 1)
    grace.presses("a")
    expect(grace.root.locator(".mlf-said-words")).to_have_text("0 as most said; 3 tied: yours to decide")
    grace.presses("n")
    expect(grace.after()).to_have_text("no label")
    grace.is_told_saved()
    state = grace.state(grace.number)
    assert state.none
    assert {state.exposed_votes()[classes[rank]] for rank in (2, 3, 4, 5)} == {"no"}


def test_going_on_half_decided_says_what_counts_as_no(make_disputed, sit_down_to_refine) -> None:
    grace = sit_down_to_refine(make_disputed())
    grace.goes_to_image(1)
    number = grace.number
    grace.presses("1")
    expect(grace.root.get_by_text("left alone: counts as no")).to_have_count(2)
    grace.presses("ArrowRight" if number < 5 else "ArrowLeft")
    expect(grace.root.get_by_label("Number of the image")).not_to_have_value(str(number))
    grace.is_told_saved()
    classes = proposed_classes(grace.project, 1)
    expected = {classes[2]: "yes", classes[3]: "no", classes[5]: "no"}
    assert grace.state(number).exposed_votes() == expected


@pytest.mark.chromium_alone
@pytest.mark.every_place
def test_nothing_of_the_evidence_reaches_the_browser_before_a_blind_decision(make_disputed, sit_down_to_refine) -> None:
    wires: list[Wire] = []
    grace = sit_down_to_refine(make_disputed(blind_first=True), lambda person: wires.append(Wire(person.page)))
    [wire] = wires
    grace.goes_to_image(0)
    classes = proposed_classes(grace.project, 0)
    wire.hears(lambda frame: re.search(rb'"open_labels": ?\[', frame))
    assert not any(re.search(rb'"voices": ?\[|half</b> hidden', frame) for frame in wire.frames)
    expect(grace.root).to_have_attribute("data-revealed", "false")
    grace.presses("k")
    expect(grace.root.locator(".mlf-said-words")).to_have_text("First decide each label that is asked about")
    grace.presses("q")
    expect(grace.root).to_have_attribute("data-revealed", "true")
    expect(grace.root.get_by_role("list", name="What annotators said of")).to_have_count(1)
    expect(grace.root.get_by_role("list", name="Comments of the annotators")).to_contain_text("hidden")
    told = rb'"voices": ?\["A", ?"B"\]'
    wire.hears(lambda frame: re.search(told, frame) and b"half</b> hidden" in frame)
    grace.is_told_saved()
    assert grace.state(grace.number).votes == {classes[1]: "no"}


#: Names of labels that do not stand on their cards in full, and buttons whose words stick out.
HIDDEN_WORDS = """root => [...root.querySelectorAll(".mlf-card-name, .mlf-foot button, .mlf-choice")]
    .filter((part) => part.clientWidth === 0 && part.getBoundingClientRect().width < 20
        || part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0)
    .map((part) => part.textContent)"""


@pytest.mark.notebook_alone
def test_under_voila_a_refiner_sees_the_widget_and_no_code_on_a_small_phone_too(
    make_disputed, sit_down_to_refine
) -> None:
    grace = sit_down_to_refine(make_disputed(), where="voila")
    grace.page.set_viewport_size({"width": 320, "height": 568})
    expect(grace.root.locator("[data-mlf-action=confirm]")).to_be_in_viewport(ratio=0.99)
    assert grace.root.locator(".mlf-card-name").count() >= 1
    assert grace.root.evaluate(HIDDEN_WORDS) == []
    assert grace.page.evaluate("() => document.documentElement.scrollWidth") <= 320
    number = grace.number
    grace.presses("1")
    grace.is_told_saved()
    assert list(grace.state(number).votes.values()) == ["yes"]
    assert "open_refiner" not in grace.page.content()
    grace.page.set_viewport_size({"width": 640, "height": 360})  # 1280 × 720 at 200%
    first = grace.root.locator(".mlf-cards > li").first
    first.scroll_into_view_if_needed()
    whole = "card => card.scrollHeight - card.clientHeight <= 1 && card.closest('.mlf-cards').clientHeight > 100"
    assert first.evaluate(whole), "labels are not squeezed to a line"
    expect(first.locator(".mlf-card-name")).to_be_in_viewport(ratio=0.99)
    expect(grace.root.locator("[data-mlf-action=confirm]")).to_be_in_viewport(ratio=0.99)


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_axe_finds_nothing_serious(make_disputed, sit_down_to_refine, theme: str) -> None:
    grace = sit_down_to_refine(make_disputed())
    set_theme(grace.page, theme)
    grace.clicks_in_the_widget()
    try:
        grace.goes_to_image(1)
        grace.presses("1", "w", "Shift+3")
        assert complaints(grace.page) == []
        for key in ("h", "?", "d", "s"):
            grace.presses(key)
            if key != "h":
                expect(grace.page.get_by_role("dialog")).to_be_visible()
            assert complaints(grace.page) == []
            if key != "h":
                grace.presses("Escape")
    finally:
        set_theme(grace.page, "Light")


@pytest.mark.chromium_alone
def test_a_disputed_image_that_is_an_example_of_its_class_comes_once_as_itself(
    make_own_images, sit_down_to_refine
) -> None:
    project = make_own_images(2, "ada", "ben")
    annotate(project, {0: ((0,), (1,)), **dict.fromkeys(range(1, 12), ((0,), (0,)))})
    select_and_assign(project, ["grace"])
    wires: list[Wire] = []
    grace = sit_down_to_refine(project, lambda person: wires.append(Wire(person.page)))
    [task] = grace.session().tasks([0, 1])
    examples = grace.root.get_by_role("button", name="Examples of bowl")
    expect(examples).to_be_enabled()
    examples.click(position={"x": 5, "y": 5})
    expect(grace.page.get_by_text("Example 1 of")).to_be_visible()
    known = [Looks(project).named(picture) for picture in wires[0].pictures()]
    assert sum(task.image_id in names for names in known) == 1
    n_known, beside_themselves = images_beside_themselves(wires[0], project)
    assert n_known > 5
    assert beside_themselves == []
