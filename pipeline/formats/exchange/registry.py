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
    module
        Module of this room with `read`, `write` or both, by these names or by those in `reads` and `writes`.
    taken, given
        What a file brings, and what can be written to one; empty where there is no reader or no writer.
    output
        Name of what is written, if `--out` names none: a file, or a folder where there is no ending.
    function
        What stands after `read_` and `write_` where a module has several formats.
    has_folder
        Whether it can be read from a folder that holds its files.
    """

    name: str
    title: str
    files: str
    module: str
    taken: tuple[Part, ...] = ()
    given: tuple[Part, ...] = ()
    output: str = ""
    function: str = ""
    has_folder: bool = False

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

    def _function(self, verb: str) -> Any:
        module = import_module(f"pipeline.formats.exchange.{self.module}")
        return getattr(module, f"{verb}_{self.function}" if self.function else verb)


_VOTES = (Part.VOTES, Part.EXPOSURE, Part.UNSURE)
_TABLE_IN = (*_RICH_LABELS, *_VOTES, Part.COMMENTS)

#: Every format, in the order in which the help and the documentation show them.
FORMATS: Final[tuple[Format, ...]] = (
    Format(
        "csv",
        "CSV",
        "`.csv`: a row a label (image, class), or a row a vote (image, class, annotator, vote)",
        "tables",
        _TABLE_IN,
        _TABLE_IN,
        "labels.csv",
    ),
    Format("parquet", "Parquet", "`.parquet`: the same tables", "tables", _TABLE_IN, _TABLE_IN, "labels.parquet"),
    Format(
        "jsonl",
        "JSON Lines",
        "`.jsonl`: a line an image, with everything about it",
        "json_lines",
        _ALL,
        _ALL,
        "work.jsonl",
    ),
    Format(
        "numpy",
        "multi-hot NumPy",
        "`.npz`: labels, votes, exposure as (images, classes); `.npy`: labels of 0 and 1",
        "multi_hot",
        (Part.LABELS, Part.POSTERIORS),
        (Part.LABELS, Part.POSTERIORS, *_VOTES),
        "labels.npz",
    ),
    Format(
        "real",
        "ReaL",
        "`real.json`, `raters.npz`",
        "real",
        (Part.LABELS, *_VOTES),
        (Part.LABELS, *_VOTES),
        "real",
    ),
    Format(
        "multilabelfy",
        "Multilabelfy",
        "`predictions_<user>.json`, `checkbox_selections_<user>.json`, `comments_<user>.json`, refined labels",
        "multilabelfy",
        (Part.LABELS, Part.VOTES, Part.PROPOSALS, Part.COMMENTS),
        (Part.LABELS, Part.VOTES, Part.PROPOSALS, Part.COMMENTS),
        "multilabelfy",
        has_folder=True,
    ),
    Format(
        "label-studio",
        "Label Studio",
        "JSON (not JSON-MIN)",
        "label_studio",
        (Part.LABELS, Part.POSTERIORS, *_VOTES, Part.NOT_ASKED, Part.PROPOSALS, Part.COMMENTS),
        (Part.LABELS, Part.POSTERIORS, *_VOTES, Part.NOT_ASKED, Part.PROPOSALS, Part.COMMENTS),
        "label-studio",
    ),
    Format(
        "cvat",
        "CVAT for images 1.1",
        "`annotations.xml`",
        "cvat",
        (*_RICH_LABELS, Part.PROPOSALS),
        (*_RICH_LABELS, Part.PROPOSALS),
        "annotations.xml",
    ),
    Format(
        "datumaro",
        "Datumaro",
        "`annotations/<subset>.json`",
        "datumaro",
        _RICH_LABELS,
        _RICH_LABELS,
        "datumaro",
        has_folder=True,
    ),
    Format(
        "imagenet-txt",
        "ImageNet-txt",
        "`synsets.txt` and `<subset>.txt`",
        "imagenet_txt",
        _LABELS,
        _LABELS,
        "imagenet-txt",
        has_folder=True,
    ),
    Format(
        "hugging-face",
        "Hugging Face datasets",
        "a folder with `metadata.jsonl` and `README.md`, or Parquet that `datasets` wrote",
        "hugging_face",
        _LABELS,
        _RICH_LABELS,
        "hugging-face",
        has_folder=True,
    ),
    Format(
        "croissant",
        "Croissant",
        "`croissant.json` and its table",
        "croissant",
        _RICH_LABELS,
        _RICH_LABELS,
        "croissant",
        has_folder=True,
    ),
    Format("coco", "COCO", "JSON of objects, crowds included", "coco", _LABELS),
    Format(
        "voc",
        "Pascal VOC",
        "a folder of XML, or its files",
        "pascal_voc",
        (Part.LABELS, Part.VOTES, Part.UNSURE),
        has_folder=True,
    ),
    Format(
        "fiftyone",
        "FiftyOne",
        "`labels.json` of an image classification data set",
        "fiftyone",
        (Part.LABELS, Part.POSTERIORS),
        _RICH_LABELS,
        "fiftyone",
        has_folder=True,
    ),
    Format("prodigy", "Prodigy", "`.jsonl` of choices, or of labels accepted and rejected", "prodigy", (*_VOTES[:2],)),
    Format(
        "cleanlab",
        "cleanlab",
        "`.parquet`: `labels_multiannotator` of every class",
        "crowd_tables",
        (),
        (Part.VOTES, Part.EXPOSURE),
        "labels_multiannotator.parquet",
        "cleanlab",
    ),
    Format(
        "crowd-kit",
        "crowd-kit",
        "`.csv` with task, worker, label",
        "crowd_tables",
        (),
        _VOTES,
        "crowd-kit.csv",
        "crowd_kit",
    ),
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
