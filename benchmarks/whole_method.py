"""Every stage of the method at the size of ImageNet's training set: seconds, processor seconds, peak memory, bytes.

    python benchmarks/whole_method.py DIR                         # 1,281,167 images × 20 proposals × 2 annotators
    python benchmarks/whole_method.py DIR --images 100000         # a quick look, in a folder of its own
    python benchmarks/whole_method.py DIR --stages analyze settle # these alone; without, those not measured yet

The project (`large_project.py`) is built once in the folder and used again: 5 GB at full size. Each stage is the
command that a person gives, with its notebook and its report, in processes of its own; only *read* and *session* are
calls of a function. A stage's peak is that of its largest process. What was measured is kept in `measured.json`, so
that the table can be taken in pieces.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from large_project import (
    REFINERS,
    assign_command,
    build,
    clear_refinement,
    drawn_classes,
    fill_round,
    init_command,
    mlf,
)

N_IMAGES = 1_281_167
#: One in so many images is refined before labels are settled.
_ONE_REFINED_IN = 25
#: Runs a command; writes its processor seconds, and the peak of its largest process in kB.
_RUN = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[2:], stdout=sys.stderr)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    json.dump([used.ru_utime + used.ru_stime, used.ru_maxrss], file)
sys.exit(code)
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """What to do first without measuring it, and the command to measure; both take DIR, its project and its images."""

    command: Callable[[Path, Path], list[str]]
    prepare: Callable[[Path, Path, int], None] = lambda _folder, _root, _n: None
    goal_s: float = 60
    tidy: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a stage took; `written_mb` is the size of what it wrote, less what it replaced in the store."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    written_mb: float


def main() -> None:
    """Build the project, run the stages and print the table."""
    if sys.argv[1:2] == ["--call"]:
        _CALLS[sys.argv[2]](Path(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--images", type=int, default=N_IMAGES)
    parser.add_argument("--stages", nargs="*", choices=list(STAGES), help="without names: only build the project")
    options = parser.parse_args()
    folder = options.folder.resolve() / str(options.images)
    root, kept = build(folder, options.images), folder / "measured.json"
    measured: dict[str, Figures] = {}
    if kept.exists():
        measured = {name: Figures(**found) for name, found in json.loads(kept.read_text(encoding="utf-8")).items()}
    wanted = [name for name in STAGES if name not in measured] if options.stages is None else options.stages
    for name in wanted:
        stage = STAGES[name]
        stage.prepare(folder, root, options.images)
        measured[name] = measure(stage.command(folder, root), folder)
        kept.write_text(json.dumps({name: asdict(found) for name, found in measured.items()}, indent=1))
        print(f"{name}: {measured[name]}", file=sys.stderr, flush=True)
        if stage.tidy:
            shutil.rmtree(folder / stage.tidy)
    print_table(root, options.images, measured)


def measure(command: list[str], folder: Path) -> Figures:
    """Run a command to its end, and return what it and its children took."""
    start, before = time.time(), _store_bytes(folder)
    # By way of a process that holds nothing: on Linux, the peak of what a process starts begins with its own.
    with tempfile.NamedTemporaryFile() as used:
        code = subprocess.call([sys.executable, "-S", "-c", _RUN, used.name, *command], cwd=folder)
        if code:
            raise SystemExit(f"{' '.join(command)} ended with {code}")
        cpu_seconds, peak_kb = json.loads(Path(used.name).read_text(encoding="utf-8"))
    seconds = time.time() - start
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("store.sqlite"))
    written = sum(path.stat().st_size for path in files if path.stat().st_mtime >= start)
    return Figures(
        seconds,
        cpu_seconds,
        peak_kb / 1e3,
        (written + _store_bytes(folder) - before) / 1e6,
    )


def print_table(root: Path, n_images: int, measured: dict[str, Figures]) -> None:
    """Print a row for each stage that was measured."""
    store, whole = (root / "store.sqlite").stat().st_size, sum(p.stat().st_size for p in root.rglob("*") if p.is_file())
    print(
        f"\n{n_images:,} images × 20 proposals × 2 annotators, 10 models: a project of {whole / 1e9:.1f} GB, of it the "
        f"store {store / 1e9:.1f} GB\n"
    )
    print("| stage | seconds | goal | processor seconds | peak memory, MB | written, MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, stage in STAGES.items():
        if name in measured:
            found = measured[name]
            print(
                f"| {name} | {found.seconds:.0f} | {stage.goal_s:.0f} | {found.cpu_seconds:.0f} | "
                f"{found.peak_mb:,.0f} | {found.written_mb:,.1f} |"
            )


def read(root: Path) -> None:
    """Only read the votes."""
    from pipeline.project.folder import open_project
    from pipeline.stages.votes_of_project import read_project_votes
    from pipeline.store import open_project_store

    project = open_project(root)
    with open_project_store(project) as store:
        votes = read_project_votes(project, store).annotation
    print(f"{votes.n_votes:,} votes on {votes.n_items:,} (image, class) pairs")


def session(root: Path) -> None:
    """Do what the annotation notebook does until somebody sees where to begin: 25 tasks with their proposals."""
    from mlf_widgets import open_annotator

    widget = open_annotator(str(root), "annotator00")
    for kind, params in (("open", {}), ("classes", {}), ("tasks", {"positions": list(range(25))})):
        reply, _ = widget.answer({"id": "a", "kind": kind, "params": params})
        assert reply["ok"], reply


_CALLS = {"read": read, "session": session}


def _call(name: str) -> Callable[[Path, Path], list[str]]:
    return lambda _folder, root: [sys.executable, __file__, "--call", name, str(root)]


def _copy_without_store(folder: Path, root: Path, _n_images: int) -> None:
    shutil.copytree(root, folder / "again", ignore=shutil.ignore_patterns("store.*", "predictions", "runs", "results"))


def _refine(_folder: Path, root: Path, n_images: int) -> None:
    fill_round(root, "refinement", *drawn_classes(n_images), most=n_images // _ONE_REFINED_IN)


def _store_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("store.sqlite*"))


STAGES = {
    "init": Stage(lambda folder, _: init_command(folder / "again", folder), tidy="again"),
    "assign": Stage(lambda folder, _: assign_command(folder / "again"), _copy_without_store, tidy="again"),
    "session": Stage(_call("session")),
    "read": Stage(_call("read"), goal_s=30),
    "analyze": Stage(lambda _, root: mlf("analyze", root), goal_s=30),
    "select": Stage(
        lambda _, root: mlf("refine", root, "--refiners", ",".join(REFINERS), "--audit-share", "0.01", "--simulated"),
        lambda _folder, root, _n: clear_refinement(root),
        goal_s=30,
    ),
    "settle with models": Stage(lambda _, root: mlf("settle", root, "--evidence", "models"), _refine, goal_s=120),
    "settle": Stage(lambda _, root: mlf("settle", root), _refine),
    "evaluate": Stage(lambda _, root: mlf("evaluate", root)),
    "report": Stage(lambda _, root: mlf("report", root), goal_s=180),
    "backup": Stage(lambda folder, root: mlf("backup", root, folder / "copy"), tidy="copy"),
}


if __name__ == "__main__":
    main()
