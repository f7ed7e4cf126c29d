"""How a project's proposals were made last, as the record of that run tells."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from pipeline.errors import ProjectError
from pipeline.project.folder import Project
from pipeline.proposals.reader import ProposalReader

_PARAMETERS = (
    "model", "checkpoint", "from_examples", "learn_from", "zero_shot", "prompts", "methods", "views", "merge",
    "settled", "miss", "at_least", "at_most", "batch_size", "device", "n_workers", "precision",
    "include_original", "allow_missing_classes",
)  # fmt: skip


def last_proposing(project: Project) -> dict[str, Any]:
    """Return the parameters of :func:`pipeline.stages.propose.propose` by which a project's proposals were made.

    A cluster that ran the models may be gone: neither its address nor its kind of device is among them. What decoded
    the images and whether networks were compiled, the tables of rankings tell to a run that goes on with them. Raise
    `ProjectError` if no run tells, or a checkpoint that it used is gone; the message says how to name the model.
    """
    how = f"name the model: mlf add {shlex.quote(str(project.root))} --images … --model NAME, or --checkpoint FILE"
    for folder in sorted(project.runs_dir.glob("*-propose*"), reverse=True):
        record = _record(folder / "1_propose.ipynb")
        if record.get("outcome") == "done" and not record["parameters"].get("from_predictions"):
            found = {name: record["parameters"][name] for name in _PARAMETERS if name in record["parameters"]}
            if record["parameters"].get("engine", "local") != "local":
                found.pop("device", None)
            gone = [path for path in found.get("checkpoint") or [] if not Path(path).is_file()]
            if gone:
                raise ProjectError(f"{gone[0]}, with which the proposals were made, is no longer there; {how}")
            return found
    settings = ProposalReader(project.proposals_path).settings
    if settings.get("source") == "model" and settings.get("preprocessing"):
        return {"model": [settings["model"]], "views": settings.get("n_views", 1)}
    raise ProjectError(f"{project.root}: no run in runs/ tells how its proposals were made; {how}")


def _record(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["metadata"]["mlf"]
    except (OSError, ValueError, KeyError):
        return {}
    return content
