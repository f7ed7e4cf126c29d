"""The list of classes changes while somebody works: what is offered comes first, and looking at it settles it."""

from __future__ import annotations

from command_line import run_mlf
from person import Person
from playwright.sync_api import expect

from pipeline.annotation.events import Event, EventKind
from pipeline.project.folder import open_project
from pipeline.sessions.local import LocalSession
from pipeline.votes.words import Round


def test_an_offered_class_comes_first_with_its_name_and_is_open_until_it_was_seen(make_toybox, sit_down) -> None:
    project = make_toybox()
    before = LocalSession(project, "ada")
    [task] = before.tasks([0])
    first, second = (proposal.class_index for proposal in task.proposals[:2])
    payload = {"class_index": first, "vote": "yes"}
    shown = (first, second)
    before.save([Event("voted-before", Round.ANNOTATION, "ada", task.image_index, EventKind.VOTE, payload, shown)])
    keys = [project.label_space[c].key for c in shown]
    run_mlf("classes", "add", project.root, "lynx", "--name", "Eurasian lynx")
    run_mlf("classes", "offer", project.root, "lynx")
    run_mlf("classes", "merge", project.root, *keys, "--into", "merged thing")
    opened = open_project(project.root)
    lynx, merged = (opened.label_space.index_of(key) for key in ("lynx", "merged thing"))

    ada: Person = sit_down(opened)
    ada.sees(1)
    assert ada.shown_classes()[:2] == [lynx, merged]
    expect(ada.root.get_by_text("Eurasian lynx").first).to_be_visible()
    expect(ada.box(lynx)).not_to_be_checked()
    expect(ada.box(merged)).to_be_checked()
    ada.sees_an_image()
    ada.presses("ArrowRight")
    ada.sees(2)
    ada.is_told_saved()
    state = LocalSession(opened, "ada").tasks([0])[0].state
    assert state.open_again == ()
    assert state.exposed_votes()[lynx] == "no"
    assert state.exposed_votes()[merged] == "yes"
    ada.presses("s")
    ada.page.keyboard.type(opened.label_space[first].name)
    options = ada.root.get_by_role("option")
    expect(options.filter(has_text="merged thing").first).to_be_visible()  # a former name finds what stands for it
    assert opened.label_space[first].name not in [text.splitlines()[0] for text in options.all_inner_texts()]


def test_a_class_that_is_missed_is_suggested_on_the_page_and_taken_up(make_toybox, sit_down) -> None:
    project = make_toybox(own_progress="pace")
    ada: Person = sit_down(project)
    ada.sees(1)
    ada.presses("s")
    ada.page.keyboard.type("Snow  leopard")
    ada.does("suggest")
    expect(ada.page.get_by_role("dialog")).to_have_count(0)
    expect(ada.root.get_by_label("Comment on this image")).to_have_value("class: Snow leopard")
    ada.presses("1")  # the keyboard is the page's again
    ada.is_told_saved()
    ada.does("own_progress")
    expect(ada.page.get_by_role("dialog")).to_contain_text("1 of 40 images done")
    ada.presses("Escape")
    assert "Snow leopard: 1 image, suggested by ada" in run_mlf("classes", "suggestions", project.root)
    run_mlf("classes", "take", project.root, "snow leopard", "--by", "maria")
    opened = open_project(project.root)
    [task] = LocalSession(opened, "ada").tasks([0])
    assert [opened.label_space[index].name for index in task.state.offered] == ["Snow leopard"]
