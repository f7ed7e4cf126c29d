"""`mlf propose`: stage 1, which classes are offered for each image."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.computing import BatchSize, Device, Workers
from pipeline.project.wording import so_many


def propose(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A timm model (`resnet50.a1_in1k`, `hf_hub:…`), or a --checkpoint's architecture; repeatable. Without "
            "any, the best model at hand for the classes."
        ),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="Weights on this machine; a JSON beside them may say architecture, class_keys and more."),
    ] = None,
    from_examples: Annotated[
        bool,
        typer.Option("--from-examples", help="Propose from examples of each class; --model is then a backbone."),
    ] = False,
    learn_from: Annotated[
        str | None,
        typer.Option(help="With --from-examples: `references`, `labels` (original ones, out of fold) or `both`."),
    ] = None,
    zero_shot: Annotated[
        list[str] | None,
        typer.Option(
            help="An image-text model (CLIP, SigLIP) that knows classes by their words: `ViT-B-32/openai`, "
            "`hf-hub:timm/ViT-B-16-SigLIP`, a folder or a file of weights; repeatable."
        ),
    ] = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="With --zero-shot, what is said of a class: `a camera trap photo of a {name}.`; repeatable."),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="A method more, as `examples:BACKBONE`, `classifier:MODEL` or `zero-shot:MODEL`; repeatable."
        ),
    ] = None,
    views: Annotated[
        int | None,
        typer.Option(
            help="Parts of each image to look at: 1 (whole), 5 or 14 (overlapping crops). More find more small objects "
            "and cost as many times as much. Left out, the project's setting."
        ),
    ] = None,
    merge: Annotated[
        str | None,
        typer.Option(
            help="Of several methods: by calibrated `score`, by `rank` (where one has no scores), or as `learned` from "
            "settled labels."
        ),
    ] = None,
    settled: Annotated[
        Path | None,
        typer.Option(
            help="What `learned` and --miss go by: refined labels as JSON, or another project's learned_merge.json. "
            "Left out, the project's own settled labels."
        ),
    ] = None,
    miss: Annotated[
        float | None,
        typer.Option(
            help="Offer only as many classes as keep the expected share of an image's labels that is missed under "
            "this, as 0.1, by a threshold on their score."
        ),
    ] = None,
    at_least: Annotated[int | None, typer.Option(min=1, help="With --miss, fewest proposals of an image.")] = None,
    at_most: Annotated[int | None, typer.Option(min=1, help="With --miss, most proposals of an image.")] = None,
    from_predictions: Annotated[
        list[Path] | None,
        typer.Option(
            help="Models run elsewhere: an NPZ with an int array (images, k) a model, rows in manifest order; or a TSV "
            "of filename, gt_index, idx_list, prob_list; repeatable."
        ),
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(
            help="Order of a folder's classes and images in --from-predictions: `natural` (1, 2, 10: timm) or "
            "`torchvision` (1, 10, 2: Keras and Hugging Face, too)."
        ),
    ] = None,
    batch_size: BatchSize = None,
    device: Device = "auto",
    n_workers: Workers = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="What models are computed in: `auto` (bfloat16 where the processor or GPU has it), `float32`, "
            "`bfloat16`, `float16` (GPU). Left out, the project's setting, which is auto unless changed."
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="What runs the models: `local`, this machine, or `ray`, the machines of a Ray cluster.")
    ] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="With --engine ray, where the cluster is (`10.0.0.1:6379`). Left out, what RAY_ADDRESS says, else the "
            "cluster that this machine belongs to, else this machine alone."
        ),
    ] = None,
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Compile classifiers first, which takes seconds to minutes each: pays on a GPU where the model, not "
            "decoding, is what a long run waits for (large models, several views). A run begun so goes on so.",
        ),
    ] = False,
    decode: Annotated[
        str | None,
        typer.Option(
            help="What decodes images: `cpu` (Pillow), or `gpu` for JPEGs (Nvidia's decoder), refused where it changes "
            "rankings of the project's images. Left out, `auto`: cpu, or what an unfinished run began with."
        ),
    ] = None,
    include_original: Annotated[
        bool, typer.Option(help="Offer the original label, last, where the model does not propose it.")
    ] = False,
    allow_missing_classes: Annotated[
        bool, typer.Option(help="Accept a model that does not know every class of the project.")
    ] = False,
    restart: Annotated[bool, typer.Option(help="Throw away what an earlier run left, and start over.")] = False,
) -> object:
    """Rank the classes of every image with pretrained models; the topmost become its proposals.

    Runs the stage's notebook. A run that was cut off goes on where it was when the same command is given again. Images
    that cannot be decoded are skipped and named in `skipped.parquet`. Examples of each class are packed along the way.

    Classes that no model knows are proposed from examples of them (the reference set, or the images' own labels) or
    from their words. All kinds of methods can be combined.

    Example: mlf propose birds --model resnet50.a1_in1k --views 5 && mlf propose mine --from-examples
    """
    from pipeline.errors import ProjectError
    from pipeline.inference.decoding import decoding_as_asked
    from pipeline.inference.filling import engine_as_asked
    from pipeline.inference.offline import best_at_hand
    from pipeline.inference.precision import as_asked
    from pipeline.project.image_table import open_whole_project
    from pipeline.runs import run_stage
    from pipeline.stages.propose import propose_summary

    models, checkpoints, methods = list(model or ()), list(checkpoint or ()), list(method or ())
    files = [str(path.absolute()) for path in from_predictions or ()]
    is_named = bool(models or checkpoints or methods or from_examples or zero_shot or files)
    if merge not in (None, "score", "rank", "learned"):
        raise ProjectError(f"--merge {merge}: methods are merged by score, by rank, or as learned")
    if learn_from and not (from_examples or methods):
        raise ProjectError("--learn-from says from which examples: give it with --from-examples")
    engine_as_asked(engine)
    if ray_address and engine != "ray":
        raise ProjectError("--ray-address says where a Ray cluster is: give it with --engine ray")
    if order and not files:
        raise ProjectError("--order says in which order the rows of --from-predictions are; leave it out")
    opened = open_whole_project(project)
    if not is_named:
        source, said = best_at_hand(opened.label_space)
        models = [source.architecture] if source.architecture else []
        checkpoints = [source.checkpoint] if source.checkpoint else []
        typer.echo(f"No model is named; this takes {said}")
    run = run_stage(
        opened,
        "propose",
        {
            "model": models,
            "checkpoint": [str(path.absolute()) for path in checkpoints],
            "from_examples": from_examples,
            "learn_from": learn_from,
            "zero_shot": [_absolute_where_a_path(name) for name in zero_shot or ()],
            "prompts": list(prompt or ()),
            "methods": methods,
            "views": views,
            "merge": merge,
            "settled": str(settled.absolute()) if settled else None,
            "miss": miss,
            "at_least": at_least,
            "at_most": at_most,
            "from_predictions": files,
            **({"order": order} if order else {}),
            "batch_size": batch_size,
            "device": device,
            "n_workers": n_workers,
            "precision": as_asked(precision) if precision else None,
            **({"engine": engine, "ray_address": ray_address} if engine != "local" else {}),
            **({"compiled": True} if compiled else {}),
            **({"decode": decoding_as_asked(decode)} if decode else {}),
            "include_original": include_original,
            "allow_missing_classes": allow_missing_classes,
            "restart": restart,
        },
    )
    summary = propose_summary(opened)
    named = ", ".join(summary.models[:3]) + (f" and {len(summary.models) - 3} more" if len(summary.models) > 3 else "")
    typer.echo(
        f"{project}: proposals for {summary.n_with_proposals:,} of {so_many(summary.n_images, 'image')}, from {named}"
    )
    for model_name, found in summary.precisions:
        typer.echo(f"{model_name}: computed in {found}")
    if summary.skipped:
        typer.echo(
            f"Skipped {so_many(len(summary.skipped), 'image or row', 'images or rows')}, named in "
            f"{opened.skipped_path}; the first:"
        )
        for row in summary.skipped[:3]:
            typer.echo(f"  {row.image_id}: {row.reason}")
    typer.echo(f"Next: mlf assign {shlex.quote(str(project))} --annotators NAME,NAME")
    return {"figures": summary, "report": run.report}


def _absolute_where_a_path(model: str) -> str:
    """Return a model's name, or where it lies: the notebook runs in another folder."""
    path = Path(model).expanduser()
    return str(path.absolute()) if path.exists() else model
