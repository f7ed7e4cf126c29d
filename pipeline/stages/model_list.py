"""A text file that lists models to evaluate: names, checkpoints and files of predictions, one a line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DatasetError, in_plain_words
from pipeline.inference.checkpoint import ModelSource

_CHECKPOINTS = frozenset({".pth", ".pt", ".ckpt", ".bin", ".safetensors"})


@dataclass(frozen=True, slots=True)
class ModelList:
    """Models to run, and files of predictions that other programs made, each in the order of the list."""

    sources: tuple[ModelSource, ...] = ()
    predictions: tuple[Path, ...] = ()


def read_model_list(path: Path) -> ModelList:
    """Read a list of models.

    A line is the name of a `timm` model (`resnet50.a1_in1k`), the path of a checkpoint, an architecture and the path of
    a checkpoint with a space between (`resnet50 mine.pth`), or the path of an ``.npz`` of predictions. Paths are
    relative to the list. Empty lines, and lines that begin with `#`, mean nothing.

    Raise `DatasetError` if the list cannot be read, is empty, names a file that is not there, or names two models
    alike. The message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise DatasetError(f"{path}: cannot be read as a list of models: {in_plain_words(error, path)}") from error
    sources: list[ModelSource] = []
    predictions: list[Path] = []
    first_line: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        where = f"{path}, line {number}"
        found = _entry(entry, path.parent, where)
        name = str(found.resolve()) if isinstance(found, Path) else found.label
        if name in first_line:
            raise DatasetError(
                f"{where}: {entry!r} has the name of line {first_line[name]}, {name!r}, and each model needs its own; "
                "leave one out, or give its file another name"
            )
        first_line[name] = number
        if isinstance(found, Path):
            predictions.append(found)
        else:
            sources.append(found)
    if not first_line:
        raise DatasetError(f"{path}: names no model; give a timm name, a checkpoint or an .npz on each line")
    return ModelList(tuple(sources), tuple(predictions))


def _entry(entry: str, folder: Path, where: str) -> ModelSource | Path:
    whole = folder / entry
    architecture, _, rest = (part.strip() for part in entry.partition(" "))
    second = folder / rest if rest else None
    if whole.is_dir():
        raise DatasetError(f"{where}: {entry} is a folder; name the file of weights in it")
    if whole.is_file():
        if second is not None and second.is_file():
            raise DatasetError(
                f"{where}: {entry!r} is a file, and can as well mean {rest!r} with the architecture {architecture!r}; "
                "rename one of them"
            )
        return whole if whole.suffix.lower() == ".npz" else ModelSource(checkpoint=whole)
    if second is not None and second.is_file():
        return ModelSource(architecture, second)
    suffix = Path(entry).suffix.lower()
    if suffix in _CHECKPOINTS or suffix == ".npz":
        raise DatasetError(f"{where}: there is no file {second or whole}; paths are relative to the list")
    if rest:
        raise DatasetError(
            f"{where}: {entry!r} is neither a model's name, nor a file, nor an architecture and its checkpoint"
        )
    return ModelSource(entry)
