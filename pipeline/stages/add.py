"""New images for a running project: proposals for themselves alone, and people to annotate them, all in one step."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.assignment.design import assign_images
from pipeline.datasets.adding import AddedImages, write_longer_table
from pipeline.datasets.create import Check
from pipeline.datasets.file_marks import MARKS_FILE, write_marks
from pipeline.datasets.records import SkippedRow
from pipeline.errors import ProjectError
from pipeline.formats.predictions_npz import read_predictions
from pipeline.inference.decoding import DecodingError
from pipeline.inference.filling import IMAGES_SHA256
from pipeline.inference.parts import read_run_settings
from pipeline.inference.precision import PrecisionError
from pipeline.inference.predictions import predictions_path, write_predictions
from pipeline.project.changing import FileChange, changing
from pipeline.project.class_references import ClassNumbers
from pipeline.project.files import sha256_of
from pipeline.project.folder import SETTINGS_FILE, Project, open_project
from pipeline.project.history import HISTORY_FILE, Change, next_change
from pipeline.project.list_columns import pad_lists
from pipeline.project.settings import write_settings
from pipeline.project.tables import PROPOSALS_WITH_VIEWS
from pipeline.project.wording import so_many
from pipeline.proposals.reader import ProposalReader
from pipeline.proposals.writer import write_longer_proposals
from pipeline.stages.assign import read_tasks
from pipeline.stages.propose import propose, ranked_proposals
from pipeline.stages.propose_runs import last_proposing
from pipeline.store import open_project_store

_TABLES = ("predictions", "candidates", "features")


@dataclass(frozen=True, slots=True)
class AddOutcome:
    """What became of new images.

    Parameters
    ----------
    change
        The line in the history.
    n_before, n_added, n_known
        Images before; new ones; and those that the source names and the project had.
    n_proposed
        New images with proposals; None where the project has no proposals yet.
    loads
        Annotator to new tasks; empty where nobody got any.
    why_unassigned
        Why the new images wait for `mlf assign`; empty where they were assigned.
    skipped
        What could not be used.
    """

    change: Change
    n_before: int
    n_added: int
    n_known: int
    n_proposed: int | None
    loads: Mapping[str, int]
    why_unassigned: str
    skipped: tuple[SkippedRow, ...]


def add_images(
    project: Project,
    images: str | Path,
    *,
    images_root: str | Path | None = None,
    has_files: bool = True,
    prefix: str = "",
    check: Check = "header",
    numbers: ClassNumbers = "auto",
    label_column: str = "",
    model: Mapping[str, Any] | None = None,
    from_predictions: Path | None = None,
    device: str | None = None,
    is_assigned: bool = True,
    by: str = "",
) -> AddOutcome:
    """Add images to a project, wholly or not at all.

    Parameters
    ----------
    images, images_root, has_files, prefix, check, numbers, label_column
        As for :func:`pipeline.datasets.adding.write_longer_table`.
    model
        How to propose for them: parameters of :func:`pipeline.stages.propose.propose`. Left out, as the last run did.
    from_predictions
        Rankings of the new images instead, as for :func:`pipeline.stages.propose.propose_from_predictions`: a row for
        each row of the source.
    device
        Where the model runs; None takes what `model`, or the last run, says.
    is_assigned
        Whether the images join an assignment that covers all others.
    by
        Who adds them; left out, whoever runs this process.

    Raises
    ------
    DatasetError
        If nothing in the source is new, or a model cannot be loaded.
    ProjectError
        If nothing says how the project's proposals were made, or another change is under way.
    """
    with changing(project.root) as files:
        project.require_newest_format()
        project = open_project(project.root)
        tables = files.path(project.images_path.name), files.path(project.skipped_path.name)
        added = write_longer_table(
            project,
            images,
            *tables,
            images_root=images_root,
            has_files=has_files,
            prefix=prefix,
            check=check,
            numbers=numbers,
            label_column=label_column,
        )
        before, now = sha256_of(project.images_path), sha256_of(tables[0])
        word = "image" if added.n_added == 1 else "images"
        detail = {
            "text": f"added {added.n_added:,} {word}",
            "n_images": added.n_before + added.n_added,
            "images_sha256": now,
            "images_sha256_before": before,
        }
        staged = _staged(project, files, added, detail)
        n_proposed = None
        if project.proposals_path.exists():
            n_proposed = _propose(project, staged, files, added, model, device, from_predictions, (before, now))
        write_marks(staged, files.path(MARKS_FILE))
        if added.settings != project.settings:
            write_settings(added.settings, files.path(SETTINGS_FILE))
        plan, why = _plan(project, added, is_assigned=is_assigned and n_proposed is not None)
        change = files.commit("images add", detail, by, {"kind": "tasks", "tasks": plan} if plan else None)
    with open_project_store(open_project(project.root)):
        pass  # opening it tells it of the new tasks
    loads = Counter(name for name, _, _ in plan)
    return AddOutcome(
        change=change,
        n_before=added.n_before,
        n_added=added.n_added,
        n_known=added.n_known,
        n_proposed=n_proposed,
        loads=dict(sorted(loads.items())),
        why_unassigned=why,
        skipped=added.skipped,
    )


def _staged(project: Project, files: FileChange, added: AddedImages, detail: Mapping[str, Any]) -> Project:
    """Return a project beside the project, in which stage 1 can run without touching anything."""
    root = files.scratch("staged/mlf.toml").parent
    for path in (project.classes_path, project.examples_path, project.root / "secret"):
        if path.exists():
            shutil.copy2(path, root / path.name)
    shutil.copy2(files.path(project.images_path.name), root)
    shutil.copy2(files.path(project.skipped_path.name), root)
    (root / HISTORY_FILE).write_text(next_change(project.root, "images add", detail)[1], encoding="utf-8")
    for folder in _TABLES:
        for path in sorted((project.root / folder).glob("*.parquet")):
            (root / folder).mkdir(exist_ok=True)
            os.link(path, root / folder / path.name)
    section = replace(
        added.settings.project,
        images_root=project.images_root,
        examples_root=project.examples_root,
        image_folders=[*project.image_folders, *added.settings.project.image_folders],
    )
    return Project(root, replace(added.settings, project=section))


def _propose(
    project: Project,
    staged: Project,
    files: FileChange,
    added: AddedImages,
    model: Mapping[str, Any] | None,
    device: str | None,
    from_predictions: Path | None,
    digests: tuple[str, str],
) -> int:
    """Write the longer proposals, and what they were made from; return how many new images have some."""
    reader = ProposalReader(project.proposals_path)
    if from_predictions is not None or (reader.settings.get("source") == "predictions" and model is None):
        _rank(project, staged, added, from_predictions)
    else:
        try:
            propose(staged, **{**(model or last_proposing(project)), **({"device": device} if device else {})})
        except (DecodingError, PrecisionError) as error:
            raise ProjectError(
                f"{error.why}; a GPU ranked the project's images by this model: add images on a machine with an "
                "Nvidia GPU, and without --device cpu, or name another model with --model"
            ) from error
        shutil.copy2(staged.skipped_path, files.path(project.skipped_path.name))
    new = _new_rows(staged, reader, added.n_before)
    write_longer_proposals(project, new, reader, digests, files.path(project.proposals_path.name))
    for folder in _TABLES:
        for path in sorted((staged.root / folder).glob("*.parquet")):
            if read_run_settings(path).get(IMAGES_SHA256) == digests[1]:
                path.replace(files.path(f"{folder}/{path.name}"))
    return int(sum(bool(classes) for classes in new.column("class_index").to_pylist()))


def _rank(project: Project, staged: Project, added: AddedImages, path: Path | None) -> None:
    """Make the staged proposals from rankings of the new images that were made elsewhere."""
    if path is None:
        raise ProjectError(
            f"{project.root}: its proposals come from a file of predictions; give one with a row for each row of the "
            "new images with --from-predictions FILE.npz, or name a model with --model"
        )
    rows = np.array(added.rows)
    rankings = read_predictions(path, len(rows), len(project.label_space), "the new images")
    settings = {"source": "predictions", "file_sha256": sha256_of(path), IMAGES_SHA256: sha256_of(staged.images_path)}
    longer = {}
    for name, ranking in rankings.items():
        old = predictions_path(project, name)
        if not old.exists():
            known = ", ".join(sorted(p.stem for p in project.predictions_dir.glob("*.parquet")))
            raise ProjectError(
                f"{path}: its model {name!r} is none of the project's, which are {known}; "
                "rename the array, or name the model with --model"
            )
        before = pad_lists(pq.read_table(old).column("class_index"), -1, np.dtype(np.int32))
        width = max(before.shape[1], ranking.shape[1])
        parts = [np.pad(p, ((0, 0), (0, width - p.shape[1])), constant_values=-1) for p in (before, ranking[rows])]
        longer[name] = np.concatenate(parts)
        predictions_path(staged, name).unlink(missing_ok=True)
        write_predictions(staged, name, longer[name], settings)
    ranked_proposals(staged, longer, settings)


def _new_rows(staged: Project, old: ProposalReader, n_before: int) -> pa.Table:
    """Return the staged proposals of the new images, with models by their names."""
    made = ProposalReader(staged.proposals_path)
    table = pq.read_table(staged.proposals_path).slice(n_before)
    models = [*old.models, *(name for name in made.models if name not in old.models)]
    place = {i: models.index(name) for i, name in enumerate(made.models)}
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    columns["model"] = [[place.get(code, code) for code in row] for row in columns["model"]]
    columns.setdefault("view", [[0] * len(row) for row in columns["model"]])
    return pa.table(columns, schema=PROPOSALS_WITH_VIEWS).replace_schema_metadata({"models": json.dumps(models)})


def _plan(project: Project, added: AddedImages, *, is_assigned: bool) -> tuple[list[tuple[str, int, bool]], str]:
    """Return tasks for the new images, as (annotator, image, gold), and why there are none where there are none."""
    with open_project_store(project) as store:
        tasks = read_tasks(store)
        active = store.active_annotators()
    ordinary = tasks.image_index[~tasks.is_gold]
    if not len(ordinary):
        return [], "" if is_assigned else "nobody annotates yet"
    if not is_assigned:
        return [], "--no-assign was given, or there are no proposals"
    if len(np.unique(tasks.image_index)) < added.n_before:
        n_waiting = added.n_before - len(np.unique(tasks.image_index))
        return [], f"{so_many(n_waiting, 'image of before waits', 'images of before wait')} for an assignment, too"
    people = [name for name in tasks.annotators if name in active]
    counts = Counter(np.unique(ordinary, return_counts=True)[1].tolist())
    per_image = counts.most_common(1)[0][0]
    if len(people) < per_image:
        return [], f"each image goes to {per_image} people, and {len(people)} annotate"
    new = np.arange(added.n_before, added.n_before + added.n_added)
    seed = project.secret.seed("assignment", 0)
    plan = assign_images(new, people, per_image, seed=seed, n_before=len(np.unique(ordinary)))
    names = [plan.annotators[code] for code in plan.annotator.tolist()]
    return list(zip(names, plan.image_index.tolist(), plan.is_gold.tolist(), strict=True)), ""
