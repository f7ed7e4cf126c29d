"""`mlf score`: score models from files of predictions, without a project."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import DatasetError, in_plain_words
from pipeline.project.wording import so_many

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.evaluation.models import Evaluation
    from pipeline.formats.outside_data import OutsideData


def score(
    images: Annotated[Path, typer.Option(help="CSV or Parquet of the images and their single label (image,wnid).")],
    labels: Annotated[
        Path, typer.Option(help='Refined labels, JSON: {"image.jpeg": ["370"]} or one list per image by file name.')
    ],
    predictions: Annotated[
        Path, typer.Option(help=".npz with one int array (images, k) a model, rows as in --images.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the tables and summary.json.")],
    classes: Annotated[
        str, typer.Option(help="The label space, a name such as imagenet-1k or a CSV, JSON or Parquet file.")
    ] = "imagenet-1k",
    class_numbers: Annotated[
        str,
        typer.Option(
            help="What class numbers in --labels and --images mean, where they could mean two things: `keys`, `from-0` "
            "(indices counted from 0) or `from-1`."
        ),
    ] = "auto",
    draws: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="How often the images are drawn anew to compare and rank several models; 0 for no such comparison. "
            "Left out, 1,000 times, or less often where there are over 3 million answers (images times models).",
        ),
    ] = None,
) -> object:
    """Score models under the original labels (Top-1, Top-5) and the refined ones (ReaL, Real@5), from files.

    Reads published files as they are. Top-1 and Top-5 are over the images with an original label, ReaL and Real@5
    over those with at least one refined label, the multi-label share over all images. Of several models, every two
    are compared on the same images (paired differences, McNemar's test with Holm's correction) and all are ranked,
    with 95% intervals. An image whose row or labels cannot be used is skipped and named in skipped.csv. A project
    is scored with `mlf evaluate PROJECT`.

    Example: mlf score --images images.csv --labels refined_labels.json --predictions top5.npz --out evaluation
    """
    from pipeline.evaluation.chance import chance_level_told, is_chance_level
    from pipeline.evaluation.models import draws_for, evaluate_models
    from pipeline.formats.outside_data import read_outside_data
    from pipeline.formats.refined_labels_in import read_evidence_models
    from pipeline.project.class_references import as_class_numbers
    from pipeline.project.label_space import load_label_space
    from pipeline.project.notices import tell

    space = load_label_space(classes)
    data = read_outside_data(images, labels, predictions, space, as_class_numbers(class_numbers))
    n_draws = draws_for(len(data.labels) * len(data.predictions), draws)
    evaluation = evaluate_models(data.predictions, data.original_label, data.labels, len(space), n_draws=n_draws)
    evidence = read_evidence_models(labels)
    write_evaluation(evaluation, data, out, evidence)
    for accuracy in evaluation.models:
        if is_chance_level(accuracy.top1, len(space)):
            tell(chance_level_told(accuracy.model, accuracy.top1, len(space)))
    for line in headline(evaluation, data, evidence):
        typer.echo(line)
    compared = ", pairs.csv, ranks.csv" if evaluation.comparison else ""
    typer.echo(
        f"Written to {out}: evaluation.csv, summary.json, accuracy_by_label_count.csv, intervals.csv, "
        f"skipped.csv{compared}"
    )
    return {
        "figures": _summary(evaluation, data, evidence),
        "models": _marked(evaluation, evidence),
        "pairs": evaluation.comparison and evaluation.comparison.pairs,
        "ranks": evaluation.comparison and evaluation.comparison.ranks,
        "skipped": data.skipped,
        "folder": out,
    }


def write_evaluation(
    evaluation: Evaluation, data: OutsideData, out: Path, evidence: frozenset[str] = frozenset()
) -> None:
    """Write the tables and the summary into a folder, which is made where it is missing.

    Raise `DatasetError` if the folder cannot be written to.
    """
    import pandas as pd

    from pipeline.project.files import write_table

    skipped = pd.DataFrame([(row.image_id, row.reason) for row in data.skipped], columns=["image", "reason"])
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_table(_marked(evaluation, evidence), out / "evaluation.csv")
        write_table(evaluation.label_count_table(), out / "accuracy_by_label_count.csv")
        write_table(evaluation.interval_table(), out / "intervals.csv")
        write_table(skipped, out / "skipped.csv")
        if evaluation.comparison is not None:
            write_table(evaluation.comparison.pairs, out / "pairs.csv")
            write_table(evaluation.comparison.ranks, out / "ranks.csv")
        (out / "summary.json").write_text(
            json.dumps(_summary(evaluation, data, evidence), indent=2) + "\n", encoding="utf-8"
        )
    except OSError as error:
        raise DatasetError(f"{out}: results cannot be written there: {in_plain_words(error, out)}") from error


def _summary(evaluation: Evaluation, data: OutsideData, evidence: frozenset[str]) -> dict[str, object]:
    return asdict(evaluation.summary()) | {
        "n_skipped": len(data.skipped),
        "n_labels_unused": data.n_unused,
        "evidence_models": sorted(evidence & {accuracy.model for accuracy in evaluation.models}),
    }


def headline(evaluation: Evaluation, data: OutsideData, evidence: frozenset[str] = frozenset()) -> list[str]:
    """Return what a person wants to know first, line by line."""
    counts = evaluation.label_counts
    lines = [
        f"Multi-label: {evaluation.multi_label.with_interval('images')}",
        (
            f"Without any refined label, so left out of ReaL: {counts.get(0, 0):,} of "
            f"{so_many(evaluation.n_images, 'image')}"
        ),
    ]
    table = _marked(evaluation, evidence).sort_values("top1", ascending=False, kind="stable")
    text = table.to_string(index=False, na_rep="undefined", float_format=lambda share: f"{share:.2%}")
    lines += ["", *text.splitlines(), "", _fit_line(evaluation), *_comparison_lines(evaluation)]
    marked = sorted(evidence & {accuracy.model for accuracy in evaluation.models})
    if marked:
        lines.append(
            f"Not independent of the labels, since they gave evidence for them: {', '.join(marked)}; settle again "
            "without a model to score it fairly"
        )
    if evaluation.shallow_models:
        lines.append(
            f"Top-5 and Real@5 are undefined for {so_many(len(evaluation.shallow_models), 'model')} whose predictions "
            f"name fewer than five classes per image: {', '.join(evaluation.shallow_models)}"
        )
    if evaluation.worst_first_models:
        lines.append(
            f"Look at {', '.join(evaluation.worst_first_models)}: the last rank hits the original label more often "
            "than the first, as if the ranking were stored worst first. It is scored, and counts in the fit, as given"
        )
    if data.skipped:
        named = "; ".join(f"{row.image_id or 'unnamed'}: {row.reason}" for row in data.skipped[:3])
        lines.append(f"Skipped {so_many(len(data.skipped), 'image')}, all named in skipped.csv: {named}")
    if data.n_unused:
        lines.append(f"{data.n_unused:,} entries of the label file belong to no image evaluated")
    return lines


def _marked(evaluation: Evaluation, evidence: frozenset[str]) -> pd.DataFrame:
    """Return the table of figures; if any models gave evidence for the labels, a column marks them.

    A file of predictions does not say in which precision its models were computed.
    """
    from pipeline.inference.precision import NOT_STATED

    table = evaluation.table().assign(precision=NOT_STATED)
    return table.assign(gave_evidence=table["model"].isin(evidence)) if evidence else table


def _comparison_lines(evaluation: Evaluation) -> list[str]:
    """Return whether the best model is surely the best, and whether Top-1 and ReaL order the models alike."""
    from pipeline.evaluation.differences import lead
    from pipeline.evaluation.models import MOST_ANSWERS_DRAWN
    from pipeline.reports.headlines import lead_words, order_lines

    if len(evaluation.models) < 2:
        return []
    comparison = evaluation.comparison
    if comparison is None:
        return [f"Models are not compared nor ranked: --draws 0, or more than {MOST_ANSWERS_DRAWN:,} answers"]
    ranked = sorted(evaluation.models, key=lambda accuracy: -(accuracy.real.value or 0.0))
    found = lead(comparison.pairs, ranked[0].model, ranked[1].model)
    words = [] if found is None else [", ".join(lead_words(found, len(ranked)))]
    return [*words, *order_lines(comparison.order)]


def _fit_line(evaluation: Evaluation) -> str:
    fit = evaluation.fit
    if fit.slope is None or fit.intercept is None:
        return f"ReaL on Top-1: no line, since it takes two models or more that differ in Top-1 ({fit.n_models} scored)"
    r2 = "undefined" if fit.r2 is None else f"{fit.r2:.4f}"
    return f"ReaL = {fit.slope:.4f} × Top-1 {fit.intercept:+.4f} (R² {r2}, {fit.n_models} models)"
