"""Images inside larger files: members of tar shards, rows of Arrow and Parquet files, read where they lie.

A location names one by its place: `train-0000.tar#1536+48213/cat/1.jpg` is the 48,213 bytes from byte 1,536 on, and so
in Arrow files, whose pictures lie in them as they are. Parquet is packed: there `#3+17` is row 17 of row group 3. Rows
have no name to know them by: `#3+17~1a2b3c4d` adds a checksum of the picture, so that no other one is taken for it. The
name after the place is for people. So any thread or process opens any image by its location alone, as it opens a file.
"""

from __future__ import annotations

import os
import posixpath
import re
import tarfile
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from pipeline.errors import DatasetError
from pipeline.images.remote import is_url, opened_url

#: Endings, in lower case, of files that images may lie in.
PACKED_SUFFIXES = (".tar", ".arrow", ".parquet")
_PLACE = re.compile(r"(.+?\.(tar|arrow|parquet))#(\d+)\+(\d+)(?:~([0-9a-f]{8}))?/(.*)", re.DOTALL | re.IGNORECASE)
#: Pictures of row groups that were read last are kept, as long as they are not larger than this together.
_MOST_BYTES_KEPT = 1 << 26
#: Every writer of tar puts an ASCII name as short as this into the member's own header.
_LONGEST_NAME = 90
#: What the column of images is called where others hold pictures, too: masks, depth, thumbnails.
_USUAL_NAMES = ("image", "img")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image lies in a larger file: from which byte on, and how many; or in which row group, and row of it.

    `digest` is :func:`digest_of` its bytes, where its place alone would not tell whether it is still the same picture.
    """

    file: str
    first: int
    second: int
    name: str
    digest: str = ""

    @property
    def n_bytes(self) -> int | None:
        """Return how many bytes the image has; None where they are packed."""
        return None if self.file.lower().endswith(".parquet") else self.second


def place_within(location: str) -> Place | None:
    """Return the place of an image inside a larger file; None for a file of its own."""
    found = _PLACE.fullmatch(location) if "#" in location else None
    return None if found is None else Place(found[1], int(found[3]), int(found[4]), found[6], found[5] or "")


def location_within(file: str, first: int, second: int, name: str, digest: str = "") -> str:
    """Return the location of an image inside a file. No `..` or `://` of its name survives: it stays below the file."""
    return f"{file}#{first}+{second}{'~' if digest else ''}{digest}/{name_within(name)}"


def digest_of(picture: Any) -> str:
    """Return eight characters by which a picture, bytes or a buffer, is known again."""
    return f"{zlib.crc32(picture):08x}"


def name_within(name: str) -> str:
    """Return what a member of a tar is called here: below the shard, and in UTF-8."""
    shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return posixpath.normpath("/" + shown).lstrip("/")


def file_of(location: str) -> str:
    """Return the file that an image lies in: itself, for a file of its own."""
    place = place_within(location)
    return location if place is None else place.file


def at_once(path: str, flags: int) -> int:
    """Open without waiting for somebody at the other end of a pipe, which may lie where an image should."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@contextmanager
def opened_in_place(file: str) -> Iterator[IO[bytes]]:
    """Open a file, local or remote, of which only parts are wanted.

    Raise `OSError`, or `DatasetError` as :func:`pipeline.images.remote.opened_url` does, if it cannot be read.
    """
    if not is_url(file):
        with open(file, "rb", opener=at_once) as opened:
            yield opened
        return
    with opened_url(file) as (filesystem, path), filesystem.open(path, "rb") as opened:
        yield opened


def read_within(place: Place) -> bytes:
    """Return the bytes of an image inside a larger file.

    Raises
    ------
    DatasetError
        If the file is no longer what it was when the place was noted.
    OSError
        If the file is missing or cannot be read.
    """
    if place.n_bytes is None:
        return _checked(place, _picture_in(place))
    # The header of a tar's member lies before it, and tells whether the place is still what it was.
    n_header = tarfile.BLOCKSIZE if place.file.lower().endswith(".tar") else 0
    data = _bytes_of(place.file, place.first - n_header, place.first + place.second)
    if len(data) < n_header + place.second:
        raise _changed(place, "the file is shorter now")
    if n_header:
        try:
            member = tarfile.TarInfo.frombuf(data[:n_header], "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise _changed(place, "no member begins there now") from error
        # Other names stand in a header of their own before this one, which has what fits of them.
        is_whole = place.name.isascii() and "\\x" not in place.name and len(place.name) < _LONGEST_NAME
        if member.size != place.second or (is_whole and name_within(member.name) != place.name):
            raise _changed(place, "another member is there now")
    return _checked(place, data[n_header:])


def _checked(place: Place, picture: bytes) -> bytes:
    if place.digest and place.digest != digest_of(picture):
        raise _changed(place, "another picture is there now")
    return picture


def _bytes_of(file: str, start: int, end: int) -> bytes:
    if is_url(file):
        with opened_url(file) as (filesystem, path):
            return bytes(filesystem.cat_file(path, start=start, end=end))
    with opened_in_place(file) as opened:
        opened.seek(start)
        return opened.read(end - start)


def _changed(place: Place, told: str) -> DatasetError:
    return DatasetError(
        f"{place.file}: {place.name!r} is not where it was when the project was made: {told}; put the file back as it "
        "was, or make a new project from it as it is now"
    )


class _RowGroups:
    """Pictures of the row groups read last: rows are mostly asked for in order, and a group is unpacked as a whole."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int, int], Any] = OrderedDict()

    def group(self, file: str, number: int) -> Any:
        written_ns = 0 if is_url(file) else os.stat(file).st_mtime_ns  # noqa: PTH116 - once per image
        key = file, number, written_ns
        with self._lock:
            if key not in self._kept:
                self._kept[key] = pictures_of_group(file, number)
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(each.nbytes for each in self._kept.values()) > _MOST_BYTES_KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]

    def forget(self) -> None:
        self.__init__()  # type: ignore[misc]


_row_groups = _RowGroups()
if hasattr(os, "register_at_fork"):  # a thread that holds the lock does not live on in the child
    os.register_at_fork(after_in_child=_row_groups.forget)


def _picture_in(place: Place) -> bytes:
    try:
        picture = _row_groups.group(place.file, place.first)[place.second].as_py()
    except (IndexError, ValueError) as error:  # Arrow's errors are among them
        raise _changed(place, "no such row is there now") from error
    if picture is None:
        raise _changed(place, "its row has no picture now")
    return bytes(picture)


def picture_columns(schema: Any) -> list[str]:
    """Return the names of the columns of an Arrow schema that hold pictures as Hugging Face keeps them.

    One with a usual name comes first.
    """
    from pipeline.project.columns import is_picture

    found = [str(field.name) for field in schema if is_picture(field.type)]
    return sorted(found, key=lambda name: not is_usual_name(name))


def is_usual_name(column: str) -> bool:
    """Tell whether a column of pictures is called as the one of the images mostly is, and not as masks are."""
    return column.lower() in _USUAL_NAMES


def pictures_of_group(file: str, number: int) -> Any:
    """Return the pictures of a row group of Parquet as an Arrow array of bytes, null where a row has none."""
    import pyarrow.parquet as pq

    from pipeline.project.columns import PICTURE_PARTS

    with opened_in_place(file) as opened:
        parquet = pq.ParquetFile(opened)
        name = picture_columns(parquet.schema_arrow)[0]
        table = parquet.read_row_group(number, columns=[f"{name}.{PICTURE_PARTS[0]}"], use_threads=False)
        return table.column(0).combine_chunks().field(PICTURE_PARTS[0])
