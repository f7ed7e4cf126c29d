"""`mlf status`: how far a project has come, and what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.project.wording import so_many


def status(project: Annotated[Path, typer.Argument(help="The project's folder.")]) -> object:
    """Show which stages are done, how far each annotator is, and what to do next.

    Example: mlf status birds
    """
    from pipeline.assignment.gold import project_gold
    from pipeline.commands.add import lost_and_changed
    from pipeline.datasets.file_marks import changed_files
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.state import project_state
    from pipeline.sessions.board import BoardReader
    from pipeline.stages.status import next_step, stages
    from pipeline.stages.votes_of_project import unknown_names
    from pipeline.store import open_project_store
    from pipeline.votes.words import Round

    opened = open_whole_project(project)
    with open_project_store(opened) as store:
        answers = project_gold(opened)
        boards = [BoardReader(store, round_, answers).read() for round_ in Round]
        n_assigned = len(store.assigned_images(Round.ANNOTATION) | set(answers))
        strangers = unknown_names(opened, store.annotator_kinds())
        last = [max(store.last_times(round_).values(), default="") for round_ in Round]
    found = stages(opened, boards[0], boards[1], n_assigned=n_assigned, last_vote=max(last), last_annotation=last[0])
    typer.echo(f"{opened.settings.project.name} ({project})")
    for stage in found:
        typer.echo(f"  [{'x' if stage.is_done else ' '}] {stage.name:<14} {stage.detail}")
    for board in boards:
        if not board.rows:
            continue
        typer.echo(
            f"\n{board.round.value.capitalize()} round: {board.n_done:,} of {so_many(board.n_tasks, 'task')} done"
        )
        width = max(len(row.annotator) for row in board.rows)
        for row in board.rows:
            agreement = (
                ""
                if row.agreement is None
                else f", agreement {row.agreement:.0%} of {so_many(row.n_peer_votes, 'vote')}"
            )
            gold = "" if row.gold.accuracy is None else f", gold {row.gold.n_exact} of {row.gold.n_decided}"
            kind = ", simulated" if row.is_simulated else ""
            idle = ", idle" if row.is_idle else ""
            typer.echo(
                f"  {row.annotator:<{width}}  {row.n_done:,} done, {row.n_left:,} left{agreement}{gold}{kind}{idle}"
            )
    typer.echo(f"\n{project_state(opened)}")
    warnings = [*filter(None, strangers), *lost_and_changed(opened.root, changed_files(opened))]
    for line in warnings:
        typer.echo(line)
    typer.echo(f"\nNext: {next_step(found)}")
    return {
        "name": opened.settings.project.name,
        "stages": found,
        "rounds": [board for board in boards if board.rows],
        "state": project_state(opened),
        "warnings": warnings,
        "next": next_step(found),
    }
