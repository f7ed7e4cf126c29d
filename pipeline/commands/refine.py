"""`mlf refine`: stage 4, gives disputed images to people who did not annotate them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import ProjectError
from pipeline.project.wording import so_many
from pipeline.votes.words import SelectionRule

if TYPE_CHECKING:
    from pipeline.stages.select import RefinementSummary


_RULES = "; ".join(f"`{rule}`: {rule.chosen}" for rule in SelectionRule)


def refine(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    refiners: Annotated[str, typer.Option(help="Who decides disputed images: names, separated by commas.")],
    rule: Annotated[
        SelectionRule,
        typer.Option(help=f"Which images: {_RULES}."),
    ] = SelectionRule.PUBLISHED,
    minutes: Annotated[float | None, typer.Option(min=0, help="With --rule budget: minutes to spend.")] = None,
    audit_share: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of the images not chosen that are refined all the same, to see what "
            "stays wrong; as mlf.toml says where left out (0).",
        ),
    ] = None,
    simulated: Annotated[bool, typer.Option(help="The refiners are programs; everything they do says so.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the audit, and of who gets which image.")] = 0,
) -> object:
    """Give disputed images to people who did not annotate them.

    Images whose annotators' label sets differ are given to the refiners, each to one of them. Giving the command again,
    after more annotation, adds what is newly disputed; what was given before stays where it is. When the refiners are
    done, `mlf settle` makes the refined labels.

    mlf refine birds --refiners cleo,dora                             (every disputed image)

    mlf refine birds --refiners cleo --rule budget --minutes 60 --audit-share 0.05

    mlf refine birds --refiners cleo --rule suggested                 (labels that models believe in, nobody was shown)
    """
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.names import names_in
    from pipeline.stages.select import select_and_assign

    if not refiners.replace(",", " ").strip():
        raise ProjectError(f"--refiners {refiners!r} names nobody; name people, as in --refiners cleo,dora")
    summary = select_and_assign(
        open_whole_project(project),
        names_in(refiners),
        rule=rule,
        minutes=minutes,
        audit_share=audit_share,
        seed=seed,
        kind="simulated" if simulated else "human",
    )
    for line in given_out(project, summary):
        typer.echo(line)
    return summary


def given_out(project: Path, summary: RefinementSummary) -> list[str]:
    """Return what was given to refiners, and what to open, line by line."""
    chosen = summary.n_new - summary.n_audit
    lines = [
        f"{summary.n_disputed:,} of {summary.n_images:,} decided images are disputed: annotators' label sets differ",
        f"{chosen:,} {summary.rule.chosen} newly given to refiners"
        + (f", and {summary.n_audit:,} drawn at random to see what stays wrong" if summary.n_audit else "")
        + (f"; {summary.n_earlier:,} were given out before" if summary.n_earlier else ""),
    ]
    if summary.n_suggested:
        lines.append(f"Also asked about, unmarked: {so_many(summary.n_suggested, 'label')} that models believe in")
    if summary.expected_minutes is not None:
        lines.append(f"Expected to take {summary.expected_minutes:,.0f} minutes")
    lines += [f"  {name}: {so_many(load, 'new image')}" for name, load in summary.loads.items()]
    root = shlex.quote(str(project))
    person = shlex.quote(next(iter(summary.loads))) if len(summary.loads) == 1 else "NAME"
    if summary.n_new == 0 and summary.n_earlier == 0:
        lines.append(f"There is nothing to refine. Next: mlf settle {root}")
    else:
        lines.append(
            f"Next: refiners decide in 4_refine.ipynb; open it with: mlf annotate {root} --annotator {person} "
            f"--round refinement (several at once: mlf hub {root}); then settle: mlf settle {root}"
        )
    return lines
