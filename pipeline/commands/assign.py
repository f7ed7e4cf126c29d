"""`mlf assign`: who annotates which image."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.project.wording import so_many
from pipeline.votes.words import AssignOrder, Round

if TYPE_CHECKING:
    from pipeline.project.folder import Project
    from pipeline.stages.assign import AssignSummary


def assign(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    annotators: Annotated[
        str, typer.Option(help="Names, separated by commas; in a hub these are the names of accounts.")
    ] = "",
    per_image: Annotated[
        int | None, typer.Option(min=1, help="Different people per image; as mlf.toml says where left out (2).")
    ] = None,
    images: Annotated[str, typer.Option(help="How many more images to assign, or `all`.")] = "all",
    order: Annotated[
        AssignOrder,
        typer.Option(
            help="`uncertain`: first the images on which votes and proposals leave most labels in doubt; with "
            "--images, only so many, those that lack a person for --per-image included."
        ),
    ] = AssignOrder.SHUFFLED,
    batch_size: Annotated[
        int, typer.Option(min=0, help="Images that everyone finishes before the next begin; 0 chooses.")
    ] = 0,
    gold: Annotated[
        Path | None, typer.Option(help="CSV (image, class) of known answers, mixed unmarked into everyone's work.")
    ] = None,
    gold_share: Annotated[float, typer.Option(min=0, max=0.5, help="Share of everyone's work that is gold.")] = 0.02,
    leaver: Annotated[str, typer.Option("--from", help="Someone who left: their undecided work goes to --to.")] = "",
    to: Annotated[str, typer.Option(help="Names who take over from --from, or who join half-way.")] = "",
    round_: Annotated[
        Round, typer.Option("--round", help="With --from and --to: whose tasks move, annotators' or refiners'.")
    ] = Round.ANNOTATION,
    seed: Annotated[int, typer.Option(help="The same seed gives the same assignment.")] = 0,
    simulated: Annotated[bool, typer.Option(help="The annotators are programs; everything they do says so.")] = False,
) -> object:
    """Give each image to two (or more) different annotators, in equal loads, every two people sharing images.

    Giving the command again assigns what is still without annotators. Images come in batches, so that work which stops
    early leaves whole images. Five ways to call it:

    mlf assign birds --annotators ada,ben,cleo --images 500     (500 more images to these three)

    mlf assign birds --annotators ada,ben,cleo --per-image 3 --images 50 --order uncertain     (a third vote where
    votes and proposals leave most in doubt; such images say little about the others)

    mlf assign birds --from ben --to ada,cleo                   (ben left: others take what he has not decided)

    mlf assign birds --to dora                                  (dora joins: she takes undecided work from everyone)

    mlf assign birds --from cleo --to dora --round refinement   (the same among refiners)
    """
    from pipeline.errors import ProjectError
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.names import first_few, names_in
    from pipeline.stages.assign import assign_project

    opened = open_whole_project(project)
    kind = "simulated" if simulated else "human"
    _check_call(annotators, gold, leaver, to, round_)
    if to:
        return _move(opened, leaver, names_in(to), seed, kind, round_)
    if not annotators:
        raise ProjectError("who annotates? Name people with --annotators ada,ben,cleo")
    people = names_in(annotators)
    per_image = per_image or opened.settings.annotation.annotators_per_image
    summary = assign_project(
        opened,
        people,
        per_image,
        n_images=_count(images),
        batch_size=batch_size,
        gold=gold,
        gold_share=gold_share,
        seed=seed,
        kind=kind,
        order=order,
    )
    typer.echo(
        f"{so_many(summary.n_images, 'image')} assigned as {so_many(summary.n_tasks, 'task')}"
        + (f", {summary.n_gold:,} of them hidden gold" if summary.n_gold else "")
        + (
            f"; {so_many(summary.n_topped_up, 'task')} completed images that had too few people"
            if summary.n_topped_up
            else ""
        )
        + (
            f"; {so_many(summary.n_unassigned, 'image is', 'images are')} left for later"
            if summary.n_unassigned
            else ""
        )
        + ("; those with most labels in doubt came first" if order is AssignOrder.UNCERTAIN else "")
    )
    for name, load in summary.loads.items():
        typer.echo(f"  {name}: {so_many(load, 'task')}")
    root = shlex.quote(str(project))
    if summary.stuck:
        stuck = first_few(map(repr, summary.stuck))
        more = shlex.quote(",".join([*people, "NAME"]))
        typer.echo(
            f"{so_many(len(summary.stuck), 'image still has', 'images still have')} fewer than {per_image} people "
            f"({stuck}): those named have or refine them already; name somebody else too: mlf assign {root} "
            f"--annotators {more} --per-image {per_image}"
        )
    if not_hidden := _no_gold(summary, gold_share, is_asked_for=gold is not None):
        typer.echo(not_hidden)
    idle = [name for name in people if not summary.loads.get(name)]
    if idle:
        why = (
            "they refine every image that lacks people"
            if summary.stuck
            else "every image to be given out has its people already"
        )
        typer.echo(
            f"No tasks for {', '.join(idle)}: {why}; to share undecided work with them: "
            f"mlf assign {root} --to {shlex.quote(','.join(idle))}"
        )
    typer.echo(f"Next: mlf annotate {root} --annotator NAME, or everyone at once: mlf hub {root}")
    return summary


def _check_call(annotators: str, gold: Path | None, leaver: str, to: str, round_: Round) -> None:
    from pipeline.errors import ProjectError

    if annotators and (leaver or to):
        raise ProjectError("--annotators assigns new images, --from and --to move assigned ones; give one or the other")
    if gold and (leaver or to):
        raise ProjectError("--gold goes along with new work: give it with --annotators; --from and --to move no gold")
    if round_ is Round.REFINEMENT and not to:
        raise ProjectError("--round refinement goes with --from and --to; new refinement work comes from mlf refine")
    if leaver and not to:
        raise ProjectError(f"who takes over from {leaver!r}? Name them with --to")


def _move(project: Project, leaver: str, names: Sequence[str], seed: int, kind: str, round_: Round) -> object:
    from pipeline.stages.assign import hand_over_project, share_project

    if leaver:
        moves = hand_over_project(project, leaver, names, round_=round_)
    else:
        moves = share_project(project, names, seed=seed, kind=kind, round_=round_)
    typer.echo(f"{so_many(len(moves.moves), 'undecided task')} moved to {', '.join(names)}")
    if not moves.moves and not moves.stuck:
        typer.echo(
            "Nothing was left to hand over: every task is decided. New images are new work (mlf add), and so are "
            "disputed ones (mlf refine)"
        )
    if moves.stuck:
        typer.echo(
            f"{leaver} keeps {so_many(len(moves.stuck), 'task')}: those named have or refine these images already"
        )
    return moves


def _no_gold(summary: AssignSummary, gold_share: float, *, is_asked_for: bool) -> str:
    """Say why no gold image was hidden among anybody's tasks; empty where there is nothing to say."""
    is_due = is_asked_for or (summary.n_images and gold_share)
    if not summary.n_answers or summary.n_gold or not is_due:
        return ""
    if not gold_share:
        why = "--gold-share 0 asks for none"
    elif summary.n_images:
        why = "everyone named has these images already"
    else:
        why = "it goes along with new work, and no image is left to give out; give --gold before all images are given"
    return (
        f"No hidden gold: {why}. The answers for {summary.n_answers:,} images are kept in the project's gold.csv, and "
        "stand when labels are settled"
    )


def _count(images: str) -> int | None:
    from pipeline.errors import ProjectError

    if images == "all":
        return None
    if not images.isdigit() or int(images) == 0:
        raise ProjectError(f"--images {images!r}; give a positive number, or `all`")
    return int(images)
