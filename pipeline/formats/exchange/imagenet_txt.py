"""ImageNet's text files as Datumaro writes them: `synsets.txt`, and a line an image with the numbers of its classes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from pipeline.errors import DatasetError
from pipeline.formats.exchange.content import ImageContent, Label, Outgoing, ReadOptions, Refused
from pipeline.formats.exchange.rows import in_short
from pipeline.project.names import settled
from pipeline.project.wording import so_many
from pipeline.project.writing import write_text

_CLASSES = "synsets.txt"
#: No data set has so many classes that their numbers need more.
_DIGITS = 18
#: A name with spaces stands in quotes, without its ending: `"my cat".jpg 3 7`.
_LINE = re.compile(r'(?:"(?P<quoted>[^"]*)"(?P<ending>\S*)|(?P<bare>\S+))(?P<numbers>(?:\s+-?\d+)*)\s*')


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[ImageContent | Refused]:
    """Read lines of images; the classes are those of `synsets.txt` beside the file, or the project's in order."""
    files = [each for path in paths for each in (sorted(path.glob("*.txt")) if path.is_dir() else [path])]
    files = [path for path in files if path.name != _CLASSES]
    if not files:
        raise DatasetError(f"{paths[0]}: a folder without a list of images; give the .txt that names them")
    for path in files:
        beside = path.with_name(_CLASSES)
        classes = [line.split()[0] for line in _lines(beside) if line] if beside.is_file() else list(options.classes)
        for number, line in enumerate(_lines(path), start=1):
            if line:
                yield _image(line, classes, f"{path.name}, line {number}")


def _lines(path: Path) -> list[str]:
    try:
        return [settled(line) for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except FileNotFoundError as error:
        raise DatasetError(f"{path} does not exist; give a file") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text; save the file as UTF-8") from error


def _image(line: str, classes: list[str], place: str) -> ImageContent | Refused:
    found = _LINE.fullmatch(line)
    if found is None:
        return Refused(place, "", "expected a name and the numbers of its classes, with spaces between them")
    image = found["bare"] or f"{found['quoted']}{found['ending']}"
    texts = found["numbers"].split()
    wrong = next((text for text in texts if len(text) > _DIGITS or not 0 <= int(text) < len(classes)), None)
    if wrong is not None:
        return Refused(place, image, f"class {in_short(wrong)}; there are {len(classes)} classes, counted from 0")
    numbers = map(int, texts)
    names = dict.fromkeys(classes[number] for number in numbers)
    return ImageContent(image, place, labels=tuple(Label(name) for name in names), empty_is_meant=bool(names))


def write(given: Outgoing, folder: Path) -> list[str]:
    """Write `synsets.txt` and `default.txt` into a folder; undecided images are left out."""
    spaced = next((name for name in given.classes if not name or name.split() != [name]), None)
    if spaced is not None:
        raise DatasetError(f"class {spaced!r}: {_CLASSES} takes names without spaces; export by key")
    index = {name: position for position, name in enumerate(given.classes)}
    lines, n_undecided, n_empty = list[str](), 0, 0
    for record in given.images():
        if record.labels is None:
            n_undecided += 1
            continue
        n_empty += not record.labels
        numbers = [str(index[label.name]) for label in record.labels]
        lines.append(" ".join([_name(record.file_name), *numbers]))
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / _CLASSES, "".join(f"{name}\n" for name in given.classes))
    write_text(folder / "default.txt", "".join(f"{line}\n" for line in lines))
    notes = [f"{so_many(n_undecided, 'undecided image is', 'undecided images are')} left out"] if n_undecided else []
    if n_empty:
        notes.append(f"{so_many(n_empty, 'image')} to which none applies: a line without a number")
    return notes


def _name(path: str) -> str:
    if path.split() == [path]:
        return path
    if '"' in path or "\n" in path:
        raise DatasetError(f"image {path!r}: a name with quotes or line breaks has no place in these lists")
    pure = PurePosixPath(path)
    return f'"{pure.with_suffix("")}"{pure.suffix}'
