"""What the notebook for stage 6 shows."""

from __future__ import annotations

from dataclasses import replace

from pipeline.reports.formats import count, number, text
from pipeline.reports.frames import boxed, frame_table, sentences
from pipeline.reports.headlines import BEYOND_RECALL, improve_headline
from pipeline.reports.html import Html, table
from pipeline.stages.improve import Improvement, recall_table

_N_IMAGES = 20


def headline(found: Improvement) -> Html:
    """Return the most important figures; whose votes were simulated comes first."""
    notice = ""
    if found.simulated_annotators:
        names = text(", ".join(found.simulated_annotators))
        notice = boxed(f"Learnt from votes of <strong>simulated</strong> annotators: {names}.")
    lines = improve_headline(replace(found, simulated_annotators=()))
    return Html(notice + sentences([*lines, f"Merged: {'; '.join(found.methods)}"]).text)


def recall(found: Improvement) -> Html:
    """Return recall before and after, by the number of proposals."""
    listed = recall_table(found.recall).reset_index()
    return table(
        [str(name) for name in listed.columns],
        [[text(cell) for cell in row] for row in listed.itertuples(index=False)],
        caption="Recall of the labels that somebody could find, before and now, by the number of proposals an image; "
        f"95% intervals; {BEYOND_RECALL}.",
    )


def next_images(found: Improvement) -> Html:
    """Return the images whose annotation would teach most."""
    return frame_table(
        found.next_images,
        {
            "image": lambda row: text(row.image_id),
            "number": lambda row: count(row.image_index),
            "uncertainty": lambda row: number(row.uncertainty, 3),
        },
        caption="Images that nobody has worked on yet, the least certain first.",
        n_rows=_N_IMAGES,
    )
