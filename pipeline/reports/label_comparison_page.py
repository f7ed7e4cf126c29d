"""What `mlf compare-labels` writes: how many images differ, by kind, with some of each as thumbnails."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.evaluation.label_changes import KINDS
from pipeline.evaluation.shares import Share
from pipeline.project.files import write_table
from pipeline.project.folder import Project
from pipeline.project.wording import so_many
from pipeline.project.writing import write_text
from pipeline.reports.formats import INTERVAL, count, percent
from pipeline.reports.gallery import class_list, gallery, sample
from pipeline.reports.html import Html, lone_page, table
from pipeline.stages.compare_labels import LabelComparison

_N_IMAGES = 12


def comparison_lines(found: LabelComparison) -> list[str]:
    """Return what a person wants to know first, line by line."""
    share = Share(found.n_changed, len(found.changes))
    low, high = share.interval or (None, None)
    lines = [
        (
            f"Against {found.before_name}: the labels of {found.n_changed:,} of {so_many(share.n, 'image')} differ, "
            f"{percent(share.value, low, high, digits=2, named=INTERVAL)}"
        )
    ]
    lines += [f"  {kind}: {so_many(n, 'image')}; {KINDS[kind]}" for kind, n in found.n_by_kind.items()]
    if found.n_left_out:
        lines.append(f"Left out: {so_many(found.n_left_out, 'image')} that only one of the two has labels for")
    return lines


def kind_table(found: LabelComparison) -> Html:
    """Return how many images differ in each way."""
    n_images = len(found.changes)
    rows = [(kind, KINDS[kind], count(n), f"{n / n_images:.2%}") for kind, n in found.n_by_kind.items()]
    caption = f"The refined labels against {found.before_name}, {so_many(n_images, 'image')}."
    return table(("kind", "what it means", "images", "share"), rows, caption=caption, text_columns=(0, 1))


def write_label_comparison(project: Project, found: LabelComparison, out: Path, seed: int = 0) -> Path:
    """Write differences.csv and differences.html into a folder, which is made where missing; return the page."""
    names = project.label_space.names
    listed = found.changes.assign(
        before=["; ".join(names[c] for c in found.before[i]) for i in range(len(found.before))],
        after=["; ".join(names[c] for c in found.after[i]) for i in range(len(found.after))],
    )
    out.mkdir(parents=True, exist_ok=True)
    write_table(listed, out / "differences.csv")
    parts = [kind_table(found).text]
    row_of = {int(image): row for row, image in enumerate(found.image_index)}
    for kind, meaning in KINDS.items():
        rows = np.flatnonzero(found.changes["kind"] == kind)
        if kind == "same" or len(rows) == 0:
            continue
        drawn = sample(found.image_index[rows], _N_IMAGES, seed)

        def words(image: int) -> str:
            row = row_of[image]
            before, after = (
                class_list(project, found.before[row].tolist()),
                class_list(project, found.after[row].tolist()),
            )
            return f"<br>before: {before}<br>now: {after}"

        caption = f"{len(drawn):,} of {so_many(len(rows), 'image')}, drawn at random (seed {seed})."
        parts.append(f"<h2>{kind}: {meaning}</h2>{gallery(project, drawn.tolist(), words, caption).text}")
    title = f"{project.settings.project.name}: labels against {found.before_name}"
    page = out / "differences.html"
    write_text(page, lone_page(title, "".join(parts)))
    return page
