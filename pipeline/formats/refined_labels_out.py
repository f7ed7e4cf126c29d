"""Write refined labels to files: the project's table, a CSV for people, and JSON in the published format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import DatasetError
from pipeline.formats.refined_labels_in import PROVENANCE_SUFFIX
from pipeline.project.class_references import read_class_references
from pipeline.project.files import write_csv
from pipeline.project.folder import Project
from pipeline.project.label_space import LabelSpace
from pipeline.project.writing import whole_file, write_text
from pipeline.votes.words import Source

if TYPE_CHECKING:
    import pandas as pd

_ROW_GROUP = 65_536
_NONE_APPLIES = {
    Source.AGREED: "none applies: all annotators left every class they were shown",
    Source.REFINED: "none applies: settled in the refinement round",
    Source.CONSENSUS: "none applies: no class has enough support in the consensus of the votes",
    Source.KNOWN: "none applies: known beforehand",
    Source.UNLABELLED: "nobody has decided this image yet",
}


def write_refined_labels(project: Project, labels: pa.Table, provenance: Mapping[str, object] | None = None) -> None:
    """Write `refined_labels.parquet` and, beside it, one file for each of `EXPORTS`, each in one step.

    The provenance, if given, goes into `refined_labels.provenance.json`.

    The JSON is in the published format, ``{"<image>": ["370", …]}``: class indices as text, an empty list where no
    class applies. Images that nobody has decided are left out. If these numbers could be read in another way
    (:mod:`pipeline.project.class_references`), the JSON names classes by key instead, so that it reads back
    correctly.
    """
    path = project.refined_labels_path
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as unfinished:
        pq.write_table(labels, unfinished, row_group_size=_ROW_GROUP)
    for ending, write in EXPORTS.items():
        write(labels, project.label_space, path.with_suffix(ending))
    if provenance is not None:
        write_text(path.with_suffix(PROVENANCE_SUFFIX), json.dumps(dict(provenance), indent=2, allow_nan=False) + "\n")


def explain_empty(source: str) -> str:
    """Return in words why an image of this source has no label."""
    return _NONE_APPLIES[Source(source)]


def _write_csv(labels: pa.Table, space: LabelSpace, path: Path) -> None:
    # A part at a time: the words of millions of rows would take gigabytes.
    starts = range(0, max(labels.num_rows, 1), _ROW_GROUP)
    write_csv(lambda: (_as_csv(labels.slice(start, _ROW_GROUP), space) for start in starts), path)


def _as_csv(labels: pa.Table, space: LabelSpace) -> pd.DataFrame:
    table: pd.DataFrame = labels.to_pandas()
    index = table["class_index"]
    named = index.notna()
    table = table.rename(columns={"image_id": "image"}).drop(columns="image_index")
    table["class_index"] = index.astype("Int32")
    table = table.astype(dict.fromkeys(("n_yes", "n_no", "n_unsure"), "Int16"))  # whole, also beside missing ones
    for column, words in (("class_key", space.keys), ("class_name", space.names)):
        table[column] = None
        table.loc[named, column] = [words[int(i)] for i in index[named]]
    table["note"] = None
    table.loc[~named, "note"] = table.loc[~named, "source"].map(_NONE_APPLIES)
    first = ["image", "class_index", "class_key", "class_name", "source"]
    return table[[*first, "n_yes", "n_no", "n_unsure", "posterior", "note"]]


def _write_json(labels: pa.Table, space: LabelSpace, path: Path) -> None:
    indices = pc.unique(labels.column("class_index")).drop_null().to_pylist()
    encode = json.JSONEncoder(ensure_ascii=False).encode
    names = [str(index) for index in range(len(space))] if _reads_back(indices, space) else space.keys
    quoted = [encode(name) for name in names]
    with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        separator = "{"
        for image, classes in _label_lists(labels):
            file.write(f"{separator}\n{encode(image)}: [{', '.join([quoted[index] for index in classes])}]")
            separator = ","
        file.write("{}\n" if separator == "{" else "\n}\n")


def _label_lists(labels: pa.Table) -> Iterator[tuple[str, list[int]]]:
    """Yield each decided image with its classes; the rows of an image must be adjacent."""
    decided = labels.filter(pc.not_equal(labels.column("source"), Source.UNLABELLED.value))
    image, classes = None, list[int]()
    for batch in decided.select(["image_id", "class_index"]).to_batches(_ROW_GROUP):
        for image_id, index in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
            if image is not None and image_id != image:
                yield image, classes
                classes = []
            image = image_id
            if index is not None:
                classes.append(index)
    if image is not None:
        yield image, classes


def _reads_back(indices: Sequence[int], space: LabelSpace) -> bool:
    """Return whether these indices, written as text, read back as the same indices."""
    try:
        reading = read_class_references({str(index) for index in indices}, space, "refined labels")
    except DatasetError:
        return False
    return all(reading.index_of.get(str(index)) == index for index in indices)


#: From a file's ending to the function that writes it, given the project's table, its classes and the path. To add a
#: format, write a module for it and add a line here.
EXPORTS: Mapping[str, Callable[[pa.Table, LabelSpace, Path], None]] = {".csv": _write_csv, ".json": _write_json}
