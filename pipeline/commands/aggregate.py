"""`mlf aggregate`: turns votes into one answer per (image, class)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import DatasetError
from pipeline.formats.votes_in import LOOKS, read_votes
from pipeline.votes.words import Method

if TYPE_CHECKING:
    from pipeline.consensus import Consensus
    from pipeline.formats.model_evidence import PairedModels
    from pipeline.votes.arrays import VoteArrays


def aggregate(
    votes: Annotated[Path, typer.Argument(help=f"Votes: {LOOKS}.")],
    out: Annotated[Path, typer.Option(help="Folder for labels.parquet and annotators.csv.")],
    method: Annotated[Method, typer.Option(help="How votes become one answer.")] = Method.DAWID_SKENE,
    gold: Annotated[
        Path | None,
        typer.Option(
            help="Known answers: image, class and label (yes or no); or, without label, every class that applies to an "
            "image. They stand, and anchor Dawid-Skene."
        ),
    ] = None,
    original: Annotated[
        Path | None, typer.Option(help="Original labels (image, class), one per image: evidence for Dawid-Skene.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Manifest (image, and its label where there is one), rows as in --predictions: evidence."),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(help="Models as evidence: .npz with one int array (images, k) per model, rows as in --images."),
    ] = None,
    classes: Annotated[
        str, typer.Option(help="With --images: the label space, a name such as imagenet-1k or a file.")
    ] = "imagenet-1k",
    class_numbers: Annotated[
        str,
        typer.Option(
            help="With --images: what class numbers mean where they could mean two things: keys, from-0 or from-1."
        ),
    ] = "auto",
    evidence: Annotated[
        str, typer.Option(help="With --images: which evidence to use, of rank, agreement, score, original.")
    ] = "rank,agreement,score,original",
    leave_out_model: Annotated[
        str, typer.Option(help="Models that give no evidence, such as the one to be evaluated; separated by commas.")
    ] = "",
    leave_out: Annotated[str, typer.Option(help="Annotators whose votes do not count, separated by commas.")] = "",
    aim: Annotated[
        str | None,
        typer.Option(
            help="What labels are to be good at: f1 (the default of dawid-skene), 'precision 0.9', 'posterior 0.7', or "
            "beyer2020 (the published rule: no models, posterior above 0.8)."
        ),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="In place of an aim: keep labels with a posterior above this.")
    ] = None,
) -> None:
    """Settle votes into labels.

    A vote is yes, no or unsure. A class that an annotator was not shown has no row (or shown=false): it is missing, not
    a no. Writes labels.parquet (image, class, posterior, label), annotators.csv (what each annotator is like) and
    provenance.json (aim, cut, and the evidence); with --predictions also suggestions.csv: labels that models believe in
    and nobody was asked about.

    mlf aggregate votes.csv --out consensus

    mlf aggregate votes.csv --images images.csv --predictions top5.npz --out consensus

    Example: mlf aggregate votes.csv --method dawid-skene --aim "precision 0.9" --out consensus
    """
    from pipeline.consensus import Aim, reach_consensus
    from pipeline.formats.consensus_tables import write_consensus
    from pipeline.formats.known_answers import read_gold_answers, read_original_labels
    from pipeline.project.names import names_in

    _refuse_misplaced(images, original, predictions, leave_out_model)
    chosen = None if aim is None else Aim.parse(aim)
    arrays = read_votes(votes).without_annotators(names_in(leave_out))
    answers = None if gold is None else read_gold_answers(gold, arrays)
    originals = None if original is None else read_original_labels(original, arrays)
    paired = None
    if images is not None:
        paired = _read_evidence(images, predictions, arrays, classes, class_numbers, evidence, leave_out_model)
    known = originals.of_item if originals is not None else None if paired is None else paired.original
    consensus = reach_consensus(
        arrays,
        method,
        gold=None if answers is None else answers.of_item,
        original=known,
        evidence=None if paired is None else paired.evidence,
        aim=chosen,
        threshold=threshold,
    )
    has_models = paired is not None and paired.evidence is not None
    suggestions = paired.suggestions(consensus, arrays) if paired is not None and has_models else None
    paths = write_consensus(consensus, arrays, out, suggestions)
    for line in _told(arrays, consensus, leave_out):
        typer.echo(line)
    for line in (*(known.told for known in (answers, originals) if known), *(paired.told if paired else ())):
        typer.echo(line)
    if suggestions is not None:
        typer.echo(f"{len(suggestions):,} labels that models believe in and nobody was asked about: suggestions.csv.")
    typer.echo(f"Wrote {', '.join(str(path) for path in paths)}.")


def _refuse_misplaced(
    images: Path | None, original: Path | None, predictions: Path | None, leave_out_model: str
) -> None:
    if images is None and predictions is not None:
        raise DatasetError(f"{predictions}: its rows need the names of their images; give the manifest with --images")
    if images is not None and original is not None:
        raise DatasetError(f"--images {images} and --original {original} both give original labels; leave one out")
    if leave_out_model and predictions is None:
        raise DatasetError(f"--leave-out-model {leave_out_model}: no model gives evidence; add --predictions")


def _read_evidence(
    images: Path,
    predictions: Path | None,
    votes: VoteArrays,
    classes: str,
    class_numbers: str,
    evidence: str,
    leave_out_model: str,
) -> PairedModels:
    from pipeline.consensus.evidence import EVIDENCE_KINDS
    from pipeline.formats.model_evidence import read_model_evidence
    from pipeline.project.class_references import as_class_numbers
    from pipeline.project.label_space import load_label_space
    from pipeline.project.names import names_in

    wanted = names_in(evidence)
    unknown = [kind for kind in wanted if kind not in EVIDENCE_KINDS]
    if unknown or not wanted:
        raise DatasetError(f"--evidence {evidence!r}: choose from {', '.join(EVIDENCE_KINDS)}")
    return read_model_evidence(
        images,
        predictions,
        votes,
        load_label_space(classes),
        kinds=[kind for kind in EVIDENCE_KINDS if kind in wanted],
        leave_out=names_in(leave_out_model),
        numbers=as_class_numbers(class_numbers),
    )


def _told(votes: VoteArrays, consensus: Consensus, leave_out: str) -> list[str]:
    from pipeline.project.names import names_in

    cut = consensus.cut
    n_annotators, n_kept = len(set(votes.annotator.tolist())), int(consensus.label.sum())
    lines = [
        (
            f"{votes.n_votes:,} votes of {n_annotators:,} annotators on {votes.n_items:,} (image, class) pairs: "
            f"{n_kept:,} labels kept above {cut} ({consensus.method})."
        )
    ]
    if consensus.model is not None and cut.expected_f1 is not None:
        lines.append(
            f"By the posterior itself F1 {cut.expected_f1:.3f} is expected; mistakes that all make are not in it."
        )
    if leave_out:
        lines.append(f"Left out: the votes of {', '.join(names_in(leave_out))}.")
    if consensus.model is not None and not consensus.model.is_converged:
        lines.append(f"Not converged after {consensus.model.n_iterations} steps: read the posteriors with care.")
    return lines
