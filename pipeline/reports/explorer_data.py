"""The explorer's compact file and sprites of thumbnails, beside the pages of a report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image
from tqdm.auto import tqdm

from pipeline.annotation.disputes import open_labels
from pipeline.annotation.folding import ImageState
from pipeline.errors import DatasetError
from pipeline.images import display_jpeg
from pipeline.images.locations import join_location
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.project.wording import so_many
from pipeline.project.writing import whole_file, write_text
from pipeline.runs.page import DATA_FILE, SPRITES
from pipeline.sessions.local_explorer import LocalExplorer
from pipeline.store import open_project_store
from pipeline.votes.words import Round

#: Most images that the explorer lists, and most that have a thumbnail; the rest is said to be left out.
MOST_LISTED, MOST_THUMBNAILS = 50_000, 10_000
_COLUMNS, _EACH = 10, 100
_FEW = 2_000
_SIDE_PX, _SIDE_PX_OF_FEW = 64, 128


@dataclass(frozen=True, slots=True)
class ExplorerFiles:
    """What was written: how many images are listed and have thumbnails, of how many, and how many cannot be shown."""

    n_listed: int
    n_thumbnails: int
    n_images: int
    n_unreadable: int
    notice: str


def write_explorer(project: Project, folder: Path) -> ExplorerFiles:
    """Write the explorer's file and its sprites into a folder; sprites of the same images are left as they are.

    Parameters
    ----------
    folder
        The project's `reports/`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store = open_project_store(project)
    info = LocalExplorer(project, store=store).open()
    number_of = {person.name: number for number, person in enumerate(info.people)}
    table = image_columns(project, ["image_id", "original_label"])
    n_images = table.num_rows
    refined, source, sources = _refined(project, n_images)
    original = table.column("original_label").fill_null(-1).to_numpy()
    rows = _rows_to_list(n_images, refined, original)
    names = table.column("image_id").take(rows).to_pylist()
    listed = rows.tolist()
    n_thumbnails = min(len(listed), MOST_THUMBNAILS)
    files, side_px, n_unreadable = _write_sprites(project, rows[:n_thumbnails], folder / SPRITES)
    if not files:
        n_thumbnails = 0
    notice = _notice(n_images, len(listed), n_thumbnails, n_unreadable)
    annotation = store.states_of_images(Round.ANNOTATION, listed)
    refinement = store.states_of_images(Round.REFINEMENT, listed)
    data = {
        "project": info.project_name,
        "classes": list(project.label_space.names),
        "people": [{"name": person.name, "simulated": person.kind == "simulated"} for person in info.people],
        "sources": sources,
        "ids": names,
        "original": original[rows].tolist(),
        "refined": [refined[row] for row in listed],
        "source": [source[row] for row in listed],
        "numbers": None if len(listed) == n_images else listed,
        "words": [_spoken(annotation[row], number_of) for row in listed],
        "refiners": [_spoken(refinement[row], number_of) for row in listed],
        "disagreement": [_disagreement(annotation[row]) for row in listed],
        "nOpen": [len(open_labels(annotation[row].values())) for row in listed],
        "sprites": {
            "side": side_px,
            "columns": _COLUMNS,
            "each": _EACH,
            "files": [f"{SPRITES}/{name}" for name in files],
            "n": n_thumbnails,
        },
        "notice": notice,
    }
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    write_text(folder / DATA_FILE, f"window.mlfSite={text};\n")
    return ExplorerFiles(len(listed), n_thumbnails, n_images, n_unreadable, notice)


def _refined(project: Project, n_images: int) -> tuple[list[list[int] | None], list[int], list[str]]:
    """Return each image's refined labels (None where undecided), the source of its set, and the sources' names."""
    labels: list[list[int] | None] = [None] * n_images
    source = [-1] * n_images
    names: list[str] = []
    if not project.refined_labels_path.exists():
        return labels, source, names
    table = pq.read_table(project.refined_labels_path, columns=["image_index", "class_index", "source"])
    for image, class_index, name in zip(*(column.to_pylist() for column in table.columns), strict=True):
        if name == "unlabelled":
            continue
        if name not in names:
            names.append(name)
        kept = labels[image] or []
        labels[image] = kept if class_index is None else [*kept, class_index]
        source[image] = max(source[image], names.index(name))
    return labels, source, names


def _rows_to_list(n_images: int, refined: Sequence[list[int] | None], original: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the images that are listed: all, or of very many those whose labels changed before the others."""
    if n_images <= MOST_LISTED:
        return np.arange(n_images)
    is_changed = np.array(
        [labels is not None and labels != [label] for labels, label in zip(refined, original.tolist(), strict=True)]
    )
    order = np.argsort(~is_changed, kind="stable")[:MOST_LISTED]
    return order.astype(np.int64)


def _spoken(states: Mapping[str, ImageState], number_of: Mapping[str, int]) -> list[list[object]]:
    return [
        [number_of.get(name, -1), list(state.label_set), int(state.none), int(state.unsure), state.comment]
        for name, state in sorted(states.items())
    ]


def _disagreement(states: Mapping[str, ImageState]) -> int:
    """Return the mean pairwise Jaccard distance of the annotators' label sets in thousandths; -1 for fewer than two."""
    sets = [set(state.label_set) for state in states.values() if state.is_decided]
    if len(sets) < 2:
        return -1
    distances = [1 - len(a & b) / len(a | b) if a | b else 0.0 for a, b in combinations(sets, 2)]
    return round(1000 * sum(distances) / len(distances))


def _write_sprites(project: Project, rows: NDArray[np.int64], folder: Path) -> tuple[list[str], int, int]:
    paths = image_columns(project, ["path"]).column(0).take(rows).to_pylist()
    if not any(paths):
        return [], _SIDE_PX, 0
    side_px = _SIDE_PX_OF_FEW if len(paths) <= _FEW else _SIDE_PX
    folder.mkdir(parents=True, exist_ok=True)
    made_from = [side_px, project.images_root, project.image_folders, paths]
    wanted = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()
    key = folder / "key.json"
    if key.is_file():
        made = json.loads(key.read_text(encoding="utf-8"))
        if made.get("sha256") == wanted and all((folder / name).is_file() for name in made["files"]):
            return made["files"], side_px, made["n_unreadable"]
    for old in folder.glob("*.jpg"):
        old.unlink()
    files, n_unreadable = [], 0
    for first in tqdm(range(0, len(paths), _EACH), desc="thumbnails", unit=" sprites"):
        some = paths[first : first + _EACH]
        sprite = Image.new("RGB", (_COLUMNS * side_px, -(-len(some) // _COLUMNS) * side_px), "white")
        for place, path in enumerate(some):
            picture = _thumbnail(project, path, side_px)
            if picture is None:
                n_unreadable += 1
                continue
            left, top = place % _COLUMNS * side_px, place // _COLUMNS * side_px
            sprite.paste(picture, (left + (side_px - picture.width) // 2, top + (side_px - picture.height) // 2))
        name = f"{first // _EACH:04d}.jpg"
        with whole_file(folder / name) as unfinished:
            sprite.save(unfinished, format="JPEG", quality=70 if side_px > _SIDE_PX else 60, optimize=True)
        files.append(name)
    write_text(key, json.dumps({"sha256": wanted, "files": files, "n_unreadable": n_unreadable}))
    return files, side_px, n_unreadable


def _thumbnail(project: Project, path: str | None, side_px: int) -> Image.Image | None:
    if path is None:
        return None
    try:
        data, _, _ = display_jpeg(join_location(project.images_root, path, project.image_folders), side_px)
    except DatasetError:
        return None
    picture = Image.open(BytesIO(data)).convert("RGB")
    picture.thumbnail((side_px, side_px))
    return picture


def _notice(n_images: int, n_listed: int, n_thumbnails: int, n_unreadable: int) -> str:
    said = []
    if n_listed < n_images:
        said.append(
            f"{n_listed:,} of {n_images:,} images are listed, those whose labels changed before the others; "
            "notebooks/explorer.ipynb shows all."
        )
    if n_thumbnails == 0:
        said.append("None has a thumbnail: the project knows no files of its images.")
    elif n_thumbnails < n_listed:
        said.append(f"The first {n_thumbnails:,} have thumbnails.")
    if n_unreadable:
        said.append(f"{so_many(n_unreadable, 'image has', 'images have')} no picture here, or it cannot be read.")
    return " ".join(said)
