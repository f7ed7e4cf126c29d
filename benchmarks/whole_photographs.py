"""A thousand photographs through all stages, with the best installed model and simulated annotators.

It runs the commands that a researcher runs, one after the other, and prints what each said last and how long it took.
Where people are needed, programs with a set rate of misses and false alarms work: they know each photograph's single
label and nothing more, so the figures of labels are about the machinery, not about the photographs. Given again, it
goes on where it was.

    python benchmarks/whole_photographs.py PHOTOGRAPHS FOLDER
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.demo.annotator import SimulatedAnnotator
from pipeline.demo.behaviour import Behaviour
from pipeline.project.class_pairs import partners_in, read_versions
from pipeline.project.folder import Project, open_project
from pipeline.sessions.local import LocalSession
from pipeline.votes.words import Round

ANNOTATORS = {
    "ada": Behaviour(miss=0.12, false_alarm=0.006),
    "ben": Behaviour(miss=0.08, false_alarm=0.01),
    "cleo": Behaviour(miss=0.1, false_alarm=0.008),
}
REFINERS = {"dora": Behaviour(miss=0.03, false_alarm=0.003, unsure=0.0)}


def main() -> None:
    """Run all stages."""
    parser = argparse.ArgumentParser(description="A thousand photographs through all stages.")
    parser.add_argument("photographs", type=Path, help="folder of photographs, named by WordNet id")
    parser.add_argument("folder", type=Path, help="where the project goes")
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    root, files = folder / "photographs", sorted(given.photographs.resolve().glob("n*.jpg"))
    manifest = folder / "photographs.csv"
    manifest.write_text("image,wnid\n" + "".join(f"{path.name},{path.stem}\n" for path in files))
    images = str(files[0].parent)
    if not root.exists():
        mlf("init", root, "--images", manifest, "--images-root", images, "--classes", "imagenet-1k")
    mlf("propose", root)
    mlf("assign", root, "--annotators", ",".join(ANNOTATORS), "--simulated")
    mlf("classes", "pairs", root)
    simulate(open_project(root), ANNOTATORS, Round.ANNOTATION)
    mlf("analyze", root)
    mlf("refine", root, "--refiners", ",".join(REFINERS), "--audit-share", "0.1", "--simulated")
    simulate(open_project(root), REFINERS, Round.REFINEMENT)
    mlf("settle", root)
    mlf("evaluate", root, "--model", "tf_efficientnet_lite0")
    mlf("improve", root)
    mlf("report", root)
    mlf("status", root)


def mlf(*arguments: object) -> None:
    """Run a command as a person does; say how long it took and how it ended."""
    command = [str(Path(sys.executable).with_name("mlf")), *map(str, arguments)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(f"$ mlf {' '.join(command[1:])}   ({time.perf_counter() - start:.0f} s)")
    print("  " + "\n  ".join(done.stdout.strip().splitlines()[-6:]), flush=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])


def simulate(project: Project, people: dict[str, Behaviour], round_: Round) -> None:
    """Have programs do all that is left of these people's tasks."""
    labels = pq.read_table(project.images_path).column("original_label").to_pylist()
    truth = {index: frozenset([label]) for index, label in enumerate(labels)}
    pairs = partners_in(read_versions(project.class_pairs_path)[-1])
    taken_for = {one: frozenset(others) for one, others in pairs.items()}
    for name, behaviour in people.items():
        start = time.perf_counter()
        n = SimulatedAnnotator(LocalSession(project, name, round_), behaviour, truth, taken_for).work(images_at_once=50)
        print(f"  {name} (simulated): {n} images   ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
