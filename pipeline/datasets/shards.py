"""Images in tar shards as WebDataset writes them: `key.jpg` with `key.cls`, `key.json` or `key.txt` in one tar.

A key is a member's name up to the first dot of its last part, as in WebDataset. Nothing is unpacked: a shard's headers
are read once, and each image's place is noted.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from pipeline.datasets.manifest import LABEL_COLUMNS
from pipeline.datasets.packed import LABEL_OPTION, NO_LABELS, PackedImage
from pipeline.errors import DatasetError
from pipeline.images.locations import has_image_suffix
from pipeline.images.within import location_within, opened_in_place
from pipeline.project.names import first_few, settled
from pipeline.project.notices import tell
from pipeline.project.wording import so_many

#: Where a sample's class may stand, the surest first.
_CLASS_ENDINGS = ("cls", "json", "txt")
#: No class takes more bytes; a JSON with a sample's description may.
_MOST_BYTES = {"cls": 1 << 12, "txt": 1 << 12, "json": 1 << 24}
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"(\xb5/\xfd": "zstd"}


@dataclass(slots=True)
class _Sample:
    """The members of a shard that have one key."""

    images: list[PackedImage] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    flaws: dict[str, str] = field(default_factory=dict)


class ShardReader:
    """Reads shards one after the other, and knows in the end where their classes stand.

    Parameters
    ----------
    source
        What messages call all of them.
    column
        Where classes stand: `cls`, `txt`, a field of the JSON, :data:`NO_LABELS`; empty for what is there.
    """

    #: Shards keep no list of their classes.
    classes: tuple[str, ...] = ()

    def __init__(self, source: str, column: str) -> None:
        self._source, self._column = source, column
        self._samples: list[_Sample] = []
        self._flaws: list[PackedImage] = []
        self._fields: set[str] = set()
        self._further: list[str] = []
        self._has_cls = False

    def read(self, root: str, file: str) -> None:
        """Note the images of a shard, in its order; `file` is its path below `root`.

        Raise `DatasetError` if it is compressed, and as :func:`pipeline.images.within.opened_in_place` does.
        """
        samples: dict[str, _Sample] = {}
        with opened_in_place(f"{root.rstrip('/')}/{file}") as opened:
            _refuse_compressed(opened, file)
            try:
                for name, member in _members(opened, file):
                    self._take(opened, file, name, member, samples)
            except _BrokenError as broken:
                self._flaws.append(PackedImage(file, "", None, "", str(broken)))
        self._samples += (sample for sample in samples.values() if sample.images)

    def images(self) -> list[PackedImage]:
        """Return the images of all shards with their classes, and what of them cannot be used."""
        where = self._where()
        n_lacking, found = 0, list[PackedImage]()
        for sample in self._samples:
            label = sample.labels.get(where, "")
            n_lacking += not label
            flaw = sample.flaws.get(where if where in _CLASS_ENDINGS else "json", "") if where else ""
            plain = [each for each in sample.images if "." not in each.name.rpartition("/")[2].partition(".")[2]]
            self._further += (each.name for each in sample.images if plain and each not in plain)
            for image in plain or sample.images:
                found.append(PackedImage(image.file, image.name, image.path, label, image.flaw or flaw))
        if where and where != "cls":
            tell(f"{self._source}: no member ends in .cls; the classes are those of {_in_words(where)}")
        if n_lacking and where:
            tell(f"{self._source}: {so_many(n_lacking, 'sample')} without a class ({_in_words(where)})")
        if self._further:
            few = first_few(self._further)
            tell(f"{self._source}: {len(self._further):,} further pictures of a sample are left out: {few}")
        _refuse_captions(found, where, self._source)
        return found + self._flaws

    def _where(self) -> str:
        if self._column == NO_LABELS:
            return ""
        there = {name for sample in self._samples for name in sample.labels}
        if self._column and self._column not in there:
            known = ", ".join(sorted(there | self._fields)) or "none"
            raise DatasetError(f"{self._source}: no sample has a {self._column!r}; classes may stand in: {known}")
        usual = (self._column,) if self._column else ("cls", *LABEL_COLUMNS, "txt")
        return next((each for each in usual if each in there), "")

    def _take(
        self, opened: IO[bytes], file: str, name: str, member: tarfile.TarInfo, samples: dict[str, _Sample]
    ) -> None:
        folder, _, base = name.rpartition("/")
        stem, _, ending = base.partition(".")
        ending = ending.lower()
        if not has_image_suffix(base) and ending not in _CLASS_ENDINGS:
            return
        sample = samples.setdefault(f"{folder}/{stem}", _Sample())
        if has_image_suffix(base):
            path = location_within(file, member.offset_data, member.size, name)
            flaw = "" if member.isreg() and not member.issparse() else f"{file}: member {name!r}: {_NO_FILE}"
            sample.images.append(PackedImage(file, name, path, "", flaw))
        elif ending in self._wanted() and member.isreg():
            try:
                self._take_class(_content(opened, member, ending), ending, sample)
            except ValueError as error:
                sample.flaws[ending] = f"{file}: member {name!r}: {error}"

    def _wanted(self) -> tuple[str, ...]:
        """Return which endings are read: once a class has stood in the surest, the others need not be."""
        if not self._column:
            return ("cls",) if self._has_cls else _CLASS_ENDINGS
        return () if self._column == NO_LABELS else (self._column if self._column in _CLASS_ENDINGS else "json",)

    def _take_class(self, text: str, ending: str, sample: _Sample) -> None:
        if ending != "json":
            sample.labels[ending] = settled(text)
            self._has_cls |= ending == "cls"
            return
        content = json.loads(text)
        if not isinstance(content, dict):
            return
        self._fields |= content.keys()
        for name in (self._column,) if self._column else LABEL_COLUMNS:
            value = content.get(name)
            if isinstance(value, str | int) and not isinstance(value, bool):
                sample.labels[name] = settled(str(value))


class _BrokenError(Exception):
    """A shard that ends before its end; the message names it."""


_NO_FILE = "a link or a sparse file, which holds no image here; write the shard again with the file itself"


def _refuse_compressed(opened: IO[bytes], file: str) -> None:
    start = opened.read(6)
    opened.seek(0)
    kind = next((kind for mark, kind in _PACKED.items() if start.startswith(mark)), None)
    if kind is not None:
        raise DatasetError(f"{file}: is compressed ({kind}): {COMPRESSED}")


#: Why a compressed shard is refused, and what to do.
COMPRESSED = (
    "no image in it can be read without all before it; unpack it to a plain .tar (gunzip, unzstd) and give that"
)


def _members(opened: IO[bytes], file: str) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Yield the files in a shard with their names in UTF-8; raise `_BrokenError` where it ends before its end."""
    n_bytes = opened.seek(0, 2)
    opened.seek(0)
    last = "its beginning"
    try:
        tar = tarfile.open(fileobj=opened, mode="r:")  # noqa: SIM115 - it holds nothing but the file, which is closed
        while (member := tar.next()) is not None:
            # It would keep every header of the shard.
            tar.members.clear()  # type: ignore[attr-defined]
            name = member.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            name = name.removeprefix("./").lstrip("/")
            if member.offset_data + member.size > n_bytes:
                raise _BrokenError(f"{file}: is cut short in member {name!r}; copy or download it again")
            last = repr(name)
            parts = name.split("/")
            is_meta = parts[-1].startswith("__") and parts[-1].endswith("__")
            if not member.isdir() and not is_meta and not any(part.startswith(".") for part in parts):
                yield name, member
        opened.seek(tar.offset)
        end = opened.read(tarfile.BLOCKSIZE)
    except (tarfile.TarError, ValueError, OverflowError, LookupError) as error:
        raise _broken(file, last, str(error)) from error
    if end.strip(b"\0") or not end:
        raise _broken(file, last, "no header that can be read" if end else "no end mark")


def _broken(file: str, last: str, told: str) -> _BrokenError:
    return _BrokenError(f"{file}: is damaged or cut short after {last} ({told}); copy or download it again")


def _content(opened: IO[bytes], member: tarfile.TarInfo, ending: str) -> str:
    if member.size > _MOST_BYTES[ending]:
        raise ValueError(f"{member.size:,} bytes are no class; {LABEL_OPTION} says where classes stand")
    opened.seek(member.offset_data)
    try:
        return opened.read(member.size).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"is not UTF-8 text; write the class as text, or say with {LABEL_OPTION} where it is"
        ) from error


def _in_words(where: str) -> str:
    return f".{where}" if where in {"cls", "txt"} else f"the field {where!r} of .json"


def _refuse_captions(found: list[PackedImage], where: str, source: str) -> None:
    """Refuse texts of which no two are alike as classes: they are captions."""
    texts = [image.label for image in found if image.label]
    if where == "txt" and len(texts) > 2 and len(set(texts)) == len(texts):
        raise DatasetError(
            f"{source}: each .txt says something else, as captions do and classes do not; give {LABEL_OPTION} "
            f"{NO_LABELS} for images without labels, with --classes, or the field of .json that has the class"
        )
