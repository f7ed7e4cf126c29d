"""Tools whose packages do not fit beside ours read what we wrote, each in an environment of its own (MLF_SOAK=1)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import run_mlf
from toy_projects import Toys

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("MLF_SOAK" not in os.environ, reason="long: run with MLF_SOAK=1"),
]
#: Each prints what it reads as JSON: image to sorted labels; or nothing but errors.
DATUMARO = """
import json, sys
from datumaro import Dataset
found = Dataset.import_from(sys.argv[1], sys.argv[2])
names = [label.name for label in next(iter(found.categories().values())).items]
print(json.dumps({item.id: sorted(names[x.label] for x in item.annotations) for item in found}))
"""
FIFTYONE = """
import json, sys
from fiftyone.utils.data.importers import FiftyOneImageClassificationDatasetImporter as Importer
importer = Importer(dataset_dir=sys.argv[1], data_path="data.json")
importer.setup()
print(json.dumps({path: None if label is None else sorted(x.label for x in label.classifications)
                  for path, _, label in importer}))
"""
LABEL_STUDIO = """
import json, pathlib, sys
from label_studio_sdk.label_interface import LabelInterface
folder = pathlib.Path(sys.argv[1])
interface = LabelInterface((folder / "labeling_config.xml").read_text(encoding="utf-8"))
interface.validate()
tasks = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
bad = [x for task in tasks for x in task["annotations"] if not interface.validate_annotation(x)]
bad += [error for task in tasks for x in task["predictions"] for error in interface.validate_prediction(x, True)]
print(json.dumps(bad))
"""


def read_by(package: str, script: str, *arguments: object) -> Any:
    """Run a script where a package is installed, and return what it prints last as JSON."""
    command = [sys.executable, "-m", "uv", "run", "--quiet", "--no-project", "--isolated", "--python", "3.11"]
    done = subprocess.run(
        [*command, "--with", package, "python", "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def sets(truth: list[dict[str, Any]]) -> dict[str, list[str] | None]:
    """Return the label set of every image."""
    return {x["image"]: None if x["labels"] is None else sorted(y["class"] for y in x["labels"]) for x in truth}


@pytest.mark.parametrize(("kind", "theirs"), [("datumaro", "datumaro"), ("imagenet-txt", "imagenet_txt")])
def test_datumaro_reads_every_label(kind: str, theirs: str, worked: Toys, sets: dict, tmp_path: Path) -> None:
    run_mlf("export", worked.project.root, "--format", kind, "--out", tmp_path / kind)
    found = read_by("datumaro>=1.10", DATUMARO, tmp_path / kind, theirs)
    assert found == {image.removesuffix(".jpg"): names for image, names in sets.items() if names is not None}


def test_datumaro_reads_the_xml_of_cvat(worked: Toys, sets: dict, tmp_path: Path) -> None:
    folder = tmp_path / "cvat"
    run_mlf("export", worked.project.root, "--format", "cvat", "--out", folder / "annotations.xml")
    (folder / "images").symlink_to(worked.project.images_root)
    found = read_by("datumaro>=1.10", DATUMARO, folder, "cvat")
    assert set(found) == {image.removesuffix(".jpg") for image in sets}
    assert all(set(names or ()) <= set(found[image.removesuffix(".jpg")]) for image, names in sets.items())


def test_fiftyone_reads_every_label(worked: Toys, sets: dict, tmp_path: Path) -> None:
    run_mlf("export", worked.project.root, "--format", "fiftyone", "--out", tmp_path / "fo")
    found = read_by("fiftyone>=1.0", FIFTYONE, tmp_path / "fo")
    root = worked.project.images_root
    assert found == {f"{root}/{image}": names for image, names in sets.items()}


def test_label_studio_accepts_configuration_annotations_and_predictions(worked: Toys, tmp_path: Path) -> None:
    run_mlf("export", worked.project.root, "--format", "label-studio", "--out", tmp_path / "ls")
    assert read_by("label-studio-sdk>=2.0", LABEL_STUDIO, tmp_path / "ls") == []
