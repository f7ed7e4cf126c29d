"""`mlf toybox`: draw the embedded data set, and train a small model on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def toybox(
    destination: Annotated[Path, typer.Argument(help="New or empty folder, or one drawn by this command before.")],
    seed: Annotated[int, typer.Option(help="The same seed draws the same pictures, byte for byte.")] = 0,
    scenes: Annotated[int, typer.Option(min=0, help="Number of scenes of 1 to 6 objects.")] = 600,
    reference: Annotated[int, typer.Option(min=0, help="Number of single-object pictures of each class.")] = 60,
    train: Annotated[
        Path | None, typer.Option(help="Also train a model on the single-object pictures, and write it to this file.")
    ] = None,
    architecture: Annotated[str, typer.Option(help="With --train: what `timm` calls the model.")] = "test_resnet",
    seconds: Annotated[float, typer.Option(min=1, help="With --train: how long to train.")] = 60,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="With --train: passes over the pictures, instead of --seconds.")
    ] = None,
    train_seed: Annotated[int, typer.Option(help="With --train: seed of the training.")] = 0,
) -> None:
    """Draw a small data set to try everything on: everyday objects, alone and in scenes.

    Each scene has one original label, as in ImageNet, though about half show several objects; `truth.json` keeps them
    all. `classes.csv` is the label space, `reference/` has examples, `scenes.csv` is the manifest. Models that were
    trained on it come with the program; --train makes another, with a JSON beside it that says what it is.

    Example: mlf toybox toys && mlf init demo --images toys/scenes.csv --classes toys/classes.csv
    """
    from pipeline.toybox import write_toybox

    paths = write_toybox(destination, seed=seed, n_scenes=scenes, n_reference=reference)
    typer.echo(f"{paths.root}: {scenes:,} scenes, {reference:,} reference pictures of each class")
    if train is None:
        return
    from pipeline.toybox.scoring import score_toybox_model
    from pipeline.toybox.training import train_toybox_model

    train_toybox_model(destination, train, architecture=architecture, seed=train_seed, seconds=seconds, n_epochs=epochs)
    typer.echo(f"{train}: {architecture}, {train.stat().st_size / 1e6:.2f} MB")
    if scenes:
        score = score_toybox_model(destination, train)
        typer.echo(
            f"on {score.n_scenes:,} scenes: Top-1 {score.top1:.1%}, ReaL {score.real:.1%}; of {score.n_labels:,} true "
            f"labels {score.recall_at_10:.1%} are among the topmost 10, {score.recall_at_20:.1%} among 20"
        )
