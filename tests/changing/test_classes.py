"""`mlf classes`: the list changes while people work; what was voted stays, and what follows from it is exact."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from itertools import product

import numpy as np
import pyarrow.parquet as pq
import pytest

import mlf_widgets
from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.session import TaskFilter
from pipeline.assignment.gold import project_gold
from pipeline.project.folder import Project, open_project
from pipeline.project.history import HISTORY_FILE, read_history
from pipeline.project.image_table import original_labels
from pipeline.proposals.reader import open_proposals
from pipeline.sessions.local import LocalSession
from pipeline.stages.settle import settle_project
from pipeline.stages.votes_of_project import read_project_votes
from pipeline.store import open_project_store
from pipeline.votes.words import VOTE_ORDER, Round

Mlf = Callable[..., str]
Vote = Callable[..., None]


def votes_of(project: Project) -> dict[tuple[int, str, str], str]:
    """Return every vote that counts: (image, class key, annotator) to its word."""
    project = open_project(project.root)
    with open_project_store(project) as store:
        votes = read_project_votes(project, store).annotation
    keys = project.label_space.keys
    return {
        (int(image), keys[class_], str(votes.annotators[annotator])): VOTE_ORDER[word]
        for image, class_, annotator, word in zip(
            votes.item_image[votes.item], votes.item_class[votes.item], votes.annotator, votes.vote, strict=True
        )
    }


def events_of(project: Project) -> list[Event]:
    with open_project_store(open_project(project.root)) as store:
        return list(store.iter_events())


def proposed(project: Project, image: int) -> list[str]:
    project = open_project(project.root)
    return [project.label_space[c].key for c in open_proposals(project).rows([image])[image].class_index]


def not_done(project: Project, annotator: str) -> int:
    progress = LocalSession(open_project(project.root), annotator).open().progress
    return progress.n_tasks - progress.n_done


def test_an_added_class_is_not_shown_on_what_is_done_and_never_a_no(project: Project, vote: Vote, mlf: Mlf) -> None:
    vote(project, "ada", 0, ["bird", "cat", "cup", "dog"], ["cat"])
    before = votes_of(project)
    printed = mlf("classes", project.root, "add", "lynx", "--name", "Eurasian lynx", "--by", "maria")
    assert "Change 1: added 'lynx'" in printed
    assert votes_of(project) == before
    assert not_done(project, "ada") == 5
    assert open_project(project.root).label_space.keys[-1] == "lynx"


def test_an_added_class_is_offered_again_on_demand_and_counts_once_seen(project: Project, vote: Vote, mlf: Mlf) -> None:
    vote(project, "ada", 0, ["bird", "cat", "cup", "dog"], ["cat"])
    mlf("classes", project.root, "add", "lynx")
    mlf("classes", project.root, "offer", "lynx")
    opened = open_project(project.root)
    lynx = opened.label_space.index_of("lynx")
    session = LocalSession(opened, "ada")
    [task] = [task for task in session.tasks(range(6)) if task.image_index == 0]
    assert task.proposals[0].class_index == lynx
    assert task.state.open_again == (lynx,)
    assert session.find(TaskFilter.NOT_DONE, task.position, 1) == task.position
    assert (0, "lynx", "ada") not in votes_of(project)
    seen = Event("ada-looks-at-lynx", Round.ANNOTATION, "ada", 0, EventKind.VIEW, {}, (lynx,))
    assert session.save([seen])[0].seq
    assert votes_of(project)[0, "lynx", "ada"] == "no"
    assert votes_of(project)[0, "cat", "ada"] == "yes"
    assert not_done(project, "ada") == 5


def test_a_class_can_be_offered_on_some_images_alone(project: Project, vote: Vote, mlf: Mlf, tmp_path: object) -> None:
    for image in (0, 1):
        vote(project, "ada", image, ["cat"], ["cat"])
    chosen = project.root.parent / "chosen.txt"
    chosen.write_text("cat/1.png\n")
    mlf("classes", project.root, "add", "lynx")
    mlf("classes", project.root, "offer", "lynx", "--images", chosen)
    states = {task.image_index: task.state for task in LocalSession(open_project(project.root), "ada").tasks(range(6))}
    assert {image for image, state in states.items() if state.open_again} == {1}
    chosen.write_text("cat/77.png\n")
    assert "no image 'cat/77.png'" in mlf("classes", project.root, "offer", "lynx", "--images", chosen, code=2)


SHOWN = {None: (False, ""), "no": (True, ""), "yes": (True, "yes"), "unsure": (True, "unsure")}


def test_merged_is_yes_if_either_is_and_no_only_if_both_are(project: Project, vote: Vote, mlf: Mlf) -> None:
    pairs = list(product(SHOWN, SHOWN))
    cases = dict(zip(product(range(6), ["ada", "ben"]), pairs[:12], strict=False))
    for (image, annotator), words in cases.items():
        shown = [key for key, word in zip(("cat", "kitten"), words, strict=True) if SHOWN[word][0]]
        ticked = [key for key, word in zip(("cat", "kitten"), words, strict=True) if word == "yes"]
        unsure = [key for key, word in zip(("cat", "kitten"), words, strict=True) if word == "unsure"]
        vote(project, annotator, image, [*shown, "lamp"], ["lamp", *ticked], unsure)
    n_events = len(events_of(project))
    before = votes_of(project)
    mlf("classes", project.root, "merge", "cat", "kitten", "--into", "cat")
    after = votes_of(project)
    for (image, annotator), words in cases.items():
        wanted = "yes" if "yes" in words else "unsure" if "unsure" in words else "no" if words == ("no", "no") else None
        assert after.get((image, "cat+kitten", annotator)) == wanted, (words, wanted)
        assert after[image, "lamp", annotator] == before[image, "lamp", annotator]
    assert {key for _, key, _ in after} == {"cat+kitten", "lamp"}
    log = events_of(project)
    assert [e.kind for e in log[:n_events]] == [EventKind.VOTE] * n_events  # what was voted stays
    assert {e.kind for e in log[n_events:]} == {EventKind.CLASSES}
    assert {e.payload["change"] for e in log[n_events:]} == {1}


def test_a_vote_that_a_merge_made_is_traced_to_the_merge_and_a_no_to_what_showed_the_class(
    project: Project, vote: Vote, mlf: Mlf
) -> None:
    vote(project, "ada", 0, ["cat", "kitten", "cup"], ["kitten"])
    mlf("classes", "merge", project.root, "cat", "kitten", "--into", "feline")
    told = " ".join(mlf("why", project.root, "0").split())
    assert "feline: no refined label" in told
    assert re.search(r"yes \(change of classes\) ada, annotation; event [0-9a-f]{32} of", told)
    assert "no (shown, not ticked) ada, annotation; event ada-0-kitten-yes-0003 of" in told


def test_labels_that_were_settled_before_a_change_or_a_vote_are_said_to_be_older(
    project: Project, vote: Vote, mlf: Mlf
) -> None:
    def told(image: int) -> str:
        lines = mlf("why", project.root, str(image)).splitlines()
        return " ".join(line for line in lines if line.startswith("They do not hold what is newer"))

    vote(project, "ada", 0, ["cat", "kitten", "cup"], ["kitten"])
    settle_project(project)
    assert told(0) == told(1) == ""
    time.sleep(0.01)  # both clocks tell milliseconds
    vote(project, "ben", 0, ["cat", "kitten"], ["cat"])
    assert "1 event of this image" in told(0)
    assert told(1) == ""
    mlf("classes", "merge", project.root, "cat", "kitten", "--into", "feline")
    assert all("feline" in told(image) and "mlf settle" in told(image) for image in (0, 1))
    assert "1 event of this image" in told(0)
    time.sleep(0.01)
    settle_project(open_project(project.root))
    assert told(0) == told(1) == ""


def test_a_merged_class_can_be_taken_back_by_the_annotator(project: Project, vote: Vote, mlf: Mlf) -> None:
    vote(project, "ada", 0, ["cat", "kitten", "lamp"], ["kitten", "lamp"])
    mlf("classes", project.root, "merge", "cat", "kitten", "--into", "feline")
    opened = open_project(project.root)
    feline = opened.label_space.index_of("feline")
    session = LocalSession(opened, "ada")
    payload = {"class_index": feline, "vote": "clear"}
    session.save([Event("ada-clears-feline", Round.ANNOTATION, "ada", 0, EventKind.VOTE, payload, (feline,))])
    assert votes_of(project)[0, "feline", "ada"] == "no"


def test_proposals_name_a_merged_class_once_and_a_split_class_by_its_parts(project: Project, mlf: Mlf) -> None:
    assert proposed(project, 1) == ["cat", "cup", "dog", "kitten"]
    mlf("classes", project.root, "merge", "cat", "kitten", "--into", "feline")
    assert proposed(project, 1) == ["feline", "cup", "dog"]
    mlf("classes", project.root, "split", "cup", "--into", "mug,goblet")
    assert proposed(project, 1) == ["feline", "mug", "goblet", "dog"]
    mlf("classes", project.root, "retire", "dog")
    assert proposed(project, 1) == ["feline", "mug", "goblet"]
    arrays = open_proposals(open_project(project.root)).as_arrays()
    assert (arrays.class_index[1] >= 0).sum() == 3
    merged = open_project(project.root).label_space.index_of("feline")
    assert open_proposals(open_project(project.root)).images_proposing(merged) == [0, 1, 2, 3, 4, 5]
    table = mlf_widgets.open_project(project.root).proposals()
    assert table["class"][table["class"].isin(["cat", "kitten", "feline"])].tolist() == ["feline"] * 6


def test_a_split_class_is_open_again_where_it_was_and_no_where_it_was_not(
    project: Project, vote: Vote, mlf: Mlf
) -> None:
    vote(project, "ada", 0, ["cup", "lamp"], ["cup", "lamp"])
    vote(project, "ben", 0, ["cup", "lamp"], ["lamp"])
    vote(project, "ada", 1, ["lamp"], ["lamp"])
    mlf("classes", project.root, "split", "cup", "--into", "mug,goblet")
    after = votes_of(project)
    assert {key: word for key, word in after.items() if key[1] in ("mug", "goblet")} == {
        (0, "mug", "ben"): "no", (0, "goblet", "ben"): "no"
    }  # fmt: skip
    assert (0, "cup", "ada") not in after
    assert (not_done(project, "ada"), not_done(project, "ben")) == (5, 5)
    opened = open_project(project.root)
    index_of = opened.label_space.index_of
    session = LocalSession(opened, "ada")
    parts = (index_of("mug"), index_of("goblet"))
    payload = {"class_index": parts[0], "vote": "yes"}
    session.save([Event("ada-decides-mug", Round.ANNOTATION, "ada", 0, EventKind.VOTE, payload, parts)])
    after = votes_of(project)
    assert (after[0, "mug", "ada"], after[0, "goblet", "ada"], after[0, "lamp", "ada"]) == ("yes", "no", "yes")
    assert not_done(project, "ada") == 4


def test_an_image_that_had_only_the_split_class_is_undecided_again(project: Project, vote: Vote, mlf: Mlf) -> None:
    vote(project, "ada", 0, ["cup", "lamp"], ["cup"])
    mlf("classes", project.root, "split", "cup", "--into", "mug,goblet")
    assert votes_of(project) == {}


def test_a_retired_class_counts_no_more_and_its_votes_stay_in_the_log(project: Project, vote: Vote, mlf: Mlf) -> None:
    vote(project, "ada", 0, ["cup", "lamp"], ["cup"])
    vote(project, "ada", 1, ["cup", "lamp"], ["cup", "lamp"])
    log = events_of(project)
    mlf("classes", project.root, "retire", "cup")
    assert votes_of(project) == {(0, "lamp", "ada"): "no", (1, "lamp", "ada"): "yes"}
    assert events_of(project) == log
    labels = settle_project(open_project(project.root)).labels.to_pandas()
    cup = project.label_space.index_of("cup")
    assert cup not in labels["class_index"].dropna().astype(int).tolist()


def test_a_vote_on_a_class_that_is_gone_is_refused_with_the_way_on(project: Project, vote: Vote, mlf: Mlf) -> None:
    mlf("classes", project.root, "retire", "cup")
    cup = project.label_space.index_of("cup")
    stale = Event("ada-votes-too-late", Round.ANNOTATION, "ada", 0, EventKind.VOTE,
                  {"class_index": cup, "vote": "yes"}, (cup,))  # fmt: skip
    [result] = LocalSession(open_project(project.root), "ada").save([stale])
    assert result.seq is None
    assert "reload" in result.error
    forged = Event("ada-forges-a-change", Round.ANNOTATION, "ada", 0, EventKind.CLASSES,
                   {"change": 1, "votes": {"1": "yes"}, "offered": []})  # fmt: skip
    [result] = LocalSession(open_project(project.root), "ada").save([forged])
    assert result.seq is None


def test_renaming_changes_what_people_read_and_nothing_else(project: Project, vote: Vote, mlf: Mlf) -> None:
    vote(project, "ada", 0, ["cup", "lamp"], ["cup"])
    before = votes_of(project)
    mlf("classes", project.root, "rename", "cup", "drinking vessel")
    info = open_project(project.root).label_space[2]
    assert (info.key, info.name, info.synonyms) == ("cup", "drinking vessel", ("cup",))
    assert votes_of(project) == before


def test_original_labels_and_known_answers_follow(project: Project, mlf: Mlf) -> None:
    (project.root / "gold.csv").write_text("image,class\ncat/1.png,cat\ncup/2.png,cup\ndog/3.png,dog\n")
    mlf("classes", project.root, "merge", "cat", "kitten", "--into", "feline")
    mlf("classes", project.root, "split", "cup", "--into", "mug,goblet")
    mlf("classes", project.root, "retire", "lamp")
    opened = open_project(project.root)
    feline, dog = opened.label_space.index_of("feline"), opened.label_space.index_of("dog")
    assert original_labels(opened).tolist() == [0, feline, -1, dog, feline, -1]
    assert project_gold(opened) == {1: frozenset({feline}), 3: frozenset({dog})}


def test_examples_of_new_classes_are_packed(project: Project, mlf: Mlf) -> None:
    mlf("classes", project.root, "merge", "cat", "kitten", "--into", "feline")
    mlf("classes", project.root, "add", "lynx")
    opened = open_project(project.root)
    counts = pq.read_table(opened.examples_path)["n_examples"].to_pylist()
    assert counts == [1, 1, 1, 1, 1, 1, 2, 0]


def test_every_change_is_in_the_history_and_tampering_shows(project: Project, mlf: Mlf) -> None:
    mlf("classes", project.root, "add", "lynx", "--by", "maria")
    mlf("classes", project.root, "retire", "lamp", "--by", "noor")
    changes = read_history(project.root)
    assert [(c.number, c.by, c.what, c.text) for c in changes] == [
        (1, "maria", "classes add", "added 'lynx'"),
        (2, "noor", "classes retire", "retired 'lamp'"),
    ]
    assert all(change.at.startswith("20") for change in changes)
    path = project.root / HISTORY_FILE
    whole = path.read_text()
    for damaged in (whole.replace("maria", "mario"), whole.splitlines(keepends=True)[1]):
        path.write_text(damaged)
        assert "line 1" in mlf("classes", project.root, "retire", "dog", code=2)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["add", "cup"], "'cup' is in the list already"),
        (["add"], "no class is named"),
        (["merge", "cat", "--into", "x"], "two classes or more"),
        (["merge", "cat", "cat", "--into", "x"], "named twice"),
        (["merge", "cat", "kitten", "--into", "dog"], "merge it along with the others"),
        (["split", "cup", "--into", "mug"], "two parts or more"),
        (["split", "cup", "--into", "cup,mug"], "a part of itself"),
        (["retire", *["bird", "cat", "cup", "dog", "kitten", "lamp"]], "keep at least one"),
        (["retire", "cupp"], "did you mean 'cup'"),
        (["add", "x", "--parent", "nobody"], "no class 'nobody'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_and_changes_nothing(
    project: Project, mlf: Mlf, arguments: list[str], told: str
) -> None:
    before = {path: path.read_bytes() for path in project.root.glob("[!.]*") if path.is_file()}
    printed = mlf("classes", project.root, *arguments, code=2)
    assert told in printed
    assert len(printed.strip().splitlines()) == 1
    assert {path: path.read_bytes() for path in project.root.glob("[!.]*") if path.is_file()} == before


def test_a_class_that_is_gone_says_what_became_of_it(project: Project, mlf: Mlf) -> None:
    mlf("classes", project.root, "merge", "cat", "kitten", "--into", "feline")
    assert "merged into 'feline'" in mlf("classes", project.root, "retire", "cat", code=2)
    assert "cat" not in mlf("classes", project.root, "list").replace("catch", "")
    assert "merged into feline" in mlf("classes", project.root, "list", "--all")


def test_models_whose_outputs_are_an_older_list_go_on_working(project: Project, mlf: Mlf) -> None:
    import timm
    import torch

    from pipeline.inference.checkpoint import ModelSource
    from pipeline.inference.predictions import predict, read_model_predictions

    checkpoint = project.root.parent / "own.pth"
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet.r160_in1k", pretrained=False, num_classes=6).state_dict(), checkpoint)
    source = ModelSource("test_resnet.r160_in1k", checkpoint)
    [before] = predict(project, [source], n_workers=0, top_k=6)
    old = read_model_predictions(before.path).class_index
    mlf("classes", project.root, "add", "lynx")
    mlf("classes", project.root, "merge", "cat", "kitten", "--into", "feline")
    mlf("classes", project.root, "retire", "lamp")
    opened = open_project(project.root)
    [again] = predict(opened, [source], n_workers=0, top_k=6)
    assert again.n_done_before == 6  # the same run: nothing that determines it has changed
    [anew] = predict(opened, [source], n_workers=0, top_k=6, restart=True)
    now = read_model_predictions(anew.path, opened.current_classes).class_index
    feline = opened.label_space.index_of("feline")
    meaning = {0: 0, 1: feline, 2: 2, 3: 3, 4: feline}
    for was, ranking in zip(old.tolist(), now.tolist(), strict=True):
        assert [c for c in ranking if c >= 0] == list(dict.fromkeys(meaning[c] for c in was if c in meaning))
    assert np.array_equal(read_model_predictions(anew.path).class_index, old)
