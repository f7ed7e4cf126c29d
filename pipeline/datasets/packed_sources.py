"""Which larger files a source of images names: shards, Arrow or Parquet, in a folder, by a pattern, or one alone."""

from __future__ import annotations

import glob
import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from pipeline.datasets.hugging_face import PictureTables, holds_pictures
from pipeline.datasets.manifest import folders_of
from pipeline.datasets.packed import LABEL_OPTION, PackedImages
from pipeline.datasets.shards import COMPRESSED, ShardReader
from pipeline.datasets.walking import walk_files
from pipeline.errors import DatasetError, in_plain_words
from pipeline.images.locations import has_image_suffix, natural_key, open_location, relative_location
from pipeline.images.remote import is_url, opened_url
from pipeline.images.within import PACKED_SUFFIXES, file_of
from pipeline.project.names import first_few
from pipeline.project.notices import tell

_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.lz4")
_OPEN = re.compile(r"[{*?\[]")
_BRACES = re.compile(r"(\{[^{}]*\})")
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_FILES = 1_000_000
#: What numbers the files of a split: `train-00000-of-00002`, `train-0007`.
_NUMBERING = re.compile(r"[-_.]?\d+([-_]of[-_]\d+)?(-[0-9a-f]{16})?$")


def packed_images(source: str, column: str = "") -> PackedImages | None:
    """List the images of a source that lie inside larger files; None for a folder of images or a manifest.

    Parameters
    ----------
    source
        A tar shard, a folder of shards, or a pattern of them (`train-{0000..0146}.tar`, `train-*.tar`); the same of
        Arrow and Parquet files with pictures; a folder that `datasets` saved. Local or an fsspec URL.
    column
        Where labels stand: a column, `cls`, `txt` or a field of the JSON in shards, or
        :data:`pipeline.datasets.packed.NO_LABELS`; empty for the usual places.

    Raises
    ------
    DatasetError
        If it is of several kinds or splits, compressed, or cannot be read.
    """
    root, files = _files(source)
    if files == [source] and source.lower().endswith(".parquet") and not holds_pictures(source):
        files = []
    if not files:
        if column:
            raise DatasetError(f"{LABEL_OPTION} {column}: {source} is neither shards nor a Hugging Face data set")
        return None
    kinds = sorted({posixpath.splitext(file)[1].lower() for file in files})
    if len(kinds) > 1:
        raise DatasetError(f"{source}: has {' and '.join(kinds)} files; say which with a pattern, such as *{kinds[-1]}")
    reader = ShardReader(source, column) if kinds == [".tar"] else PictureTables(source, column)
    for file in files:
        try:
            reader.read(root, relative_location(file, root))
        except OSError as error:
            raise DatasetError(in_plain_words(error, file)) from error
    images = reader.images()
    alone = (image.path for image in images if image.path and file_of(image.path) == image.path)
    return PackedImages(source, root, images, reader.classes, tuple(folders_of(alone, root)))


def _files(source: str) -> tuple[str, list[str]]:
    """Return the files that a source names, in natural order, and their folder; none for images or a manifest."""
    if _is_web(source) and "?" in source:
        raise DatasetError(
            f"{source.partition('?')[0]}?…: has a query behind its name, and is read without one; leave out the `?` "
            "and what follows. Where the server wants it, download the file. In a pattern, `*` stands for what differs"
        )
    if _OPEN.search(source) and (is_url(source) or not Path(source).exists()):
        found = list(dict.fromkeys(file for one in _without_braces(source) for file in _matching(one)))
        _refuse_others(source, found)
        return _folder_of(found), sorted(found, key=natural_key)
    if source.lower().endswith(_COMPRESSED):
        raise DatasetError(f"{source}: is compressed: {COMPRESSED}")
    if source.lower().endswith(PACKED_SUFFIXES) and not Path(source).is_dir():
        return _folder_of([source]), [source]
    if source.lower().endswith((".csv", ".tsv")) or not (is_url(source) or Path(source).is_dir()):
        return source, []
    names: list[str] = []
    for path in walk_files(source):
        if has_image_suffix(path):
            return source, []
        names.append(path)
    return source, [f"{source}/{path}" for path in _packed_in(source, names)]


def _is_web(source: str) -> bool:
    return source.lower().startswith(("http://", "https://"))


def _packed_in(folder: str, names: Sequence[str]) -> list[str]:
    """Return which files of a folder without images hold images."""
    if "dataset_dict.json" in names:
        splits = [str(each) for each in _json(f"{folder}/dataset_dict.json").get("splits", [])]
        raise _several(folder, splits, f"{folder}/{splits[0] if splits else 'train'}")
    if "state.json" in names:  # what `map` has cached lies beside what was saved
        state = _json(f"{folder}/state.json")
        if state.get("_indices_data_files"):  # of old releases of datasets: which rows are meant, in which order
            raise DatasetError(
                f"{folder}: has an indices mapping, which says which rows are meant; load it with datasets, call "
                "flatten_indices(), and save it again"
            )
        saved = state.get("_data_files", [])
        return [str(each["filename"]) for each in saved if isinstance(each, dict) and "filename" in each]
    compressed = [path for path in names if path.lower().endswith(_COMPRESSED)]
    if compressed:
        raise DatasetError(f"{folder}/{compressed[0]}: is compressed: {COMPRESSED}")
    found = [path for path in names if path.lower().endswith(PACKED_SUFFIXES)]
    splits_of = Counter(_NUMBERING.sub("", posixpath.splitext(path)[0]) for path in found)
    kinds = {posixpath.splitext(path)[1].lower() for path in found}
    if len(splits_of) > 1 and len(kinds) == 1:
        if kinds != {".tar"}:
            first = next(iter(splits_of))
            raise _several(folder, [*splits_of], f"{folder}/{first}*{posixpath.splitext(found[0])[1]}")
        counts = first_few((f"{n:,} of {name}" for name, n in splits_of.items()), 5)
        tell(f"{folder}: shards under several names are taken together: {counts}; a pattern takes those of one")
    return found


def _several(source: str, splits: Sequence[str], example: str) -> DatasetError:
    named = first_few((split or "numbers alone" for split in sorted(splits)), 10)
    return DatasetError(f"{source}: holds several splits: {named}; a project is made from one: --images '{example}'")


def _json(location: str) -> dict[str, Any]:
    try:
        with open_location(location) as file:
            content = json.load(file)
    except ValueError as error:
        raise DatasetError(f"{location}: cannot be read as JSON: {error}; save the data set again") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{location}: expected an object; save the data set again")
    return content


def _without_braces(pattern: str) -> Iterator[str]:
    """Yield what a pattern with braces stands for, as in a shell: `{a,b}`, `{0000..0146}`."""
    parts = [_choices(part) for part in _BRACES.split(pattern)]
    n_files = 1
    for choices in parts:
        n_files *= len(choices)
    if n_files > _MOST_FILES:
        raise DatasetError(f"{pattern}: stands for {n_files:,} files, and at most {_MOST_FILES:,} are read")
    return map("".join, product(*parts))


def _choices(part: str) -> Sequence[str]:
    numbers = _RANGE.fullmatch(part)
    if numbers:
        first, last = int(numbers[1]), int(numbers[2])
        n_digits = max(map(len, numbers.groups())) if "0" in {numbers[1][0], numbers[2][0]} else 0
        if last - first >= _MOST_FILES:
            raise DatasetError(f"{part}: stands for {last - first + 1:,} files, and at most {_MOST_FILES:,} are read")
        return [f"{number:0{n_digits}d}" for number in range(first, last + 1)]
    return part[1:-1].split(",") if part.startswith("{") else [part]


def _matching(pattern: str) -> list[str]:
    """Return the files that a pattern without braces names; one without wildcards names itself."""
    if not re.search(r"[*?\[]", pattern):
        return [pattern]
    if not is_url(pattern):
        return glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    with opened_url(pattern, "cannot be listed") as (filesystem, path):
        return [str(filesystem.unstrip_protocol(each)) for each in filesystem.glob(path)]


def _refuse_others(source: str, found: Sequence[str]) -> None:
    if not found:
        raise DatasetError(f"{source}: no file has such a name")
    other = next((file for file in found if not file.lower().endswith(PACKED_SUFFIXES)), None)
    if other is not None:
        told = COMPRESSED if other.lower().endswith(_COMPRESSED) else f"a pattern names {', '.join(PACKED_SUFFIXES)}"
        raise DatasetError(f"{other}: is not read by a pattern: {told}")


def _folder_of(files: Sequence[str]) -> str:
    """Return the deepest folder that all files lie in."""
    scheme, separator, _ = files[0].partition("://") if is_url(files[0]) else ("", "", "")
    start = scheme + separator
    return start + posixpath.commonpath([posixpath.dirname(file.removeprefix(start)) for file in files])
