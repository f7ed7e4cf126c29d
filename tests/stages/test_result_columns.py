"""Every column of every table that a stage writes has its sentence in the reference, and in Python."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from simulation import annotate
from toy_projects import Finished, Toys

from mlf_widgets import open_project
from pipeline.errors import ProjectError
from pipeline.stages.analyze import analyze_project
from pipeline.stages.assign import assign_project
from pipeline.stages.result_columns import RESULT_TABLES, TEXTS

ROOT = Path(__file__).parents[2]
#: Columns that one method alone writes.
OF_ANOTHER_METHOD = {"weight"}


def columns_of(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return list(pq.read_schema(path).names)
    return list(pd.read_csv(path, nrows=0).columns)


def written(results: Path) -> Iterator[tuple[str, list[str]]]:
    for ending in ("csv", "parquet"):
        for path in sorted(results.rglob(f"*.{ending}")):
            if path.name != "refined_labels.parquet":  # its columns stand in the schema
                yield path.relative_to(results).as_posix(), columns_of(path)


def test_the_columns_of_every_table_are_those_of_the_reference(finished: Finished) -> None:
    tables = dict(written(finished.project.results_dir))
    assert len(tables) > 18
    for path, columns in tables.items():
        assert columns == [name for name in RESULT_TABLES[path].columns if name not in OF_ANOTHER_METHOD], path


def test_every_sentence_is_one_and_names_are_read_as_text() -> None:
    for path, table in RESULT_TABLES.items():
        for said in (table.row, *table.columns.values()):
            assert said[0].isupper() or said.startswith("mAP@5"), (path, said)
            assert said.endswith("."), (path, said)
            assert "\n" not in said
    assert {name for table in RESULT_TABLES.values() for name in table.columns} >= TEXTS


def test_the_page_of_the_reference_has_every_table_and_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    made_from_code = importlib.import_module("made_from_code")
    monkeypatch.delitem(sys.modules, "made_from_code")
    sections = made_from_code.files_and_tables().split("\n## ")
    for path, table in RESULT_TABLES.items():
        [section] = [each for each in sections if each.startswith(f"`results/{path}`")]
        assert all(f"| `{name}` | {said} |" in section for name, said in table.columns.items())


def test_a_notebook_reads_what_a_table_holds_and_its_names_as_they_are(proposed_for_007: Toys) -> None:
    opened = open_project(proposed_for_007.project.root)
    said = opened.columns("analyze/annotators")
    people = opened.table("analyze/annotators")
    assert list(said.index) == list(people.columns)
    assert said["sensitivity"] == "Share of these that are yes."
    assert sorted(people["annotator"]) == ["007", "=1+1", "NA"]
    with pytest.raises(
        ProjectError, match="no stage writes a table 'analyze/people'; there are: refined_labels, analyze/images"
    ):
        opened.columns("analyze/people")


@pytest.fixture
def proposed_for_007(proposed: Toys, tmp_path: Path) -> Toys:
    """Return a copy that people have annotated whose names a table's reader may take for something else."""
    from toy_projects import copy_of

    toys = copy_of(proposed, tmp_path / "project")
    people = ["007", "NA", "=1+1"]
    assign_project(toys.project, people, 2, n_images=6, kind="human")
    for name in people:
        annotate(toys.project, name, toys.truth)
    analyze_project(toys.project, n_resamples=10)
    return toys
