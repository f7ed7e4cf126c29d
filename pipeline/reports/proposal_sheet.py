"""A sheet of images with their proposals: the quickest way to see whether stage 1 did what was wanted."""

from __future__ import annotations

from html import escape
from random import Random

from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.project.wording import so_many
from pipeline.proposals.reader import ProposalRow, open_proposals
from pipeline.reports.html import Html
from pipeline.reports.thumbnails import thumbnail


def proposal_sheet(project: Project, n_images: int = 6, n_classes: int = 10, seed: int = 0) -> Html:
    """Return images drawn at random, each with its topmost proposals and the original label in bold.

    Parameters
    ----------
    project
        A project that has proposals.
    n_images
        How many images to show; all where there are fewer.
    n_classes
        How many proposals to show for each.
    seed
        The same seed draws the same images.
    """
    reader = open_proposals(project)
    chosen = sorted(Random(seed).sample(range(reader.n_images), min(n_images, reader.n_images)))
    images = image_columns(project, ["image_id", "path", "original_label"]).take(chosen).to_pylist()
    figures = [
        _figure(project, image, row, n_classes) for image, row in zip(images, reader.rows(chosen).values(), strict=True)
    ]
    grid = "display:grid;grid-template-columns:repeat(auto-fill,minmax(14rem,1fr));gap:1.25rem"
    return Html(f'<div style="{grid}">{"".join(figures)}</div>')


def _figure(project: Project, image: dict[str, object], row: ProposalRow, n_classes: int) -> str:
    space = project.label_space
    original = image["original_label"]
    label = space[original].name if isinstance(original, int) else "no original label"
    picture = thumbnail(project, _text(image["path"]), f"image {image['image_id']}, original label {label}", 220)
    items = "".join(
        f"<li>{_name(space[index].name, is_original=index == original)}{_score(score)}</li>"
        for index, score in zip(row.class_index[:n_classes], row.score[:n_classes], strict=True)
    )
    rank = row.class_index.index(original) + 1 if original in row.class_index else None
    if not isinstance(original, int):
        said = "No original label."
    else:
        place = f"proposed at rank {rank}" if rank else f"not among its {so_many(len(row.class_index), 'proposal')}"
        said = f"Original label <b>{escape(label)}</b>: {place}."
    return (
        f'<figure style="margin:0">{picture}<figcaption style="font-size:.9em">{said}'
        f'<ol style="margin:.4em 0;padding-left:2.2em;line-height:1.35">{items}</ol></figcaption></figure>'
    )


def _name(name: str, *, is_original: bool) -> str:
    return f"<b>{escape(name)}</b>" if is_original else escape(name)


def _score(score: float | None) -> str:
    return "" if score is None else f' <span style="color:#767676">{score:.2f}</span>'


def _text(value: object) -> str | None:
    return None if value is None else str(value)
