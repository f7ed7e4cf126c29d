"""Reading proposals by row group, compared with reading the whole table at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import DatasetError
from pipeline.project.tables import PROPOSALS, PROPOSALS_ROW_GROUP
from pipeline.proposals.reader import ProposalReader

N_IMAGES = 2 * PROPOSALS_ROW_GROUP + 37
MODELS = ["one", "two"]
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Return proposals of 0 to 6 classes per image, some without a score."""
    generator = np.random.default_rng(3)
    rows: dict[str, list[object]] = {"image_index": list(range(N_IMAGES)), "class_index": [], "score": [], "model": []}
    for number in range(N_IMAGES):
        classes = generator.permutation(40)[: number % 7].tolist()
        rows["class_index"].append(classes)
        rows["score"].append([None if c == 3 else float(np.float32(generator.random())) for c in classes])
        rows["model"].append([c % 2 for c in classes])
    return pa.table(rows, schema=PROPOSALS)


@pytest.fixture(scope="module")
def path(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("proposals") / "proposals.parquet"
    metadata = {"models": json.dumps(MODELS)}
    pq.write_table(table.replace_schema_metadata(metadata), path, row_group_size=PROPOSALS_ROW_GROUP)
    return path


def test_a_row_is_the_same_wherever_it_lies(table: pa.Table, path: Path) -> None:
    reader = ProposalReader(path)
    asked = [N_IMAGES - 1, 0, 6, PROPOSALS_ROW_GROUP - 1, PROPOSALS_ROW_GROUP, 2 * PROPOSALS_ROW_GROUP, 6]
    rows = reader.rows(asked)
    assert set(rows) == set(asked)
    for index in asked:
        expected = table.slice(index, 1).to_pylist()[0]
        assert list(rows[index].class_index) == expected["class_index"]
        assert list(rows[index].score) == expected["score"]
        assert list(rows[index].model) == [MODELS[position] for position in expected["model"]]


@pytest.mark.parametrize("n_proposals", [None, 1, 3])
def test_the_images_that_propose_a_class_are_those_of_a_plain_search(
    table: pa.Table, path: Path, n_proposals: int | None
) -> None:
    lists = table["class_index"].to_pylist()
    expected = [index for index, classes in enumerate(lists) if 17 in classes[:n_proposals]]
    assert ProposalReader(path).images_proposing(17, n_proposals) == expected
    assert ProposalReader(path).images_proposing(40) == []


def test_arrays_hold_what_the_lists_hold(table: pa.Table, path: Path) -> None:
    arrays = ProposalReader(path).as_arrays()
    assert arrays.class_index.shape == arrays.score.shape == arrays.model.shape == (N_IMAGES, 6)
    for index in range(0, N_IMAGES, 97):
        row = table.slice(index, 1).to_pylist()[0]
        n_classes = len(row["class_index"])
        assert arrays.class_index[index].tolist() == row["class_index"] + [-1] * (6 - n_classes)
        scores = [np.nan if score is None else score for score in row["score"]] + [np.nan] * (6 - n_classes)
        np.testing.assert_array_equal(arrays.score[index], np.array(scores, dtype=np.float32))


def test_images_that_are_not_there_are_refused(path: Path) -> None:
    with pytest.raises(DatasetError, match=f"no image {N_IMAGES}; it has images 0 to {N_IMAGES - 1}"):
        ProposalReader(path).rows([N_IMAGES])


@pytest.mark.parametrize("content", [b"", b"PAR1 half a table"])
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "proposals.parquet").write_bytes(content)
    with pytest.raises(DatasetError, match=r"proposals\.parquet: cannot be read as proposals"):
        ProposalReader(tmp_path / "proposals.parquet")


def test_what_a_session_reads_with_loads_no_torch_and_no_pandas(path: Path) -> None:
    code = (
        "import sys, pipeline.images.decoding, pipeline.examples.reader, pipeline.proposals.reader as reader\n"
        f"r = reader.ProposalReader({str(path)!r}); r.rows([5, 3000]); r.images_proposing(3); r.as_arrays()\n"
        "print([m for m in ('torch', 'timm', 'pandas', 'matplotlib', 'torchvision', 'scipy') if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
