"""`mlf store`: maintains the log of events in which a project keeps everyone's work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.project.wording import so_many

store = typer.Typer(no_args_is_help=True, help="Look after the store, the log of everyone's work.")


@store.command()
def rebuild(project: Annotated[Path, typer.Argument(help="The project's folder.")]) -> object:
    """Derive every image's current state from the log of events again.

    The log alone is the truth; the states and the lists of what is done are kept beside it so that sessions open
    quickly. If the two ever differ, after a repair by hand or a mistake in the program, this puts the states right.
    No event changes. All of it is one transaction: stopped half-way, nothing has changed. Saving waits while it runs,
    and widgets send what waited.

    Example: mlf store rebuild birds
    """
    from tqdm.auto import tqdm

    from pipeline.project.folder import open_project
    from pipeline.store import open_project_store

    with open_project_store(open_project(project)) as opened, tqdm(unit=" states") as bar:

        def show(n_done: int, n_states: int) -> None:
            bar.total = n_states
            bar.update(n_done - bar.n)

        n_states = opened.rebuild(show)
    typer.echo(f"{n_states:,} states derived from the log")
    return {"n_states": n_states}


@store.command()
def verify(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    keep: Annotated[
        Path | None, typer.Option(help="Write where each person's chain of events ends to this JSON file.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Compare with a file that --keep wrote earlier, kept on another machine.")
    ] = None,
) -> object:
    """Check that no event of the log was changed, removed or inserted, and say which if one was.

    Each event carries a digest of itself and of the event of the same person before it. Whoever can write the database
    could make all digests again; then a file that `--keep` wrote before tells. It also checks the database's pages,
    that the log holds all that was acknowledged, and that the states kept beside the log follow from it.

    Example: mlf store verify birds --against heads-of-may.json
    """
    from tqdm.auto import tqdm

    from pipeline.errors import StoreError
    from pipeline.project.folder import open_project
    from pipeline.store import open_project_store
    from pipeline.store.chain import read_heads, write_heads
    from pipeline.store.standing import read_mark

    opened = open_project(project)
    kept = read_heads(against) if against else {}
    with open_project_store(opened) as log, tqdm(unit=" events") as bar:
        doubt = ""
        try:
            log.check_standing(read_mark(opened.root))
        except StoreError as error:
            doubt = str(error)
        found = log.verify(bar.update)
        lost = log.lost_heads(kept)
    for line in (*([doubt] if doubt else []), *(str(one) for one in found.breaks), *lost):
        typer.echo(line)
    for round_, annotator, image_index in found.stale_states:
        typer.echo(f"{annotator}, {round_}: the state of image {image_index} does not follow from the events")
    if keep:
        write_heads(keep, found.heads)
        typer.echo(
            f"the ends of {len(found.heads)} chains are in {keep}; keep it where nobody of this machine can write"
        )
    if not found.is_sound or doubt or lost:
        hint = "; `mlf store rebuild` puts states right" if found.stale_states and not found.breaks else ""
        raise StoreError(f"the store of {opened.root} is not as it was written (see above){hint}").with_figures(
            {"breaks": found.breaks, "stale_states": found.stale_states, "lost": lost, "doubt": doubt}
        )
    typer.echo(f"{so_many(found.n_events, 'event')} in {so_many(len(found.heads), 'chain')}: whole and unchanged")
    heads = [{"round": round_, "annotator": name, "head": head} for (round_, name), head in found.heads.items()]
    return {"n_events": found.n_events, "heads": heads}


@store.command()
def merge(
    project: Annotated[Path, typer.Argument(help="The project's folder; its store takes what it lacks.")],
    other: Annotated[Path, typer.Argument(help="Another copy of its store: a project's folder, or a .sqlite file.")],
) -> object:
    """Join two copies of a store that went separate ways: the events of both, each once.

    For when an older copy was put in place and people worked on: nothing of either is lost. Events are told apart by
    their ids, so giving the command twice changes nothing. Stop the hub first, and make a backup.

    Example: mlf store merge birds /mnt/rescued/store.sqlite
    """
    from pipeline.errors import ProjectError
    from pipeline.project.folder import open_project
    from pipeline.store import open_project_store, open_store
    from pipeline.store.merging import merge_stores

    opened = open_project(project)
    if not other.exists():
        raise ProjectError(f"{other} does not exist; name a project's folder or a .sqlite file")
    url = open_project(other).store_url if other.is_dir() else f"sqlite:///{other}"
    with open_project_store(opened) as log, open_store(url, len(opened.label_space), opened.label_space.gone) as copy:
        summary = merge_stores(log, copy)
    typer.echo(f"{so_many(summary.n_taken, 'event')} taken, there already: {summary.n_known:,}")
    for annotator, n_events in summary.taken_from.items():
        typer.echo(f"  {annotator}: {n_events:,}")
    for event_id, reason in summary.refused:
        typer.echo(f"not taken: event {event_id}: {reason}")
    for round_, annotator, image_index in summary.continued_on_both:
        typer.echo(f"{annotator}, {round_}, image {image_index}: worked on in both copies; let them look at it again")
    typer.echo(f"Next: mlf store verify {project}, then mlf store accept {project}")
    return summary


@store.command()
def accept(project: Annotated[Path, typer.Argument(help="The project's folder.")]) -> None:
    """Take the store as it is for the truth, after it was put back, merged or restored by hand.

    The service keeps a mark of the last event that it acknowledged, and does not start on a store that lacks it. This
    sets the mark to the end of the log. What the store lacks is lost by that; `mlf store merge` gets it back first.

    Example: mlf store accept birds
    """
    from pipeline.project.folder import open_project
    from pipeline.store import open_project_store
    from pipeline.store.standing import write_mark

    opened = open_project(project)
    with open_project_store(opened) as log:
        end = log.end_of_log()
        log.check_standing(end)
    write_mark(opened.root, end)
    typer.echo(f"the log ends at event {end.seq:,}; the service starts on it")
