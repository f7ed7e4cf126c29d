"""Columns of a Parquet table as text: decided once, by the column's type; one that holds no text is refused by name.

Tables saved from pandas, R or Hugging Face `datasets` hold *class 7* as an integer, as `7.0` (pandas, where a value is
missing), as bytes or as a category; all of these are the text `7`. Pictures, lists, times and truth values are not
names.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipeline.errors import DatasetError
from pipeline.project.csv_dialect import twice
from pipeline.project.names import column_name

#: Whole numbers up to this one are exact in a column of floating-point numbers.
_EXACT = 2.0**53
#: The two parts of a picture in a column, as Hugging Face calls them.
PICTURE_PARTS = ("bytes", "path")
_TEXTS = frozenset({pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()})


def text_column(column: pa.ChunkedArray | pa.Array, name: str, where: object, *, is_truth: bool = False) -> pa.Array:
    """Return a column as strings; missing values (null or NaN) stay missing.

    Parameters
    ----------
    column
        Of any type.
    name, where
        What messages call the column and its file.
    is_truth
        Whether truth values are allowed: they become ``true`` and ``false``.

    Raises
    ------
    DatasetError
        If its type is not text, bytes in UTF-8, whole numbers or categories of these.
    """
    import pyarrow.compute as pc

    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        column, kind = column.cast(kind.storage_type), kind.storage_type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    types = pa.types
    if types.is_floating(kind) or types.is_decimal(kind):
        column = _whole(column.cast(pa.float64()) if types.is_floating(kind) else column, name, where)
    elif is_picture(kind):
        column = _picture_paths(column, name, where)
    elif not (types.is_integer(kind) or types.is_null(kind) or kind in _TEXTS or (is_truth and types.is_boolean(kind))):
        raise DatasetError(f"{where}: column {name!r} holds {_in_words(kind)}; give text or whole numbers")
    try:
        return pc.cast(column, pa.string())
    except pa.ArrowInvalid as error:
        raise DatasetError(f"{where}: column {name!r} holds bytes that are not UTF-8 text; give text") from error


def is_picture(kind: pa.DataType) -> bool:
    """Tell whether a column of this type holds pictures as Hugging Face keeps them."""
    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    return bool(pa.types.is_struct(kind)) and {kind.field(i).name for i in range(kind.num_fields)} >= {*PICTURE_PARTS}


def refuse_twice(schema: pa.Schema, names: Sequence[str], where: object) -> None:
    """Refuse a table that has one of these columns more than once, ignoring capitals and spaces."""
    counts = Counter(column_name(name) for name in schema.names)
    for name in names:
        if counts[name] > 1:
            raise DatasetError(twice(where, name))


def class_names_of(schema: pa.Schema, name: str) -> tuple[str, ...] | None:
    """Return the names that Hugging Face `datasets` keeps for a column of class numbers (`ClassLabel`), if any."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        names = features[name]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) else None


def _whole(column: Any, name: str, where: object) -> Any:
    import pyarrow.compute as pc

    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        is_fine = pc.and_(pc.equal(pc.floor(column), column), pc.less_equal(pc.abs(column), _EXACT))
    else:
        is_fine = pc.equal(pc.floor(column), column)
    wrong = pc.index(pc.fill_null(is_fine, True), False).as_py()
    if wrong >= 0:
        raise DatasetError(
            f"{where}: column {name!r} holds numbers that are not whole or too large to be exact "
            f"({column[wrong].as_py()}); give text or whole numbers"
        )
    return column.cast(pa.int64())


def _picture_paths(column: Any, name: str, where: object) -> Any:
    """Return the paths of Hugging Face's image column, where it holds only paths and no pictures."""
    import pyarrow.compute as pc

    if pc.struct_field(column, "bytes").null_count < len(column) - column.null_count:
        raise DatasetError(
            f"{where}: column {name!r} holds the pictures themselves (Hugging Face's image column), and images are "
            "read from files: write each picture's `bytes` to a file and give a table of their paths"
        )
    return pc.struct_field(column, "path").cast(pa.string())


def _in_words(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "truth values"
    if pa.types.is_nested(kind):
        return "lists" if pa.types.is_list(kind) or pa.types.is_large_list(kind) else f"records ({kind})"
    return str(kind)
