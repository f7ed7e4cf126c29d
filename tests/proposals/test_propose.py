"""Stage 1 from a model: what it writes, what it skips, and what happens when it is cut off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.datasets.create import init_project
from pipeline.errors import DatasetError, ProjectError
from pipeline.inference.predictions import predictions_path, read_model_predictions
from pipeline.project.folder import Project, open_project
from pipeline.project.settings import write_settings
from pipeline.project.tables import PREDICTIONS, PROPOSALS
from pipeline.proposals.reader import ProposalReader
from pipeline.stages.propose import propose, propose_summary

MakeProject = Callable[..., Project]


def run(project: Project, checkpoint: Path, **options: object) -> object:
    return propose(project, checkpoint=checkpoint, **{"n_workers": 0, "device": "cpu", **options})  # type: ignore[arg-type]


def test_each_image_gets_the_topmost_classes_of_its_ranking(make_project: MakeProject, checkpoint: Path) -> None:
    project = make_project()
    summary = propose(project, checkpoint=checkpoint, n_workers=0, device="cpu")
    assert (summary.n_images, summary.n_with_proposals, summary.skipped) == (24, 24, ())
    assert summary.models == ("small",)
    proposals = ProposalReader(project.proposals_path).as_arrays()
    ranking = read_model_predictions(predictions_path(project, "small"))
    assert ranking.class_index.shape == (24, 20)
    assert (proposals.class_index == ranking.class_index[:, :7]).all()
    assert (proposals.score == ranking.score[:, :7]).all()
    assert (proposals.model == 0).all()


def test_the_tables_have_the_columns_that_were_agreed(make_project: MakeProject, checkpoint: Path) -> None:
    project = make_project()
    run(project, checkpoint)
    assert pq.read_schema(project.proposals_path).remove_metadata().equals(PROPOSALS)
    assert pq.read_schema(predictions_path(project, "small")).remove_metadata().equals(PREDICTIONS)


def test_an_image_that_cannot_be_decoded_is_named_and_the_run_goes_on(
    make_project: MakeProject, checkpoint: Path
) -> None:
    project = make_project()
    broken = Path(project.images_root) / "class_05/5.png"
    broken.write_bytes(broken.read_bytes()[:60])
    summary = propose(project, checkpoint=checkpoint, n_workers=0, device="cpu")
    assert summary.n_with_proposals == 23
    assert [row.image_id for row in summary.skipped] == ["class_05/5.png"]
    assert "5.png: cannot be decoded" in summary.skipped[0].reason
    assert ProposalReader(project.proposals_path).rows([5])[5].class_index == ()
    skipped = pq.read_table(project.skipped_path).to_pylist()
    assert [row["image_id"] for row in skipped] == ["class_05/5.png"]
    assert propose_summary(project).skipped == summary.skipped
    run(project, checkpoint)
    assert pq.read_table(project.skipped_path).to_pylist() == skipped


def test_a_run_in_which_no_image_can_be_decoded_is_an_error(make_project: MakeProject, checkpoint: Path) -> None:
    project = make_project(n_images=3)
    for path in Path(project.images_root).rglob("*.png"):
        path.unlink()
    with pytest.raises(DatasetError, match=r"small: not one of 3 images can be ranked; the first: .*no such file"):
        run(project, checkpoint)
    assert not project.proposals_path.exists()


def test_images_without_files_are_pointed_to_predictions_made_elsewhere(tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "ids.csv").write_text("image,label\n" + "".join(f"{i},class_{i:02d}\n" for i in range(30)))
    project = init_project(tmp_path / "project", tmp_path / "ids.csv")
    with pytest.raises(DatasetError, match=r"--from-predictions"):
        run(project, checkpoint)


def test_the_original_label_is_added_last_only_when_asked_for(make_project: MakeProject, checkpoint: Path) -> None:
    pure, with_original = make_project(name="pure"), make_project(name="with_original")
    run(pure, checkpoint)
    run(with_original, checkpoint, include_original=True)
    before, after = (ProposalReader(p.proposals_path).as_arrays() for p in (pure, with_original))
    labels = pq.read_table(pure.images_path)["original_label"].to_pylist()
    missed = [i for i, label in enumerate(labels) if label not in before.class_index[i]]
    assert missed
    for i, label in enumerate(labels):
        assert label in after.class_index[i]
        expected = [*before.class_index[i][:-1], label] if i in missed else list(before.class_index[i])
        assert after.class_index[i].tolist() == expected


def test_a_finished_run_is_not_done_again(make_project: MakeProject, checkpoint: Path) -> None:
    project = make_project()
    run(project, checkpoint)
    before = project.proposals_path.stat().st_mtime_ns
    assert propose(project, checkpoint=checkpoint, n_workers=0, device="cpu").n_done_before == 24
    assert project.proposals_path.stat().st_mtime_ns == before


def test_other_settings_are_refused_by_name_until_a_restart_is_asked_for(
    make_project: MakeProject, checkpoint: Path
) -> None:
    project = make_project()
    run(project, checkpoint)
    write_settings(project.settings.with_changes("proposals", n_proposals=3), project.root / "mlf.toml")
    changed = open_project(project.root)
    with pytest.raises(ProjectError, match=r"n_proposals was 7, now 3.*--restart"):
        run(changed, checkpoint)
    assert ProposalReader(project.proposals_path).as_arrays().class_index.shape == (24, 7)
    run(changed, checkpoint, restart=True)
    assert ProposalReader(project.proposals_path).as_arrays().class_index.shape == (24, 3)


def test_a_restart_that_is_refused_leaves_the_proposals_as_they_were(
    make_project: MakeProject, checkpoint: Path
) -> None:
    project = make_project()
    run(project, checkpoint)
    kept = {path.name: path.read_bytes() for path in (project.proposals_path, project.examples_path)}
    with pytest.raises(DatasetError, match="no_such_model"):
        propose(project, "no_such_model", device="cpu", restart=True)
    with pytest.raises(DatasetError, match="nowhere"):
        run(project, checkpoint.with_name("nowhere.pth"), restart=True)
    assert {name: (project.root / name).read_bytes() for name in kept} == kept
    run(project, checkpoint, restart=True)
    assert not list(project.root.glob("*.before"))


_RUN = """
import sys, time
from pipeline.inference import filling, loading
from pipeline.project.folder import open_project
from pipeline.stages.propose import propose
filling.PART_SECONDS = 0.0
decode, n_decoded = loading.read_image, 0
def slowly(*arguments):
    global n_decoded
    n_decoded += 1
    time.sleep(0.03 if n_decoded < 30 else 1)  # even a busy machine has the time to kill it before its end
    return decode(*arguments)
loading.read_image = slowly
propose(open_project(sys.argv[1]), checkpoint=sys.argv[2], batch_size=2, n_workers=int(sys.argv[3]), device="cpu")
"""


@pytest.mark.parametrize("n_workers", [0, 1])
def test_a_run_killed_in_the_middle_goes_on_where_it_was_and_ends_the_same(
    make_project: MakeProject, checkpoint: Path, n_workers: int
) -> None:
    whole, cut = make_project(120, name="whole"), make_project(120, name="cut")
    propose(whole, checkpoint=checkpoint, batch_size=2, n_workers=0, device="cpu")
    parts = predictions_path(cut, "small").with_suffix(".partial")
    arguments = [sys.executable, "-c", _RUN, str(cut.root), str(checkpoint), str(n_workers)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL)
    try:
        while len(list(parts.glob("part-*.parquet"))) < 6:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not cut.proposals_path.exists()
    assert not predictions_path(cut, "small").exists()
    (parts / "part-0000000118.parquet.new").write_bytes(b"half a part")
    summary = propose(cut, checkpoint=checkpoint, batch_size=2, n_workers=0, device="cpu")
    assert 6 <= summary.n_done_before < 120
    assert not parts.exists()
    for path in ("proposals.parquet", "predictions/small.parquet"):
        assert pq.read_table(cut.root / path).equals(pq.read_table(whole.root / path))


def test_parts_that_a_killed_run_did_not_come_to_remove_are_removed_by_the_next(
    make_project: MakeProject, checkpoint: Path
) -> None:
    project = make_project()
    run(project, checkpoint)
    parts = predictions_path(project, "small").with_suffix(".partial")
    parts.mkdir()
    (parts / "part-0000000020.parquet").write_bytes(b"left behind")
    run(project, checkpoint)
    assert not parts.exists()


def test_parts_of_another_model_are_not_mixed_in(make_project: MakeProject, checkpoint: Path) -> None:
    project = make_project()
    parts = predictions_path(project, "small").with_suffix(".partial")
    parts.mkdir(parents=True)
    (parts / "run.json").write_text('{"model": "another"}')
    with pytest.raises(ProjectError, match=r'model was "another", now "small".*--restart'):
        run(project, checkpoint)
    run(project, checkpoint, restart=True)
    assert project.proposals_path.exists()
