"""The toybox as a folder: reference pictures of single objects, scenes with one label each, and the full truth.

Before the first file, a marker (`.writing`) is written; after the last one, a certificate (`toybox.json`). So a folder
that a crash left incomplete is recognised and written again.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from random import Random
from typing import Any

import PIL
from PIL import Image
from tqdm.auto import tqdm

from pipeline.errors import DatasetError
from pipeline.project.writing import write_text
from pipeline.toybox.objects import TOY_CLASSES
from pipeline.toybox.scenes import DrawnObject, draw_reference, draw_scene

#: Increase this whenever the same settings would draw different pictures than before.
DRAWING_VERSION = 1
_WRITING = ".writing"
_CERTIFICATE = "toybox.json"


@dataclass(frozen=True, slots=True)
class ToyboxPaths:
    """The paths of a toybox's parts.

    Parameters
    ----------
    root
        The toybox's folder.
    """

    root: Path

    @property
    def classes(self) -> Path:
        """Return the label space: CSV of index, key, name, synonyms (separated by `; `), definition."""
        return self.root / "classes.csv"

    @property
    def reference(self) -> Path:
        """Return the folder of single-object pictures for training and examples, one sub-folder per class key."""
        return self.root / "reference"

    @property
    def scenes(self) -> Path:
        """Return the folder of scenes."""
        return self.root / "scenes"

    @property
    def scenes_csv(self) -> Path:
        """Return the manifest: CSV of image (path relative to the root) and label (its only original label)."""
        return self.root / "scenes.csv"

    @property
    def truth(self) -> Path:
        """Return the full truth: JSON that maps each image to the keys of all classes recognisable in it."""
        return self.root / "truth.json"

    @property
    def objects(self) -> Path:
        """Return the CSV of every object drawn in a scene, back to front, with its frame and visible share."""
        return self.root / "objects.csv"


@dataclass(frozen=True, slots=True)
class _Settings:
    """The settings that decide every byte of a toybox."""

    seed: int
    n_scenes: int
    n_reference: int
    reference_px: int
    drawing_version: int
    pillow: str


def write_toybox(
    destination: Path,
    *,
    seed: int = 0,
    n_scenes: int = 600,
    n_reference: int = 60,
    reference_px: int = 144,
) -> ToyboxPaths:
    """Draw a toybox into a folder; a folder that already holds this same toybox is left as it is.

    Parameters
    ----------
    destination
        A new or empty folder, or one that this function wrote to earlier.
    seed
        The same seed, counts, picture size and version of Pillow give the same bytes.
    n_reference
        Number of reference pictures of each class.
    reference_px
        Side of a reference picture in pixels, 48 to 512.

    Raises
    ------
    DatasetError
        If a number is out of range, or the folder holds something else: another toybox or other files.
    """
    for name, value, low, high in (
        ("n_scenes", n_scenes, 0, 1_000_000),
        ("n_reference", n_reference, 0, 1_000_000),
        ("reference_px", reference_px, 48, 512),
    ):
        if not low <= value <= high:
            raise DatasetError(f"{name} is {value}; give a number from {low} to {high}")
    paths = ToyboxPaths(destination)
    settings = _Settings(seed, n_scenes, n_reference, reference_px, DRAWING_VERSION, PIL.__version__)
    if _holds(paths, settings):
        return paths
    _clear(paths)
    with tqdm(total=len(TOY_CLASSES) * n_reference + n_scenes, desc="toybox") as progress:
        _write_classes(paths.classes)
        _write_reference(paths, settings, progress)
        _write_scenes(paths, settings, progress)
    write_text(destination / _CERTIFICATE, json.dumps(asdict(settings), indent=1) + "\n")
    (destination / _WRITING).unlink()
    return paths


def open_toybox(root: Path) -> ToyboxPaths:
    """Return the paths of a toybox written earlier.

    Raise `DatasetError` if the folder holds no toybox, or an incomplete one.
    """
    if (root / _WRITING).exists():
        raise DatasetError(f"{root}: its writing was cut off; run `mlf toybox {root}` again")
    if not (root / _CERTIFICATE).is_file():
        raise DatasetError(f"{root}: no toybox; run `mlf toybox {root}` to draw one")
    return ToyboxPaths(root)


def read_truth(path: Path) -> dict[str, frozenset[str]]:
    """Read `truth.json`: for each image, the keys of the classes that can be recognised in it.

    Raise `DatasetError` if the file is missing, or is not an object that maps images to lists of class keys.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read as a toybox's truth: {error}") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: holds a {type(content).__name__}; expected an object from image to class keys")
    for image, keys in content.items():
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise DatasetError(f"{path}: {image!r} has {keys!r}; expected a list of class keys")
    return {image: frozenset(keys) for image, keys in content.items()}


def _holds(paths: ToyboxPaths, settings: _Settings) -> bool:
    """Tell whether the folder holds this whole toybox; refuse a folder that holds something else."""
    if not paths.root.exists():
        return False
    if not paths.root.is_dir():
        raise DatasetError(f"{paths.root}: a file; name a folder for the toybox")
    if (paths.root / _WRITING).exists():
        return False
    certificate = paths.root / _CERTIFICATE
    if not certificate.is_file():
        if any(paths.root.iterdir()):
            raise DatasetError(f"{paths.root}: holds files that are not a toybox; name a new or an empty folder")
        return False
    found = _read_certificate(certificate)
    wanted = asdict(settings)
    if found != wanted:
        differing = ", ".join(
            f"{key} {found.get(key)!r} (not {wanted[key]!r})" for key in wanted if found.get(key) != wanted[key]
        )
        raise DatasetError(
            f"{paths.root}: holds another toybox, of {differing}; name another folder or remove this one"
        )
    return _is_whole(paths, settings)


def _read_certificate(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}; remove the folder and draw it again") from error
    return content if isinstance(content, dict) else {}


def _is_whole(paths: ToyboxPaths, settings: _Settings) -> bool:
    tables = (paths.classes, paths.scenes_csv, paths.truth, paths.objects)
    n_scenes = sum(1 for _ in paths.scenes.glob("*.jpg"))
    n_reference = sum(1 for _ in paths.reference.glob("*/*.jpg"))
    n_expected = settings.n_reference * len(TOY_CLASSES)
    return all(table.is_file() for table in tables) and (n_scenes, n_reference) == (settings.n_scenes, n_expected)


def _clear(paths: ToyboxPaths) -> None:
    """Prepare the folder, removing only what an earlier, unfinished writing left."""
    paths.root.mkdir(parents=True, exist_ok=True)
    (paths.root / _WRITING).touch()
    (paths.root / _CERTIFICATE).unlink(missing_ok=True)
    for table in (paths.classes, paths.scenes_csv, paths.truth, paths.objects):
        table.unlink(missing_ok=True)
    for folder in (paths.reference, paths.scenes):
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()


def _write_classes(path: Path) -> None:
    rows = (
        (index, toy.key, toy.name, "; ".join(toy.synonyms), toy.definition) for index, toy in enumerate(TOY_CLASSES)
    )
    _write_csv(path, ("index", "key", "name", "synonyms", "definition"), rows)


def _write_reference(paths: ToyboxPaths, settings: _Settings, progress: tqdm[Any]) -> None:
    for toy in TOY_CLASSES:
        folder = paths.reference / toy.key
        folder.mkdir()
        for i in range(settings.n_reference):
            rng = Random(f"{settings.seed}/reference/{toy.key}/{i}")
            _save(draw_reference(toy, settings.reference_px, rng), folder / f"{i:04d}.jpg", rng)
            progress.update()


def _write_scenes(paths: ToyboxPaths, settings: _Settings, progress: tqdm[Any]) -> None:
    manifest: list[tuple[str, str]] = []
    truth: dict[str, list[str]] = {}
    objects: list[tuple[str, DrawnObject]] = []
    for i in range(settings.n_scenes):
        rng = Random(f"{settings.seed}/scene/{i}")
        scene = draw_scene(rng)
        image = f"scenes/{i:04d}.jpg"
        _save(scene.picture, paths.root / image, rng)
        manifest.append((image, scene.label))
        truth[image] = list(scene.truth)
        objects += [(image, drawn) for drawn in scene.objects]
        progress.update()
    _write_csv(paths.scenes_csv, ("image", "label"), manifest)
    columns = ("image", *(field.name for field in fields(DrawnObject)))
    _write_csv(paths.objects, columns, ((image, *astuple(drawn)) for image, drawn in objects))
    lines = ",\n".join(f" {json.dumps(image)}: {json.dumps(keys)}" for image, keys in truth.items())
    paths.truth.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def _save(picture: Image.Image, path: Path, rng: Random) -> None:
    picture.save(path, "JPEG", quality=rng.randint(84, 93))


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
