"""Votes for cleanlab and crowd-kit. What was not shown is missing there, never a 0."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from pipeline.formats.exchange.content import ImageContent, Outgoing, Sitting, one_word_each
from pipeline.project.files import write_table
from pipeline.project.wording import so_many
from pipeline.votes.words import Vote

_SEPARATOR = " / "


def write_cleanlab(given: Outgoing, path: Path) -> list[str]:
    """Write cleanlab's `labels_multiannotator` of every class in one Parquet: `class`, `image`, a column an annotator.

    Cells are 1 (yes), 0 (no) or missing. The rows of one class are what
    `cleanlab.multiannotator.get_label_quality_multiannotator` takes, without these two columns.
    """
    rows: dict[tuple[str, str], dict[str, int]] = {}
    people: dict[str, None] = {}
    n_unsure = 0
    for record, sitting in _sittings(given):
        for name, vote in sitting.votes.items():
            if vote is Vote.UNSURE:
                n_unsure += 1
                continue
            people[sitting.annotator] = None
            rows.setdefault((name, record.image), {})[sitting.annotator] = int(vote is Vote.YES)
    order = {name: position for position, name in enumerate(given.classes)}
    keys = sorted(rows, key=lambda key: order[key[0]])
    table = pd.DataFrame({"class": [name for name, _ in keys], "image": [image for _, image in keys]})
    for annotator in sorted(people):
        table[annotator] = pd.array([rows[key].get(annotator, pd.NA) for key in keys], dtype="Int8")
    write_table(table, path)
    return [f"{so_many(n_unsure, 'unsure vote is', 'unsure votes are')} missing there"] if n_unsure else []


def write_crowd_kit(given: Outgoing, path: Path) -> list[str]:
    """Write crowd-kit's table `task, worker, label`, a task being a class of an image; both stand beside it, too."""
    rows = [
        (f"{record.image}{_SEPARATOR}{name}", sitting.annotator, vote.value, record.image, name)
        for record, sitting in _sittings(given)
        for name, vote in sitting.votes.items()
    ]
    columns = pd.Index(["task", "worker", "label", "image", "class"], dtype=object)
    write_table(pd.DataFrame(rows, columns=columns), path)
    return ["a label is yes, no or unsure: leave out the rows of unsure where a method takes two"]


def _sittings(given: Outgoing) -> Iterator[tuple[ImageContent, Sitting]]:
    """Yield who said what; where somebody voted on a class in both rounds, their word in refinement stands."""
    for record in given.images():
        for sitting in one_word_each(record.sittings):
            yield record, sitting
