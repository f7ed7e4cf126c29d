"""Which examples are shown: they cover the class better than a random draw, and near-duplicates are left out."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.datasets.create import init_project
from pipeline.examples.choice import draw_order
from pipeline.examples.pack import pack_examples
from pipeline.examples.reader import ExampleReader
from pipeline.examples.references import digest_of, reference_files
from pipeline.examples.teaching import ALIKE, plain_features, teaching_order
from pipeline.project.settings import ProposalSection, Settings
from pipeline.project.tables import FEATURES
from pipeline.toybox import write_toybox
from pipeline.toybox.objects import TOY_CLASSES


def mean_distance(features: np.ndarray, chosen: list[int]) -> float:
    """Return the mean distance of all images to the nearest one chosen."""
    return float(np.linalg.norm(features[:, None] - features[chosen], axis=2).min(axis=1).mean())


def test_few_examples_are_nearly_as_good_as_the_best_that_brute_force_finds() -> None:
    for seed in range(10):
        features = np.random.default_rng(seed).normal(size=(12, 3))
        chosen = teaching_order(features, 3)
        best = min(mean_distance(features, list(some)) for some in combinations(range(12), 3))
        none = mean_distance(features, [teaching_order(features, 1)[0]])
        assert none - mean_distance(features, chosen) >= (1 - 1 / np.e) * (none - best) - 1e-9
        assert teaching_order(features, 1) == [
            min(range(12), key=lambda i: np.linalg.norm(features - features[i], axis=1).sum())
        ]


def test_one_image_of_each_kind_comes_before_a_second_of_any_and_copies_come_last() -> None:
    generator = np.random.default_rng(0)
    kinds = np.repeat(np.arange(4), [20, 10, 5, 3])
    features = np.eye(4)[kinds] + generator.normal(0, 0.02, (38, 4))
    assert sorted(kinds[teaching_order(features, 4)]) == [0, 1, 2, 3]
    copies = np.concatenate([features, features[:10] + 1e-4])
    chosen = teaching_order(copies, 48)
    assert sorted(chosen) == list(range(48))
    alike = [
        any(np.sqrt(((copies[i] - copies[j]) ** 2).mean()) < ALIKE for j in chosen[:n]) for n, i in enumerate(chosen)
    ]
    assert alike == sorted(alike)


def test_no_group_gives_more_than_its_share() -> None:
    features = np.random.default_rng(0).normal(size=(20, 3))
    groups = ["a"] * 10 + ["b"] * 6 + [None] * 4
    chosen = teaching_order(features, 20, groups, 2)
    assert sorted(str(groups[place]) for place in chosen) == ["None"] * 4 + ["a"] * 2 + ["b"] * 2


def test_examples_cover_toy_classes_better_than_a_draw_and_leave_planted_copies_out(
    tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    box = write_toybox(tmp_path / "toys", n_scenes=2, n_reference=24, seed=3)
    folders = sorted(box.reference.iterdir())[:6]
    for folder in sorted(box.reference.iterdir())[6:]:
        for path in folder.iterdir():
            path.unlink()
    for folder in folders:
        for number, path in enumerate(sorted(folder.iterdir())[:4]):
            Image.open(path).convert("RGB").save(folder / f"copy{number}.jpg", quality=60)
    settings = Settings(proposals=ProposalSection(examples_per_class=8))
    project = init_project(tmp_path / "project", box.scenes_csv, box.classes, box.reference, settings=settings)
    summary = pack_examples(project)
    assert len(summary.without) == len(TOY_CLASSES) - 6
    assert not set(summary.without) & {folder.name for folder in folders}
    reader = ExampleReader(project.examples_path, project.examples_root)
    ours, drawn = [], []
    for folder in folders:
        files = sorted(folder.iterdir())
        # Edges, not colours: features that the choice has not seen.
        seen = np.stack([_edges(path) for path in files])
        names = [f"{folder.name}/{path.name}" for path in files]
        sources = reader.sources(project.label_space.index_of(folder.name))
        assert len(sources) == 8
        stems = [Path(name).stem for name in sources]
        for number, original in enumerate(path.stem for path in files if not path.stem.startswith("copy")):
            assert not (number < 4 and original in stems and f"copy{number}" in stems)
        ours.append(mean_distance(seen, [names.index(name) for name in sources]))
        draws = [draw_order(names, folder.name, seed)[:8] for seed in range(20)]
        drawn.append(np.mean([mean_distance(seen, [names.index(name) for name in draw]) for draw in draws]))
    record_property("mean distance, chosen and drawn", (float(np.mean(ours)), float(np.mean(drawn))))
    assert np.mean(ours) < np.mean(drawn)


def _edges(path: Path) -> np.ndarray:
    grey = np.asarray(Image.open(path).convert("L").resize((32, 32)), dtype=float)
    across, down = np.abs(np.diff(grey, axis=1))[:, :28], np.abs(np.diff(grey, axis=0))[:28]
    return np.concatenate([part[:28, :28].reshape(7, 4, 7, 4).mean(axis=(1, 3)).ravel() for part in (across, down)])


def test_plain_features_are_colours_on_a_grid() -> None:
    image = Image.new("RGB", (80, 40), (255, 0, 0))
    image.paste((0, 0, 255), (40, 0, 80, 40))
    grid = plain_features(image).reshape(8, 8, 3)
    np.testing.assert_allclose(grid[:, :4], np.broadcast_to([1, 0, 0], (8, 4, 3)))
    np.testing.assert_allclose(grid[:, 4:], np.broadcast_to([0, 0, 1], (8, 4, 3)))


KINDS = [0] * 4 + [1] * 4 + [2] * 4


@pytest.mark.parametrize("are_own", [False, True])
def test_where_a_backbone_has_looked_its_features_choose(tmp_path: Path, are_own: bool) -> None:
    """Colours tell nothing of these pictures; features know three kinds."""
    generator = np.random.default_rng(1)
    folder = tmp_path / "references" / "toad"
    folder.mkdir(parents=True)
    for number in range(len(KINDS)):
        noise = generator.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number:02}.png")
    (tmp_path / "classes.json").write_text('["toad", "unicorn"]')
    (tmp_path / "images").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "images" / "a.png")
    settings = Settings(proposals=ProposalSection(examples_per_class=3))
    images = tmp_path / "references" if are_own else tmp_path / "images"
    references = None if are_own else tmp_path / "references"
    project = init_project(tmp_path / "project", images, tmp_path / "classes.json", references, settings=settings)
    if are_own:
        paths = pq.read_table(project.images_path)["path"].to_pylist()
        name, about = "net.1views", {"views": [[0, 0, 1, 1]]}
    else:
        listed = reference_files(project)
        paths = [path for _, path in listed]
        name, about = "net.references", {"references_sha256": digest_of(project, listed)}
    features = np.eye(8)[[KINDS[int(Path(path).stem)] for path in paths]] + generator.uniform(0, 0.01, (len(paths), 8))
    table = pa.table([pa.array(range(len(paths)), pa.int32()), pa.array(features.tolist())], schema=FEATURES)
    project.features_dir.mkdir()
    pq.write_table(
        table.replace_schema_metadata({"settings": json.dumps(about)}), project.features_dir / f"{name}.parquet"
    )
    summary = pack_examples(project)
    assert summary.without == ("unicorn",)
    sources = pq.read_table(project.examples_path)["sources"].to_pylist()[0]
    assert {KINDS[int(Path(path).stem)] for path in sources} == {0, 1, 2}
    (project.features_dir / f"{name}.parquet").unlink()
    pack_examples(project)
    assert pq.read_table(project.examples_path)["sources"].to_pylist()[0] != sources
