"""Images in tar shards as WebDataset writes them: `key.jpg` with `key.cls`, `key.json` or `key.txt` in one tar.

A key is a member's name up to the first dot of its last part, as in WebDataset. Nothing is unpacked: a shard's headers
are read once, and each image's place is noted.
"""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import IO

from pipeline.datasets.manifest import LABEL_COLUMNS
from pipeline.datasets.packed import LABEL_OPTION, NO_LABELS, PackedImage
from pipeline.errors import DatasetError
from pipeline.images.locations import has_image_suffix
from pipeline.images.within import location_within, name_within, opened_in_place
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
    """The members of a shard that have one key; `labels` and `flaws` by where a class stands."""

    images: list[PackedImage] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    flaws: dict[str, str] = field(default_factory=dict)
    endings: tuple[str, ...] = ()
    #: Why none of its pictures can be used.
    mixed: str = ""

    def flaw(self, where: str) -> str:
        """Return why no class can be read where it should stand; anywhere, if no class stands in any sample."""
        if not where:
            return next(iter(self.flaws.values()), "")
        return self.flaws.get(where) or self.flaws.get("" if where in _CLASS_ENDINGS else "json", "")


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
        self._dotted: list[str] = []
        self._without_picture: list[str] = []
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
        self._without_picture += (key.lstrip("/") for key, sample in samples.items() if not sample.images)

    def images(self) -> list[PackedImage]:
        """Return the images of all shards with their classes, and what of them cannot be used."""
        where = self._where()
        lacking, further, found = list[_Sample](), list[str](), list[PackedImage]()
        for sample in self._samples:
            label, flaw = sample.labels.get(where, ""), sample.mixed or sample.flaw(where)
            if not label and not flaw:
                lacking.append(sample)
            if sample.mixed:
                found += (replace(each, flaw=flaw) for each in sample.images)
                continue
            # As its members lie, but `key.png` before `key.seg.png`, and what is no file last.
            first, *others = sorted(sample.images, key=lambda each: (bool(each.flaw), _is_dotted(each.name)))
            found.append(replace(first, label=label, flaw=first.flaw or flaw))
            further += (each.name for each in others)
        _refuse_captions(found, where, self._source, is_sure=bool(self._column))
        self._tell(where, lacking, further)
        return found + self._flaws

    def _tell(self, where: str, lacking: list[_Sample], further: list[str]) -> None:
        """Say where the classes stand, and what is left out."""
        notes = []
        if where and where != "cls":
            flaw = next((sample.flaws["cls"] for sample in self._samples if "cls" in sample.flaws), "")
            none = f"no .cls can be read ({flaw})" if flaw else "no member ends in .cls"
            notes.append(f"{none}; the classes are those of {_in_words(where)}")
        if where and lacking:
            n_others = sum("json" in sample.endings or "txt" in sample.endings for sample in lacking)
            hint = f"; of these, {n_others:,} with .json or .txt, which {LABEL_OPTION} has read instead"
            told = f"{so_many(len(lacking), 'sample')} without a class ({_in_words(where)})"
            notes.append(told + hint * (n_others > 0 and where == "cls"))
        others = self._fields - {*LABEL_COLUMNS}
        if not where and not self._column and others:
            known = first_few(sorted(others), 10)
            notes.append(f"no class in the usual places; {LABEL_OPTION} FIELD reads one of these of .json: {known}")
        if self._dotted and self._column != NO_LABELS:
            count = so_many(len(self._dotted), "member")
            notes.append(f"{count} taken for no class: {first_few(self._dotted)}; {_DOT}")
        if further:
            notes.append(f"{len(further):,} further pictures of a sample are left out: {first_few(further)}; {_DOT}")
        if self._without_picture:
            count, few = so_many(len(self._without_picture), "sample"), first_few(self._without_picture)
            notes.append(f"{count} without a picture that can be read: {few}")
        for note in notes:
            tell(f"{self._source}: {note}")

    def _where(self) -> str:
        if self._column == NO_LABELS:
            return ""
        there = {name for sample in self._samples for name in sample.labels}
        flaws = {name: flaw for sample in self._samples for name, flaw in sample.flaws.items()}
        if self._column and self._column not in there | flaws.keys():
            known = ", ".join(sorted(there | self._fields - {self._column})) or "none"
            flaw = next((f"; {flaw}" for flaw in flaws.values()), "")
            raise DatasetError(f"{self._source}: no sample has a {self._column!r}; classes may stand in: {known}{flaw}")
        usual = (self._column,) if self._column else ("cls", *LABEL_COLUMNS, "txt")
        return next((each for each in usual if each in there), self._column)

    def _take(
        self, opened: IO[bytes], file: str, name: str, member: tarfile.TarInfo, samples: dict[str, _Sample]
    ) -> None:
        folder, _, base = name.rpartition("/")
        stem, _, ending = base.partition(".")
        ending = ending.lower()
        is_image = has_image_suffix(base)
        if not is_image and ending not in _CLASS_ENDINGS:
            if ending.endswith(".cls"):
                self._dotted.append(name)
            return
        sample = samples.setdefault(f"{folder}/{stem}", _Sample())
        if ending in sample.endings and (is_image or ending in self._wanted()):
            sample.mixed = f"{file}: has {name!r} more than once, so that its class is not sure; {_KEYS}"
        sample.endings += (sys.intern(ending),)
        is_file = member.isreg() and not member.issparse()
        flaw = "" if is_file else f"{file}: member {name!r}: {_NO_FILE}"
        if is_image:
            path = location_within(file, member.offset_data, member.size, name)
            sample.images.append(PackedImage(file, name, path, "", flaw))
        elif ending in self._wanted() and flaw:
            sample.flaws[ending] = flaw
        elif ending in self._wanted():
            try:
                self._take_class(_content(opened, member, ending), ending, sample, f"{file}: member {name!r}")
            except ValueError as error:
                sample.flaws[ending] = f"{file}: member {name!r}: {error}"

    def _wanted(self) -> tuple[str, ...]:
        """Return which endings are read: once a class has stood in the surest, the others need not be."""
        if not self._column:
            return ("cls",) if self._has_cls else _CLASS_ENDINGS
        return () if self._column == NO_LABELS else (self._column if self._column in _CLASS_ENDINGS else "json",)

    def _take_class(self, text: str, ending: str, sample: _Sample, member: str) -> None:
        if ending != "json":
            label = settled(text)
            # A .txt of several lines is a caption, which is told of all of them.
            if len(label.splitlines()) > 1 and (ending == "cls" or self._column):
                raise ValueError(f"has several lines: {_ONE_CLASS}")
            sample.labels[ending] = label
            self._has_cls |= ending == "cls"
            return
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"cannot be read as JSON ({error}); write it again") from error
        if not isinstance(content, dict):
            return
        self._fields |= content.keys()
        for name in (self._column,) if self._column else LABEL_COLUMNS:
            value = content.get(name)
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                sample.labels[name] = settled(str(value))
            elif value is not None:
                kind = "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else "no name"
                sample.flaws[name] = f"{member}: {name!r} holds {kind}: {_ONE_CLASS}"


class _BrokenError(Exception):
    """A shard that ends before its end; the message names it."""


_NO_FILE = "a link or a sparse file, which holds no image or class here; write the shard again with the file itself"
_ONE_CLASS = f"one class an image is read; {LABEL_OPTION} says where it stands, or {NO_LABELS} for no labels"
_KEYS = "write the shard again with a key of its own for each sample"
_DOT = "a key ends at the first dot of a name"


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
        tar = tarfile.open(fileobj=opened, mode="r:", encoding="utf-8")  # noqa: SIM115 - it holds nothing but the file, which is closed
        while (member := tar.next()) is not None:
            # It would keep every header of the shard.
            tar.members.clear()  # type: ignore[attr-defined]
            name = name_within(member.name)
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
    while end := opened.read(1 << 16):
        if end.strip(b"\0"):
            raise _BrokenError(
                f"{file}: holds more after its end mark, after {last}, which is not read, as where shards are joined "
                "with cat; give each as a file of its own, or join them with tar -A"
            )


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


def _is_dotted(name: str) -> bool:
    return "." in name.rpartition("/")[2].partition(".")[2]


def _refuse_captions(found: list[PackedImage], where: str, source: str, *, is_sure: bool) -> None:
    """Refuse texts of which most are distinct, or that have several lines, as classes: they are captions."""
    texts = [image.label for image in found if image.label]
    n_distinct = len(set(texts))
    are_captions = (len(texts) > 2 and 2 * n_distinct > len(texts)) or any(len(text.splitlines()) > 1 for text in texts)
    if where == "txt" and not is_sure and are_captions:
        raise DatasetError(
            f"{source}: {len(texts):,} .txt say {n_distinct:,} different things, as captions do and classes do not; "
            f"give {LABEL_OPTION} {NO_LABELS} for images without labels, with --classes, or the field of .json that "
            "has the class, or txt if they are classes all the same"
        )
