"""Stages 3 to 5 as their commands run them: papermill, notebooks, reports."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from command_line import run_mlf
from toy_projects import HOSTILE, Finished, copy_of, figures, states_of

from pipeline.votes.words import Round

STAGES = ("analyze", "settle", "evaluate")


class Page(HTMLParser):
    """What a reader sees: pictures, words, tables, captions, scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize("stage", STAGES)
def test_a_report_is_small_reads_without_code_and_runs_nothing(finished: Finished, stage):
    text = finished.report(stage)
    page = Page(text)
    assert len(text) < 10_000_000
    assert "script" not in page.tags
    assert "from pipeline" not in page.text
    assert page.images
    assert all(image["src"].startswith("data:image/") for image in page.images)
    assert all(len(image["alt"] or "") > 5 for image in page.images)
    assert page.tags.count("figcaption") == page.tags.count("figure") > 0
    assert page.tags.count("table") == page.tags.count("caption") > 0


@pytest.mark.parametrize("stage", STAGES)
def test_a_hostile_class_name_is_shown_as_the_text_it_is(finished: Finished, stage):
    text = finished.report(stage)
    assert "<script>alert" not in text
    assert HOSTILE in Page(text).text


def test_a_hostile_comment_is_shown_as_the_text_it_is(finished: Finished):
    assert f"look at {HOSTILE}" in Page(finished.report("analyze")).text
    assert "blurred" in Page(finished.report("analyze")).text


@pytest.mark.parametrize("stage", STAGES)
def test_programs_are_called_simulated_in_every_report_and_at_the_terminal(finished: Finished, stage):
    assert re.search(r"simulated", Page(finished.report(stage)).text, re.IGNORECASE)
    told = next(line for line in finished.printed[stage].splitlines() if "imulated" in line)
    assert "ada, ben" in told
    assert "cleo" not in told


@pytest.mark.parametrize("stage", STAGES)
def test_the_executed_notebook_is_kept_and_holds_no_widget(finished: Finished, stage):
    (folder,) = finished.project.runs_dir.glob(f"*-{stage}")
    notebook = nbformat.read(next(folder.glob("*.ipynb")), as_version=4)
    assert notebook.metadata["mlf"]["outcome"] == "done"
    assert "widgets" not in notebook.metadata


def test_notebooks_in_the_repository_hold_no_outputs():
    from pipeline.runs.notebook_files import notebook_path

    for name in ("3_analyze.ipynb", "4_settle.ipynb", "5_evaluate.ipynb"):
        cells = json.loads(notebook_path(name).read_text())["cells"]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
        assert sum("parameters" in cell["metadata"].get("tags", ()) for cell in cells) == 1


def test_analyze_counts_what_the_states_say(finished: Finished):
    found = states_of(finished.project, Round.ANNOTATION)
    sets = {image: [set(s.label_set) for s in people.values()] for image, people in found.items()}
    differing = {i for i, some in sets.items() if any(a != b for a, b in combinations(some, 2))}
    compared = [some for some in sets.values() if len(some) > 1]
    summary = finished.summary("analyze")
    assert summary["n_set_disagreements"] == len(differing) > 0
    assert summary["n_images_compared"] == len(compared)
    assert summary["set_disagreement_share"] == len(differing) / len(compared)
    assert summary["set_disagreement_low"] < summary["set_disagreement_share"] < summary["set_disagreement_high"]
    assert f"Label sets differ on {len(differing)} of {len(compared)} images" in finished.printed["analyze"]
    images = pd.read_parquet(finished.project.results_dir / "analyze" / "images.parquet")
    assert set(images.loc[images["set_disagreement"], "image_index"]) == differing
    assert images["image_id"].tolist() == [finished.toys.image_ids[i] for i in images["image_index"]]


def test_analyze_agrees_with_krippendorff_on_the_exposed_pairs(finished: Finished):
    import krippendorff
    import numpy as np

    words = ("no", "unsure", "yes")
    names = ("ada", "ben", "cleo")
    rows: dict[tuple[int, int], list[float]] = {}
    for image, people in states_of(finished.project, Round.ANNOTATION).items():
        for name, state in people.items():
            for class_index, vote in state.exposed_votes().items():
                rows.setdefault((image, class_index), [np.nan] * 3)[names.index(name)] = words.index(vote)
    expected = krippendorff.alpha(np.array(list(rows.values())).T, level_of_measurement="nominal")
    summary = finished.summary("analyze")
    assert summary["alpha"] == pytest.approx(expected)
    assert summary["alpha_low"] < expected < summary["alpha_high"]


def test_the_tables_of_stage_3_name_classes_and_annotators(finished: Finished):
    folder = finished.project.results_dir / "analyze"
    space = finished.project.label_space
    classes = pd.read_csv(folder / "classes.csv")
    assert [space.keys[i] for i in classes["class"]] == classes["class_key"].tolist()
    assert [space.names[i] for i in classes["class"]] == classes["class_name"].tolist()
    people = pd.read_csv(folder / "annotators.csv").set_index("annotator")
    assert people["is_simulated"].to_dict() == {"ada": True, "ben": True, "cleo": False}
    assert (people["median_active_ms"] >= 1500).all()
    drift = pd.read_csv(folder / "drift.csv")
    assert drift.groupby("annotator")["n_images"].sum().to_dict() == people["n_images"].to_dict()
    ranks = pd.read_csv(folder / "model_against_people.csv")
    assert ranks["rank"].dropna().tolist() == list(range(1, 21))
    assert (folder / "yield_curve.csv").stat().st_size > 100


def test_refine_tells_what_to_open(finished: Finished):
    printed = finished.printed["refine"]
    summary = finished.summary("refinement")
    assert f"{summary['n_disputed']} of 48 decided images are disputed" in printed
    assert "4_refine.ipynb; open it with: mlf annotate " in printed
    assert "--annotator dora --round refinement" in printed
    assert f"dora: {summary['n_new']} new images" in printed


def test_settle_tells_the_audit_and_whether_to_go_on(finished: Finished):
    printed = finished.printed["settle"]
    remaining = finished.summary("settle")["remaining_errors"]
    assert remaining["n_audited"] > 0
    assert f"on the {remaining['n_images']} images not refined: {remaining['expected']:.1f}" in printed
    assert f"the audit of {remaining['n_audited']} images" in printed
    assert re.search(r"^(Stop here|Go on|Every image)", printed, re.MULTILINE)
    ranking = pd.read_csv(finished.project.root / "results" / "settle" / "yield_curve.csv")
    assert ranking["expected_errors"].sum() == pytest.approx(remaining["expected"])
    n_known = finished.summary("settle")["consensus"]["calibrated_on"]
    assert n_known > 0
    assert f"recalibrated on {n_known:,} labels" in printed
    assert "after recalibration (learnt from other images" in finished.report("settle")


def test_refinement_by_one_who_knows_improves_on_every_annotator(finished: Finished):
    labels = pd.read_parquet(finished.project.refined_labels_path).dropna(subset="class_index")
    truth = {(i, c) for i, name in enumerate(finished.toys.image_ids) for c in finished.toys.truth[name]}

    def f1(found: set[tuple[int, int]], among: set[int]) -> float:
        true = {pair for pair in truth if pair[0] in among}
        return 2 * len(found & true) / (len(found) + len(true))

    ours = set(zip(labels["image_index"], labels["class_index"].astype(int), strict=True))
    states = states_of(finished.project, Round.ANNOTATION)
    for name in ("ada", "ben", "cleo"):
        mine = {i for i, people in states.items() if name in people}
        theirs = {(i, c) for i in mine for c in states[i][name].label_set}
        assert f1({pair for pair in ours if pair[0] in mine}, mine) > f1(theirs, mine) + 0.05


def test_evaluate_prints_each_models_figures_with_denominators(finished: Finished):
    printed = finished.printed["evaluate"]
    summary = finished.summary("evaluate")
    assert [m["model"] for m in summary["models"]] == ["model_0", "model_1", "model_2"]
    for model in summary["models"]:
        top1, real = model["top1"], model["real"]
        assert f"{model['model']}: Top-1 {top1['value']:.2%} of {top1['n']}" in printed
        assert f"ReaL {real['value']:.2%} of {real['n']}" in printed
    assert f"Multi-label: {summary['multi_label_share']:.2%} of 48 images" in printed
    assert "ReaL = " in printed


def test_a_project_of_an_older_version_is_read_by_the_names_that_stages_had_then(finished: Finished, tmp_path: Path):
    project = copy_of(finished.toys, tmp_path / "project").project
    for folder, name in (
        (project.results_dir, "{}"),
        (project.results_dir, "{}.json"),
        (project.reports_dir, "{}.html"),
    ):
        (folder / name.format("analyze")).rename(folder / name.format("disagreement"))
    (project.results_dir / "disagreement" / "of my own.txt").write_text("kept")
    told = run_mlf("report", project.root)
    assert "Where annotators differ: disagreement.html" in told
    assert finished.printed["analyze"].splitlines()[0] in told
    run_mlf("analyze", project.root, "--resamples", 20)
    assert not [*project.results_dir.glob("disagreement*"), *project.reports_dir.glob("disagreement*")]
    assert (project.results_dir / "analyze" / "of my own.txt").read_text() == "kept"
    assert "Where annotators differ: analyze.html" in run_mlf("report", project.root)
    assert figures(project.results_dir / "analyze.json")["n_set_disagreements"] > 0
