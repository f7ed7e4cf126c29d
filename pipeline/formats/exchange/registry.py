"""The registry of other tools' formats. To add one, write a module that reads or writes records, and a line here.

Commands, their help and the documentation pick it up. Modules are loaded when a file is read or written, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from pipeline.errors import DatasetError
from pipeline.formats.exchange.content import ImageContent, Outgoing, Part, ReadOptions, Refused
from pipeline.project.names import did_you_mean

Reader = Callable[[Sequence[Path], ReadOptions], Iterator[ImageContent | Refused]]
Writer = Callable[[Outgoing, Path], list[str]]
_LABELS = (Part.LABELS,)
_RICH_LABELS = (Part.LABELS, Part.POSTERIORS, Part.SOURCES)
_ALL = tuple(Part)


@dataclass(frozen=True, slots=True)
class Format:
    """One format of another tool.

    Parameters
    ----------
    name
        What `--format` calls it.
    title
        What people call it.
    files
        What such files look like.
    taken, given
        What a file brings, and what can be written to one; empty where there is no reader or no writer.
    out
        Name of the file that is written, if `--out` names none; left out, a folder called as the format is.
    room
        Module here with `read`, `write` or both; left out, the one called as the format is. Where a module has several
        formats, the name of each stands behind that: `write_cleanlab`.
    has_folder
        Whether it can be read from a folder that holds its files.
    """

    name: str
    title: str
    files: str
    taken: tuple[Part, ...] = ()
    given: tuple[Part, ...] = ()
    out: str = ""
    room: str = ""
    has_folder: bool = False

    @property
    def output(self) -> str:
        """Return the name of the file or folder that is written, if `--out` names none."""
        return self.out or self.name

    @property
    def module(self) -> str:
        """Return the module of this room that reads and writes it."""
        return self.room or self._word

    @property
    def read(self) -> Reader:
        """Return the function that reads some files of one data set."""
        function: Reader = self._function("read")
        return function

    @property
    def write(self) -> Writer:
        """Return the function that writes records to a path, and tells what should be known about the outcome."""
        function: Writer = self._function("write")
        return function

    @property
    def _word(self) -> str:
        return self.name.replace("-", "_")

    def _function(self, verb: str) -> Any:
        module = import_module(f"pipeline.formats.exchange.{self.module}")
        return getattr(module, verb, None) or getattr(module, f"{verb}_{self._word}")


_VOTES = (Part.VOTES, Part.EXPOSURE, Part.UNSURE)
_TABLE = (*_RICH_LABELS, *_VOTES, Part.COMMENTS)
_OF_USERS = (Part.LABELS, Part.VOTES, Part.PROPOSALS, Part.COMMENTS)
_TASKS = (Part.LABELS, Part.POSTERIORS, *_VOTES, Part.NOT_ASKED, Part.PROPOSALS, Part.COMMENTS)
_SURE_LABELS = (Part.LABELS, Part.POSTERIORS)


def _alike(name: str, title: str, files: str, parts: tuple[Part, ...], out: str = "", **others: Any) -> Format:
    """Return a format that takes what it gives."""
    return Format(name, title, files, parts, parts, out, **others)


_CSV = "`.csv`: a row a label (image, class), or a row a vote (image, class, annotator, vote)"
_LINES = "`.jsonl`: a line an image, with everything about it"
_ARRAYS = "`.npz`: labels, votes, exposure as (images, classes); `.npy`: labels of 0 and 1"
_USERS = "`predictions_<user>.json`, `checkbox_selections_<user>.json`, `comments_<user>.json`, refined labels"
_HUGGING = "a folder with `metadata.jsonl` and `README.md`, or Parquet that `datasets` wrote"
_XML = "a folder of XML, or its files"
_FIFTYONE = "`labels.json` of an image classification data set"
_PRODIGY = "`.jsonl` of choices, or of labels accepted and rejected"
_CLEANLAB = "`.parquet`: `labels_multiannotator` of every class"

#: Every format, in the order in which the help and the documentation show them.
FORMATS: Final[tuple[Format, ...]] = (
    _alike("csv", "CSV", _CSV, _TABLE, "labels.csv", room="tables"),
    _alike("parquet", "Parquet", "`.parquet`: the same tables", _TABLE, "labels.parquet", room="tables"),
    _alike("jsonl", "JSON Lines", _LINES, _ALL, "work.jsonl", room="json_lines"),
    Format("numpy", "multi-hot NumPy", _ARRAYS, _SURE_LABELS, (*_SURE_LABELS, *_VOTES), "labels.npz", "multi_hot"),
    _alike("real", "ReaL", "`real.json`, `raters.npz`", (Part.LABELS, *_VOTES)),
    _alike("multilabelfy", "Multilabelfy", _USERS, _OF_USERS, has_folder=True),
    _alike("label-studio", "Label Studio", "JSON (not JSON-MIN)", _TASKS),
    _alike("cvat", "CVAT for images 1.1", "`annotations.xml`", (*_RICH_LABELS, Part.PROPOSALS), "annotations.xml"),
    _alike("datumaro", "Datumaro", "`annotations/<subset>.json`", _RICH_LABELS, has_folder=True),
    _alike("imagenet-txt", "ImageNet-txt", "`synsets.txt` and `<subset>.txt`", _LABELS, has_folder=True),
    Format("hugging-face", "Hugging Face datasets", _HUGGING, _LABELS, _RICH_LABELS, has_folder=True),
    _alike("croissant", "Croissant", "`croissant.json` and its table", _RICH_LABELS, has_folder=True),
    Format("coco", "COCO", "JSON of objects, crowds included", _LABELS),
    Format("voc", "Pascal VOC", _XML, (Part.LABELS, Part.VOTES, Part.UNSURE), room="pascal_voc", has_folder=True),
    Format("fiftyone", "FiftyOne", _FIFTYONE, _SURE_LABELS, _RICH_LABELS, has_folder=True),
    Format("prodigy", "Prodigy", _PRODIGY, (Part.VOTES, Part.EXPOSURE)),
    Format("cleanlab", "cleanlab", _CLEANLAB, (), _VOTES[:2], "labels_multiannotator.parquet", "crowd_tables"),
    Format("crowd-kit", "crowd-kit", "`.csv` with task, worker, label", (), _VOTES, "crowd-kit.csv", "crowd_tables"),
)


def known_formats(verb: str) -> tuple[Format, ...]:
    """Return the formats that can be read (``import``) or written (``export``)."""
    return tuple(each for each in FORMATS if (each.taken if verb == "import" else each.given))


def format_named(name: str, verb: str) -> Format:
    """Return a format by its name.

    Raises
    ------
    DatasetError
        If there is none, or it does not go in this direction.
    """
    known = known_formats(verb)
    found = next((each for each in known if each.name == name), None)
    if found is not None:
        return found
    if any(each.name == name for each in FORMATS):
        there = "written, not read" if verb == "import" else "read, not written"
        raise DatasetError(
            f"--format {name}: this format is {there}; known are {', '.join(each.name for each in known)}"
        )
    names = [each.name for each in known]
    raise DatasetError(f"--format {name!r} is not known; {did_you_mean(name, names, 'known are ' + ', '.join(names))}")


def print_formats(verb: str) -> list[str]:
    """Return the formats of one direction as lines of a help text."""
    known = known_formats(verb)
    width = max(len(each.name) for each in known)
    parts = [each.taken if verb == "import" else each.given for each in known]
    return [
        f"{each.name:<{width}}  {each.title}: {each.files.replace('`', '')}; {', '.join(held)}"
        for each, held in zip(known, parts, strict=True)
    ]


def format_of_files(paths: Sequence[Path]) -> Format:
    """Return the format that some files have by their endings, where only one format has it.

    Raises
    ------
    DatasetError
        If several formats have it, or none; the message names them.
    """
    from pipeline.formats.exchange.rows import refuse_packed

    endings = {path.suffix.lower().removeprefix(".").replace("tsv", "csv") for path in paths}
    named = [each for each in known_formats("import") if {each.name} == endings]
    if not named:
        for path in paths:
            refuse_packed(path)
        names = ", ".join(each.name for each in known_formats("import"))
        raise DatasetError(f"{paths[0]}: several tools write such files; say which with --format ({names})")
    return named[0]
