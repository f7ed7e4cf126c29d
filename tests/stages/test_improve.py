"""Stage 6: what is settled about some toybox scenes, and what is proposed for the others."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from pipeline.datasets.create import init_project
from pipeline.errors import DatasetError, ProjectError
from pipeline.project.folder import Project, open_project
from pipeline.project.results import read_summary
from pipeline.proposals.reader import ProposalReader
from pipeline.stages.improve import Improvement, ImproveSummary, improve_project
from pipeline.stages.propose import propose
from pipeline.toybox import toybox_checkpoint, write_toybox

N_SCENES, N_SETTLED = 120, 70
CPU = {"device": "cpu", "n_workers": 0}


@dataclass(frozen=True)
class Improved:
    """A project that was improved by the truth of its first scenes, and what it was before."""

    project: Project
    truth: list[set[int]]
    settled: Path
    before: NDArray[np.int32]  # the classes proposed, best first
    found: Improvement

    @property
    def untouched(self) -> Path:
        """The folder of a copy whose scenes were looked at once and no more."""
        return self.settled.with_name("untouched")


@pytest.fixture(scope="module")
def improved(tmp_path_factory: pytest.TempPathFactory) -> Improved:
    folder = tmp_path_factory.mktemp("improve")
    box = write_toybox(folder / "toys", n_scenes=N_SCENES, n_reference=2, seed=11)
    project = init_project(folder / "project", box.scenes_csv, box.classes, box.reference)
    propose(project, checkpoint=toybox_checkpoint(), views=1, **CPU)
    named = json.loads(box.truth.read_text())
    truth = [{project.label_space.index_of(key) for key in keys} for keys in named.values()]
    settled = folder / "settled.json"
    settled.write_text(json.dumps(dict(list(named.items())[:N_SETTLED])))
    shutil.copytree(project.root, folder / "untouched")
    before = proposed(project)
    return Improved(project, truth, settled, before, improve_project(project, settled, views=5, **CPU))


def proposed(project: Project) -> NDArray[np.int32]:
    return ProposalReader(project.proposals_path).as_arrays().class_index


def n_found(classes: NDArray[np.int32], truth: list[set[int]], k: int) -> int:
    unseen = range(N_SETTLED, N_SCENES)
    return sum(len(truth[image] & set(classes[image, :k].tolist())) for image in unseen)


def test_settled_labels_make_better_proposals_for_the_other_images_and_again_the_same(
    improved: Improved,
) -> None:
    project, truth, found = improved.project, improved.truth, improved.found
    assert (found.n_settled, found.n_renewed) == (N_SETTLED, N_SCENES - N_SETTLED)
    n_labels = sum(map(len, truth[N_SETTLED:]))
    for k, least in ((5, 0.04), (10, 0.04)):
        assert n_found(proposed(project), truth, k) - n_found(improved.before, truth, k) > least * n_labels
    np.testing.assert_array_equal(proposed(project)[:N_SETTLED, :20], improved.before[:N_SETTLED])
    at_5 = found.recall[0]
    assert at_5.before.n_hits < min(at_5.closer.n_hits, at_5.after.n_hits)
    np.testing.assert_allclose(at_5.gain.value, (at_5.after.n_hits - at_5.before.n_hits) / at_5.after.n)
    np.testing.assert_allclose(at_5.gain.value, at_5.of_looking.value + at_5.of_learning.value)
    assert at_5.ticks_after == at_5.after.n_hits / N_SETTLED
    assert found.needed.interval[0] <= found.needed.n < 20
    summary = read_summary(project, "improve", ImproveSummary)
    assert [row.k for row in summary.recall] == [5, 10, 20]
    listed = pd.read_csv(project.results_dir / "improve" / "next_images.csv")
    assert len(listed) == found.n_renewed
    assert listed["uncertainty"].is_monotonic_decreasing
    table = pq.read_table(project.proposals_path)
    again = improve_project(project, improved.settled, views=5, **CPU)
    assert again.recall == found.recall
    assert pq.read_table(project.proposals_path).equals(table)


class Killed(BaseException):
    """What a kill looks like from within."""


def test_a_stage_that_is_killed_anywhere_ends_in_the_same_tables_when_it_is_run_again(
    improved: Improved, tmp_path: Path
) -> None:
    project, settled = improved.project, improved.settled
    shutil.copytree(improved.untouched, tmp_path / "killed")
    killed = open_project(tmp_path / "killed")
    at = [
        ("pipeline.inference.parts.PartialTable.write_part", 2, True),
        ("pipeline.inference.parts.PartialTable.finish", 1, True),  # once finished, a table is not finished again
        ("pipeline.stages.improve.write_proposals", 1, False),
        ("pipeline.stages.improve.write_results", 1, True),
    ]
    for place, nth, before in at:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pipeline.inference.filling.PART_SECONDS", 0.0)
            _kill_at(patch, place, nth, before=before)
            with pytest.raises(Killed):
                improve_project(killed, settled, views=5, **CPU)
    improve_project(killed, settled, views=5, **CPU)
    for path in ("results/improve.json", "results/improve/next_images.csv"):
        assert (killed.root / path).read_bytes() == (project.root / path).read_bytes()
    for path in (project.proposals_path, *project.candidates_dir.glob("*"), *project.predictions_dir.glob("*")):
        ours, again = pq.read_table(path), pq.read_table(killed.root / path.relative_to(project.root))
        assert again.equals(ours)
        assert again.schema.metadata == ours.schema.metadata


def _kill_at(patch: pytest.MonkeyPatch, place: str, nth: int, *, before: bool) -> None:
    """Have the nth call of a function end in a kill, before or after it did its work."""
    from pkgutil import resolve_name

    owner, _, name = place.rpartition(".")
    whole, calls = getattr(resolve_name(owner), name), iter(range(1, 10_000))

    def dying(*args: object, **named: object) -> object:
        is_last = next(calls) == nth
        if is_last and before:
            raise Killed
        found = whole(*args, **named)
        if is_last:
            raise Killed
        return found

    patch.setattr(place, dying)


def test_what_it_cannot_learn_from_is_said(improved: Improved, tmp_path: Path) -> None:
    project, settled = improved.project, improved.settled
    with pytest.raises(ProjectError, match="run `mlf settle"):
        improve_project(project, **CPU)
    few = tmp_path / "few.json"
    few.write_text(json.dumps(dict(list(json.loads(settled.read_text()).items())[:6])))
    with pytest.raises(DatasetError, match="images are settled"):
        improve_project(project, few, **CPU)
