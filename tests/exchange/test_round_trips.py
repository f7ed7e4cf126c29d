"""What leaves a project in a format and comes into another one is the same work, and coming twice changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from command_line import run_mlf
from toy_projects import Toys

from pipeline.project.folder import Project

Lines = list[dict[str, Any]]


def exported(project: Project, path: Path) -> Lines:
    """Return everything that a project holds, one record an image."""
    run_mlf("export", project.root, "--format", "jsonl", "--out", path)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rich_labels(lines: Lines) -> dict[str, Any]:
    """Return each image's labels with their source and posterior; None where nobody has decided it."""
    return {
        line["image"]: None
        if line["labels"] is None
        else [(label["class"], label.get("source"), label.get("posterior")) for label in line["labels"]]
        for line in lines
    }


def known_labels(lines: Lines) -> dict[str, Any]:
    """Return each image's labels with their posterior."""
    return {k: None if found is None else [(n, p) for n, _, p in found] for k, found in rich_labels(lines).items()}


def label_sets(lines: Lines) -> dict[str, list[str] | None]:
    """Return each image's label set; None where nobody has decided it."""
    return {k: None if found is None else [n for n, _, _ in found] for k, found in rich_labels(lines).items()}


def votes(lines: Lines) -> dict[Any, Any]:
    """Return each person's votes on each image, with what they were shown and what they wrote."""
    return {
        (line["image"], each["annotator"], each["round"]): (each["votes"], each["shown"], each.get("comment"))
        for line in lines
        for each in line["votes"]
    }


def ticks(lines: Lines) -> dict[tuple[str, str], list[str]]:
    """Return the classes that each person ticked on each image; here, everyone works in one round alone."""
    return {
        (line["image"], each["annotator"]): sorted(name for name, vote in each["votes"].items() if vote == "yes")
        for line in lines
        for each in line["votes"]
        if each["votes"] or each.get("none")
    }


def comments(lines: Lines) -> dict[tuple[str, str], str]:
    """Return what each person wrote about each image."""
    said = ((line["image"], each) for line in lines for each in line["votes"])
    return {(image, each["annotator"]): each["comment"] for image, each in said if each.get("comment")}


def proposals(lines: Lines) -> dict[str, Any]:
    """Return each image's proposals with their models and scores, the best first, equal ones by name."""
    return {
        line["image"]: sorted((-each["score"], each["class"], each["model"]) for each in line["proposals"])
        for line in lines
    }


#: Format, options of the export, which files are imported with which options, and what must be the same after it.
JOURNEYS: Mapping[str, tuple[tuple[object, ...], str, tuple[object, ...], tuple[Callable[[Lines], Any], ...]]] = {
    "csv": ((), "labels.csv", (), (rich_labels,)),
    "csv votes": (("--table", "votes"), "votes.csv", (), (votes,)),
    "parquet": ((), "labels.parquet", (), (rich_labels,)),
    "parquet votes": (("--table", "votes"), "votes.parquet", (), (votes,)),
    "numpy": ((), "labels.npz", (), (known_labels,)),
    "label-studio": ((), "out/tasks.json", (), (known_labels, votes, proposals)),
    "cvat": ((), "annotations.xml", (), (rich_labels, proposals)),
    "datumaro": ((), "out", (), (rich_labels,)),
    "imagenet-txt": ((), "out", ("--empty", "none"), (label_sets,)),
    "hugging-face": ((), "out", (), (label_sets,)),
    "croissant": ((), "out", (), (rich_labels,)),
    "fiftyone": ((), "out", ("--empty", "none"), (known_labels,)),
    "real": ((), "out/real.json", ("--empty", "skip"), ()),
    "multilabelfy": ((), "out", ("--empty", "none"), (label_sets, ticks, comments)),
}


def test_json_lines_carry_everything_and_come_back_as_they_were(
    truth: Lines, receiving: Project, tmp_path: Path
) -> None:
    assert {each["round"] for line in truth for each in line["votes"]} == {"annotation", "refinement"}
    assert comments(truth)
    (tmp_path / "there.jsonl").write_text("\n".join(map(json.dumps, truth)))
    told = run_mlf("import", receiving.root, tmp_path / "there.jsonl")
    assert "taken:" in told
    assert "refused" not in told
    assert exported(receiving, tmp_path / "here.jsonl") == truth
    again = run_mlf("import", receiving.root, tmp_path / "there.jsonl")
    assert "taken:" not in again
    assert exported(receiving, tmp_path / "again.jsonl") == truth


@pytest.mark.parametrize("journey", JOURNEYS)
def test_what_a_format_carries_comes_back_as_it_was(
    journey: str, worked: Toys, truth: Lines, receiving: Project, tmp_path: Path
) -> None:
    options, files, taking, same = JOURNEYS[journey]
    kind = journey.split(maxsplit=1)[0]
    out = tmp_path / files.split("/")[0]
    run_mlf("export", worked.project.root, "--format", kind, "--out", out, *options)
    told = run_mlf("import", receiving.root, tmp_path / files, "--format", kind, *taking)
    assert "  refused: " not in told, told
    here = exported(receiving, tmp_path / "here.jsonl")
    for look in same:
        assert look(here) == look(truth), look.__name__
    again = run_mlf("import", receiving.root, tmp_path / files, "--format", kind, *taking)
    assert "  taken: " not in again, again
