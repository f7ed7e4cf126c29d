"""`mlf aggregate`: turns votes into one answer per (image, class)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import DatasetError
from pipeline.formats.votes_in import LOOKS, read_votes
from pipeline.project.wording import so_many
from pipeline.votes.words import Method

if TYPE_CHECKING:
    from pipeline.consensus import Consensus
    from pipeline.consensus.recalibration import Recalibration
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
    correlation: Annotated[
        float,
        typer.Option(
            help="From 0 to 1: how strongly annotators' mistakes on a label are believed to be correlated. Known "
            "answers (--gold) tell it better."
        ),
    ] = 0.0,
) -> object:
    """Settle votes into labels.

    A vote is yes, no or unsure. A class that an annotator was not shown has no row (or shown=false): it is missing, not
    a no. Writes labels.parquet (image, class, posterior, label), annotators.csv (what each annotator is like) and
    provenance.json (aim, cut, and the evidence); with --predictions also suggestions.csv: labels that models believe in
    and nobody was asked about; with --gold reliability.csv: posteriors against the known answers, before and after they
    were recalibrated on these.

    mlf aggregate votes.csv --out consensus

    mlf aggregate votes.csv --images images.csv --predictions top5.npz --out consensus

    Example: mlf aggregate votes.csv --method dawid-skene --aim "precision 0.9" --out consensus
    """
    from pipeline.consensus import Aim, reach_consensus
    from pipeline.consensus.known import UNKNOWN
    from pipeline.consensus.recalibration import known_labels, recalibrate, recalibrated
    from pipeline.formats.consensus_tables import write_consensus
    from pipeline.formats.known_answers import read_gold_answers, read_original_labels
    from pipeline.project.names import names_in

    _refuse_misplaced(images, original, predictions, leave_out_model)
    if gold is not None and correlation:
        raise DatasetError("--gold tells how far mistakes are correlated; leave --correlation out")
    chosen = None if aim is None else Aim.parse(aim)
    arrays = read_votes(votes).without_annotators(names_in(leave_out))
    if leave_out and arrays.n_votes == 0:
        raise DatasetError(f"{votes}: --leave-out {leave_out} leaves no votes; keep somebody")
    answers = None if gold is None else read_gold_answers(gold, arrays)
    originals = None if original is None else read_original_labels(original, arrays)
    paired = None
    if images is not None:
        paired = _read_evidence(images, predictions, arrays, classes, class_numbers, evidence, leave_out_model)
    known = originals.of_item if originals is not None else None if paired is None else paired.original
    ask = partial(
        reach_consensus,
        arrays,
        method,
        original=known,
        evidence=None if paired is None else paired.evidence,
        aim=chosen,
        threshold=threshold,
        correlation=correlation,
    )
    consensus, checked = ask(gold=None if answers is None else answers.of_item), None
    if answers is not None and consensus.prior is not None and (answers.of_item != UNKNOWN).any():
        checked = recalibrate(ask(), arrays, known_labels(answers.of_item, None))
        consensus = recalibrated(consensus, checked, answers.of_item == UNKNOWN)
    has_models = paired is not None and paired.evidence is not None
    suggestions = paired.suggestions(consensus, arrays) if paired is not None and has_models else None
    paths = write_consensus(consensus, arrays, out, suggestions, checked)
    for line in _told(arrays, consensus, checked, leave_out, correlation):
        typer.echo(line)
    for line in (*(known.told for known in (answers, originals) if known), *(paired.told if paired else ())):
        typer.echo(line)
    if suggestions is not None:
        typer.echo(
            f"{so_many(len(suggestions), 'label')} that models believe in and nobody was asked about: suggestions.csv."
        )
    typer.echo(f"Wrote {', '.join(str(path) for path in paths)}.")
    return {
        "method": consensus.method,
        "cut": consensus.cut,
        "n_votes": arrays.n_votes,
        "n_pairs": arrays.n_items,
        "n_labels": int(consensus.label.sum()),
        "files": list(paths),
    }


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


def _told(
    votes: VoteArrays, consensus: Consensus, checked: Recalibration | None, leave_out: str, correlation: float
) -> list[str]:
    from pipeline.project.names import names_in

    cut = consensus.cut
    n_annotators, n_kept = len(set(votes.annotator.tolist())), int(consensus.label.sum())
    lines = [
        (
            f"{so_many(votes.n_votes, 'vote')} of {so_many(n_annotators, 'annotator')} on {votes.n_items:,} (image, "
            f"class) pairs: {so_many(n_kept, 'label')} kept above {cut} ({consensus.method})."
        )
    ]
    if cut.expected_f1 is not None and consensus.prior is not None:
        lines.append(_how_sure(votes, consensus, checked, correlation))
    if n_kept == 0 and cut.aim.kind == "precision":
        surest = consensus.posterior.max(initial=0.0)
        lines.append(f"No label is sure enough for the aim {cut.aim}: the surest has a posterior of {surest:.6g}.")
    if leave_out:
        lines.append(f"Left out: the votes of {', '.join(names_in(leave_out))}.")
    if consensus.model is not None and not consensus.model.is_converged:
        lines.append(f"Not converged after {consensus.model.n_iterations} steps: read the posteriors with care.")
    return lines


def _how_sure(votes: VoteArrays, consensus: Consensus, checked: Recalibration | None, correlation: float) -> str:
    from pipeline.consensus.calibration import expected_calibration_error
    from pipeline.consensus.recalibration import expected_f1_if_correlated

    expected = f"Expected: F1 {consensus.cut.expected_f1:.3f}; "
    if checked is not None:
        parts = (checked.reliability_before, checked.reliability_after)
        before, after = (expected_calibration_error(part) for part in parts)
        return (
            f"{expected}recalibrated on {so_many(checked.n_known, 'known label')}, "
            f"calibration error {before:.3f} before and {after:.3f} after."
        )
    if votes.n_votes == votes.n_items:
        # The model then believes its own guess of how often people err; no vote can contradict it.
        return (
            "Expected: F1 unknown; each label has one vote, so nothing tells how often annotators err. Give some "
            "labels to a second annotator, or known answers: --gold."
        )
    if correlation:
        return (
            f"{expected}mistakes are taken to be correlated by {correlation:g}, and nothing is known to check it by. "
            "Known answers would tell: --gold."
        )
    lower = expected_f1_if_correlated(consensus, votes, 0.5)
    return (
        f"{expected}nothing is known to check it by, and mistakes that all make alike are not in it: "
        f"{lower:.3f} if mistakes on a label are correlated by one half. Known answers would tell: --gold."
    )
