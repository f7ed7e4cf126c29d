"""The overview's sentences about people and classes: read off hand-written tables of stage 3."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.reports import reader_answers

PEOPLE = "annotator,labels_per_image,n_compared,agreement\n"
CLASSES = "class_name,n_compared,n_split,split_share\n"
PAIRS = "class_a_name,class_b_name,n_confusions\n"
SUMMARY: Any = SimpleNamespace(simulated_annotators=("ada", "ben", "cy"))


@pytest.fixture
def project(tmp_path: Path) -> Any:
    (tmp_path / "analyze").mkdir()
    return SimpleNamespace(results_dir=tmp_path)


def write(project: Any, file: str, text: str) -> None:
    (project.results_dir / "analyze" / file).write_text(text, encoding="utf-8")


def test_who_agrees_least_is_named_and_called_simulated(project: Any) -> None:
    write(project, "annotators.csv", PEOPLE + "ada,1,1000,0.95\nben,1,1000,0.70\ncy,1,1000,0.96\n")
    (line,) = reader_answers.who_differs(project, SUMMARY)
    assert "ben (simulated) differs most" in line
    assert "70.0% of 1,000 votes" in line
    assert "95.0% to 96.0%" in line
    assert "chance" not in line


def test_a_difference_within_the_intervals_is_called_possible_chance(project: Any) -> None:
    write(project, "annotators.csv", PEOPLE + "ada,1,100,0.95\nben,1,100,0.93\ncy,1,100,0.96\n")
    assert "may be chance" in reader_answers.who_differs(project, SUMMARY)[0]


def test_of_two_annotators_nobody_stands_out(project: Any) -> None:
    write(project, "annotators.csv", PEOPLE + "ada,1.5,100,0.95\nben,2,100,0.95\n")
    assert "nobody stands out" in reader_answers.who_differs(project, SUMMARY)[0]


def test_classes_are_named_by_the_share_of_images_on_which_votes_differ(project: Any) -> None:
    write(project, "classes.csv", CLASSES + "<b>mug,100,10,0.1\ncup,20,8,0.4\nhat,20,0,0\n")
    write(project, "confused_pairs.csv", PAIRS + "mug,cup,5\n")
    (line,) = reader_answers.messy_classes(project)
    assert line.index("cup (on 8 of 20") < line.index("&lt;b&gt;mug (on 10 of 100")
    assert "mug with cup (5 times)" in line
    assert "hat" not in line


def test_without_tables_nothing_is_said(project: Any) -> None:
    assert reader_answers.who_differs(project, SUMMARY) == []
    assert reader_answers.messy_classes(project) == []
