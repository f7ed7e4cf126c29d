"""What the study's notebook shows: the published figures, computed anew."""

from __future__ import annotations

from pipeline.project.wording import so_many
from pipeline.reports import evaluation_plots as plots
from pipeline.reports.data_set_page import comparison_lines, drop_plot, drop_table
from pipeline.reports.figures import figure
from pipeline.reports.formats import count, percent, text
from pipeline.reports.frames import frame_table, sentences
from pipeline.reports.headlines import order_lines
from pipeline.reports.html import Html, table
from pipeline.stages.study import Study

_NAMES = ("ImageNet validation", "ImageNetV2")
_MANY = 5


def headline(study: Study) -> Html:
    """Return the sentences that the study is known by."""
    names, top = study.space.names, study.pairs.head(3).to_numpy().tolist()
    pairs = "; ".join(f"{names[a]} and {names[b]} on {n} images" for a, b, n in top)
    lines = [
        f"Multi-label: {study.replica.multi_label.with_interval('images')}",
        f"The original label is among the refined ones of {study.original_kept} images",
        f"The most frequent pairs: {pairs}",
        *comparison_lines(study.comparison, _NAMES),
    ]
    if study.replica.comparison is not None:
        lines += order_lines(study.replica.comparison.order)
    return sentences(lines)


def label_counts(study: Study) -> Html:
    """Return how many images have each number of labels, five and more together, with the picture."""
    counts = study.replica.label_counts
    pooled = {str(n): counts.get(n, 0) for n in range(_MANY)}
    pooled[f"{_MANY} and more"] = sum(n for labels, n in counts.items() if labels >= _MANY)
    n_images = study.replica.n_images
    behind = table(
        ("refined labels", "images", "share"),
        [(name, count(n), percent(n / n_images)) for name, n in pooled.items()],
        caption=f"Images by number of refined labels, of {n_images:,}.",
    )
    return Html(figure(lambda: plots.label_count_bars(study.replica), "Images by number of labels.").text + behind.text)


def pairs(study: Study, n_rows: int = 20) -> Html:
    """Return the pairs of classes that most images have both of."""
    names = study.space.names
    return frame_table(
        study.pairs,
        {
            "class": lambda row: text(names[row.class_a]),
            "and": lambda row: text(names[row.class_b]),
            "images": lambda row: count(row.n_images),
        },
        caption=f"Classes that stand together, of {so_many(study.replica.n_images, 'image')}.",
        n_rows=n_rows,
        text_columns=(0, 1),
    )


def top1_against_real(study: Study) -> Html:
    """Return the models' ReaL against Top-1, with the fitted line."""
    return figure(
        lambda: plots.top1_against_real(study.replica),
        f"{len(study.replica.models)} public models on ImageNetV2, with 95% intervals.",
    )


def drops(study: Study) -> Html:
    """Return how far the models drop from the validation set to the replica."""
    shown = figure(
        lambda: drop_plot(study.comparison, _NAMES), "Each model once under single labels, once under refined ones."
    )
    return Html(shown.text + drop_table(study.comparison, _NAMES).text)


def what_public_data_cannot_give(study: Study) -> Html:
    """Say which published figures need the authors' own files, and what the public ones give in their place."""
    fit = study.replica.fit
    r2 = "undefined" if fit.r2 is None else f"{fit.r2:.2%}"
    slope = "undefined" if fit.slope is None else f"{fit.slope:.4f}"
    return sentences(
        [
            (
                "The line of ReaL on Top-1 was published with a slope of 0.5788 and an R² of 75.69%, over 57 models "
                "of the authors' choice whose predictions are not public: it cannot be computed here"
            ),
            f"Over the {fit.n_models} public models the slope is {slope} and R² {r2}: other models, another line",
            (
                "The annotators' own votes are not public either, so neither their agreement nor the refinement can be "
                "computed anew"
            ),
        ]
    )
