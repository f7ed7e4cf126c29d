"""Selecting what is refined, and auditing the rest, called directly rather than from a notebook."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from simulation import annotate, decide
from toy_projects import Toys, copy_of, states_of

from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.explorer import Disagreement, ExplorerFilter
from pipeline.cli import app
from pipeline.errors import ProjectError
from pipeline.project.folder import Project, open_project
from pipeline.project.settings import write_settings
from pipeline.sessions.local import LocalSession
from pipeline.sessions.local_explorer import LocalExplorer
from pipeline.stages.analyze import analyze_project
from pipeline.stages.assign import assign_project
from pipeline.stages.select import read_selection, select_and_assign
from pipeline.stages.settle import settle_project
from pipeline.store import Assignment, open_project_store
from pipeline.votes.words import Round, SelectionRule, Vote


def disputed_images(project: Project) -> set[int]:
    sets = {i: [p.label_set for p in people.values()] for i, people in states_of(project, Round.ANNOTATION).items()}
    return {i for i, some in sets.items() if any(a != b for a, b in combinations(some, 2))}


def refinement_tasks(project: Project) -> dict[int, list[str]]:
    with open_project_store(project) as store:
        found: dict[int, list[str]] = {}
        for task in store.assignments(Round.REFINEMENT):
            found.setdefault(task.image_index, []).append(task.annotator)
    return found


def with_setting(project: Project, section: str, **values: object) -> Project:
    write_settings(project.settings.with_changes(section, **values), project.root / "mlf.toml")
    return open_project(project.root)


def test_the_published_rule_gives_out_exactly_the_disputed_images(fresh: Toys):
    summary = select_and_assign(fresh.project, ["dora", "emil"])
    tasks = refinement_tasks(fresh.project)
    assert set(tasks) == disputed_images(fresh.project)
    assert all(len(people) == 1 for people in tasks.values())
    assert abs(summary.loads["dora"] - summary.loads["emil"]) <= 1
    assert summary.n_new == summary.n_disputed == len(tasks)
    assert set(read_selection(fresh.project)["reason"]) == {"disputed"}


def test_where_label_sets_are_equal_and_one_is_unsure_of_a_class_nobody_calls_the_image_disputed(fresh: Toys):
    """The explorer, the analysis and the selection agree; the class is open, and a refiner of the image is asked."""
    project = fresh.project
    states = states_of(project, Round.ANNOTATION)
    equal = [i for i, people in states.items() if len({p.label_set for p in people.values()}) == 1]
    image, annotator = next((i, name) for i in equal for name, state in states[i].items() if not state.has_unsure)
    doubted = next(c for c in states[image][annotator].shown if all(c not in p.votes for p in states[image].values()))
    session = LocalSession(project, annotator)
    payload = {"class_index": doubted, "vote": Vote.UNSURE}
    event = Event("a-doubt-of-one", Round.ANNOTATION, annotator, image, EventKind.VOTE, payload)
    assert session.save([event])[0].seq
    per_image = analyze_project(project, n_resamples=0).disagreement.per_image
    analysed = set(per_image.loc[per_image["set_disagreement"], "image"])
    explorer = LocalExplorer(project)
    page = {which: explorer.page(ExplorerFilter(disagreement=which), 0, 48).images for which in Disagreement}
    shown = {which: {found.image_index for found in images} for which, images in page.items()}
    select_and_assign(project, ["dora"])
    assert analysed == shown[Disagreement.DISPUTED] == set(refinement_tasks(project)) == disputed_images(project)
    assert image in shown[Disagreement.AGREED] & shown[Disagreement.OPEN]
    [found] = (found for found in page[Disagreement.ANY] if found.image_index == image)
    assert not found.is_disputed
    assert doubted in found.open_labels
    with open_project_store(project) as store:
        store.add_annotators(["emil"])
        store.assign(Round.REFINEMENT, [Assignment("emil", image)])
    [task] = LocalSession(project, "emil", Round.REFINEMENT).tasks([0])
    assert task.open_labels == found.open_labels


def test_nobody_refines_their_own_images(fresh: Toys):
    select_and_assign(fresh.project, ["ada", "ben", "cleo"])
    own = states_of(fresh.project, Round.ANNOTATION)
    for image, people in refinement_tasks(fresh.project).items():
        assert not set(people) & set(own[image])


def test_without_a_third_person_refinement_is_refused_and_nothing_is_given_out(fresh: Toys):
    with pytest.raises(ProjectError, match=r"was annotated by ada, ben.*allow_own_images"):
        select_and_assign(fresh.project, ["ada", "ben"])
    assert refinement_tasks(fresh.project) == {}
    assert len(read_selection(fresh.project)) == 0


def test_a_project_may_allow_ones_own_images(fresh: Toys):
    project = with_setting(fresh.project, "refinement", allow_own_images=True)
    assert select_and_assign(project, ["ada", "ben"]).n_new == len(disputed_images(project))


def test_giving_it_again_after_more_annotation_adds_what_is_new_and_moves_nothing(proposed: Toys, tmp_path: Path):
    toys = copy_of(proposed, tmp_path / "project")
    assign_project(toys.project, ["ada", "ben"], 2, n_images=20)
    annotate(toys.project, "ada", toys.truth, miss=0.3)
    annotate(toys.project, "ben", toys.truth, miss=0.3)
    first = select_and_assign(toys.project, ["dora"], audit_share=0.4, seed=3)
    given = refinement_tasks(toys.project)
    assert first.n_audit > 0
    again = select_and_assign(toys.project, ["emil"], audit_share=0.4, seed=3)
    assert (again.n_new, again.n_earlier) == (0, len(given))
    assign_project(toys.project, ["ada", "ben"], 2)
    annotate(toys.project, "ada", toys.truth, miss=0.3)
    annotate(toys.project, "ben", toys.truth, miss=0.3)
    more = select_and_assign(toys.project, ["emil"], audit_share=0.4, seed=3)
    now = refinement_tasks(toys.project)
    assert {image: now[image] for image in given} == given
    assert len(now) == len(given) + more.n_new > len(given)
    assert disputed_images(toys.project) <= set(now)
    selection = read_selection(toys.project)
    assert selection["image_index"].is_unique
    assert set(selection["image_index"]) == set(now)


def test_a_budget_is_kept_and_spent_on_the_most_doubtful_images(fresh: Toys):
    summary = select_and_assign(fresh.project, ["dora"], rule=SelectionRule.BUDGET, minutes=1.5, audit_share=0.2)
    assert 0 < summary.expected_minutes <= 1.5
    selection = read_selection(fresh.project).groupby("reason")["image_index"].apply(set)
    assert selection["worthwhile"] <= disputed_images(fresh.project)
    assert not selection["worthwhile"] & selection["audit"]
    more = select_and_assign(fresh.project, ["dora"], rule=SelectionRule.BUDGET, minutes=1.5)
    assert more.n_new > 0
    assert not set(refinement_tasks(fresh.project)) - set(read_selection(fresh.project)["image_index"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--refiners", "dora", "--rule", "budget"], "--minutes"),
        (["--refiners", "dora", "--minutes", "5"], "--rule budget"),
        (["--refiners", " ,", "--audit-share", "0.1"], "--refiners"),
        (["--refiners", "ada,ben"], "name more refiners"),
    ],
)
def test_what_does_not_fit_together_is_one_line_and_exit_code_2(fresh: Toys, arguments, words):
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, ["refine", str(fresh.project.root), *arguments])
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_before_anyone_has_decided_every_stage_says_so(proposed: Toys, tmp_path: Path):
    project = copy_of(proposed, tmp_path / "project").project
    with pytest.raises(ProjectError, match="nobody has decided"):
        select_and_assign(project, ["dora"])
    with pytest.raises(ProjectError, match="nobody has decided"):
        settle_project(project)


def test_the_audit_estimates_what_stayed_wrong_among_images_nobody_disputes(fresh: Toys):
    select_and_assign(fresh.project, ["dora"], audit_share=0.6, seed=1)
    before = settle_project(fresh.project)
    annotate(fresh.project, "dora", fresh.truth, miss=0, false_alarm=0, round_=Round.REFINEMENT)
    after = settle_project(fresh.project)
    assert not before.remaining.is_audited
    audited = read_selection(fresh.project).query("reason == 'audit'")["image_index"].tolist()
    assert after.remaining.n_audited == len(audited)
    assert after.remaining.n_images == 48 - after.summary.n_refined_images
    assert after.remaining.high - after.remaining.low < before.remaining.high - before.remaining.low
    sets = [
        t.labels.to_pandas().dropna(subset="class_index").groupby("image_index")["class_index"].apply(set)
        for t in (before, after)
    ]
    n_changed = sum(len(sets[0].get(i, set()) ^ sets[1].get(i, set())) for i in audited)
    assert after.remaining.audit_wrong >= 0.5 * n_changed
    assert after.summary.n_refinement_tasks_open == 0 < before.summary.n_refinement_tasks_open


def test_an_audited_image_that_comes_into_dispute_later_says_nothing_about_undisputed_ones(fresh: Toys):
    select_and_assign(fresh.project, ["dora"], audit_share=0.6, seed=1)
    annotate(fresh.project, "dora", fresh.truth, miss=0, false_alarm=0, round_=Round.REFINEMENT)
    first = settle_project(fresh.project).remaining
    audited = read_selection(fresh.project).query("reason == 'audit'")["image_index"].tolist()
    with open_project_store(fresh.project) as store:
        store.add_annotators(["fay"])
        store.assign(Round.ANNOTATION, [Assignment("fay", audited[0])])
    decide(fresh.project, "fay", lambda task: dict.fromkeys((p.class_index for p in task.proposals), "yes"))
    second = settle_project(fresh.project).remaining
    assert second.n_audited == first.n_audited - 1
    assert second.n_images == first.n_images
