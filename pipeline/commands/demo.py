"""`mlf demo`: the whole method, on data that the program draws itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.demo.run import FinishedDemo
    from pipeline.toybox import ToyboxPaths


def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Folder for the demo, new or of an earlier one.")] = Path(
        "demo"
    ),
    headless: Annotated[
        bool, typer.Option("--headless", help="Only stages 1 to 6 to the report; no page to annotate on.")
    ] = False,
    scenes: Annotated[int, typer.Option(min=20, help="Scenes in the finished project.")] = 600,
    port: Annotated[int | None, typer.Option(help="The page's port; the first free one from 8888 on.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the browser, where there is one.")] = True,
) -> None:
    """Take the whole method through its stages on pictures that the program draws itself.

    Simulated annotators label, disagree and are settled; models are scored; the figures are printed beside the truth,
    which the toybox keeps. Then the page of a second project opens, in which two simulated colleagues are at work
    and your own images wait for you. Your labels there are kept when the demo is run again; what it finished before is
    run again with --headless alone.

    Example: mlf demo --headless --dir trial
    """
    from pipeline.demo.run import draw_toybox, finished_before, finished_project, locked

    with locked(folder):
        box = draw_toybox(folder / "toybox", scenes)
        done = None if headless else finished_before(folder / "finished", box, scenes)
        if done is None:
            _clear(folder / "finished")
            done = finished_project(folder / "finished", box, _say)
        if headless:
            _tell(done)
        else:
            _work_together(folder, box, done, port, browser=browser)


def _work_together(folder: Path, box: ToyboxPaths, done: FinishedDemo, port: int | None, *, browser: bool) -> None:
    from pipeline.demo.live import Colleagues
    from pipeline.demo.run import ANNOTATORS, YOU, project_to_annotate, simulated_annotators
    from pipeline.runs.jupyterlab import annotation_notebook, running_laboratory, wait_for_the_end

    project = project_to_annotate(folder / "running", box, _say)
    notebook = annotation_notebook(project, YOU)
    _say(f"$ mlf annotate {project.root} --annotator {YOU}")
    with (
        running_laboratory(project.root, notebook, port=port, open_browser=browser) as laboratory,
        Colleagues(simulated_annotators(project, box, ANNOTATORS)) as colleagues,
    ):
        _tell(done)
        typer.echo(f"\nAt work beside you: {' and '.join(ANNOTATORS)} (simulated); see `mlf status {project.root}`")
        typer.echo(f"Annotate at {laboratory.url}   (Ctrl-C ends the demo; what was saved is saved)")
        typer.echo(f"The notebook behind it: {laboratory.notebook_url}")
        wait_for_the_end(laboratory)
        for name, failure in colleagues.failures.items():
            typer.echo(f"{name} (simulated) stopped: {failure}", err=True)
    typer.echo("Stopped.")


def _tell(done: FinishedDemo) -> None:
    from pipeline.project.results import read_summary
    from pipeline.reports.headlines import evaluation_headline
    from pipeline.stages.evaluate import EvaluateSummary

    summary = read_summary(done.project, "evaluate", EvaluateSummary)
    typer.echo("\nAgainst the truth that the toybox keeps:")
    for line in done.against_truth.lines():
        typer.echo(f"  {line}")
    typer.echo("Models under the refined labels:")
    for line in evaluation_headline(summary):
        if line.startswith(("  ", "ReaL")):
            typer.echo(f"  {line.strip()}")
    typer.echo(f"Report: {done.report}")


def _say(line: str) -> None:
    typer.echo(line)


def _clear(project: Path) -> None:
    """Remove an earlier demo's finished project; anything else in its place is kept, and refused later."""
    if (project / "mlf.toml").is_file():
        shutil.rmtree(project)
