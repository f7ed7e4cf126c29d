"""Everything that stage 3 computes, at the size of the published study and of ImageNet: seconds and peak memory.

    python benchmarks/analysis.py                      # 10,000 images, then 1,281,167; 2 annotators × 20 proposals
    python benchmarks/analysis.py --images 10000
    python benchmarks/analysis.py --file               # the same votes through a Parquet file and the shell's command

The votes are simulated, by annotators who are right nine times in ten. Each step runs in a process of its own, whose
peak memory includes votes and libraries. The last step runs all the others one after the other in one process.
"""

from __future__ import annotations

import argparse
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from peak_memory import peak_mb

from pipeline.consensus import reach_consensus
from pipeline.consensus.value_of_refining import chance_of_error, draw_audit, rank_by_value, select_disputed
from pipeline.disagreement import analyze_disagreement
from pipeline.disagreement.profiles import profile_annotators
from pipeline.votes.arrays import VoteArrays, annotator_dtype

N_CLASSES, N_ANNOTATORS = 1000, 15


def main() -> None:
    """Run every step at every requested size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 1_281_167])
    parser.add_argument("--proposals", type=int, default=20)
    parser.add_argument("--annotators-per-image", type=int, default=2)
    parser.add_argument("--file", action="store_true", help="through a Parquet file and the shell's commands instead")
    options = parser.parse_args()
    for n_images in options.images:
        size = (n_images, options.proposals, options.annotators_per_image)
        print(f"{n_images:,} images × {size[1]} proposals × {size[2]} annotators = {np.prod(size):,} simulated votes")
        if options.file:
            run_on_file(size)
            continue
        for name in STEPS:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds, peak, said = pool.apply(run_step, (name, size))
            print(f"  {name:14s} {seconds:6.1f} s, peak {peak:6,.0f} MB: {said}")


def run_step(name: str, size: tuple[int, int, int]) -> tuple[float, float, str]:
    """Simulate votes, run one step on them, and return its time in seconds, the peak in MB and what it found."""
    votes = simulate(*size)
    start = time.perf_counter()
    said = STEPS[name](votes)
    return time.perf_counter() - start, peak_mb(), said


def disagreement(votes: VoteArrays) -> str:
    """Analyse where annotators differ, including alpha's interval, and select images for refinement."""
    found = analyze_disagreement(votes)
    n_selected = len(select_disputed(found.per_image))
    draw_audit(found.per_image.loc[~found.per_image["set_disagreement"], "image"], 0.02)
    alpha = found.alpha
    return f"{n_selected:,} images disputed, alpha {alpha.value:.3f} ({alpha.low:.4f} to {alpha.high:.4f})"


def profiles(votes: VoteArrays) -> str:
    """Describe every annotator, including drift."""
    who = (votes.item_image[votes.item].astype(np.int64) * votes.n_annotators) + votes.annotator
    who = np.unique(who[np.append(True, np.diff(who) != 0)])
    sittings = pd.DataFrame(
        {
            "image": who // votes.n_annotators,
            "annotator": who % votes.n_annotators,
            "active_ms": 9000,
            "decided_at": np.arange(len(who)),
        }
    )
    del who
    found = profile_annotators(votes, sittings=sittings)
    return f"{len(found.profiles)} annotators, {len(found.drift)} parts"


def consensus(votes: VoteArrays) -> str:
    """Settle every item and rank the images by what refining them is worth."""
    settled = reach_consensus(votes)
    ranking = rank_by_value(votes, chance_of_error(settled.label, settled.posterior))
    n_steps = settled.model.n_iterations if settled.model else 0
    return f"{int(settled.label.sum()):,} labels kept after {n_steps} steps; {len(ranking):,} images ranked"


def everything(votes: VoteArrays) -> str:
    """Run all steps, one after the other."""
    return "; ".join(step(votes) for step in (disagreement, profiles, consensus))


STEPS: dict[str, Callable[[VoteArrays], str]] = {
    "disagreement": disagreement,
    "profiles": profiles,
    "consensus": consensus,
    "all in one": everything,
}


def run_on_file(size: tuple[int, int, int]) -> None:
    """Write the votes as Parquet, and time `mlf analyze` and `mlf aggregate` on them, run as from a shell."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.parquet"
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.apply(write_file, (path, size))
        print(f"  votes.parquet: {path.stat().st_size / 1e6:,.0f} MB, image ids as text")
        for command in ("analyze", "aggregate"):
            script = (
                "import sys; sys.argv[0] = 'mlf'; from pipeline.cli import app; from peak_memory import peak_mb\n"
                "try: app(standalone_mode=False)\n"
                "finally: print(f'{peak_mb():,.0f} MB')"
            )
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", script, command, str(path), "--out", str(Path(folder) / command)],
                cwd=Path(__file__).parent,
                capture_output=True,
                text=True,
                check=True,
            )
            peak = done.stdout.splitlines()[-1]
            print(
                f"  mlf {command:12s} {time.perf_counter() - start:6.1f} s, peak {peak}: {done.stdout.splitlines()[0]}"
            )


def write_file(path: Path, size: tuple[int, int, int]) -> None:
    """Write simulated votes as a Parquet table of text columns, including the ids of a million images or more."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    votes = simulate(*size)
    names = [f"n{image % 1000:08d}/ILSVRC2012_{image:08d}" for image in range(votes.n_images)]
    vocabulary = {
        "image": pa.array(names),
        "class": pa.array([f"n{class_:08d}" for class_ in range(N_CLASSES)]),
        "annotator": pa.array([f"annotator{who:02d}" for who in range(N_ANNOTATORS)]),
        "vote": pa.array(["no", "unsure", "yes"]),
    }
    writer = None
    for start in range(0, votes.n_votes, 1_000_000):
        part = slice(start, start + 1_000_000)
        item = votes.item[part]
        codes = (votes.item_image[item], votes.item_class[item], votes.annotator[part], votes.vote[part])
        table = pa.table(
            {name: words.take(pa.array(code)) for (name, words), code in zip(vocabulary.items(), codes, strict=True)}
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def simulate(n_images: int, n_proposals: int, n_each: int) -> VoteArrays:
    """Draw votes by annotators who are right nine times in ten, in image order and in bounded memory."""
    generator = np.random.default_rng(0)
    offset = generator.integers(0, N_CLASSES, n_images, dtype=np.int32)
    first = (offset[:, None] + np.arange(n_proposals, dtype=np.int32) * (N_CLASSES // n_proposals)) % N_CLASSES
    item_class = np.sort(first, axis=1).ravel().astype(np.int32)
    n_items = n_images * n_proposals
    truth = np.repeat((generator.random(n_items, dtype=np.float32) < 0.1).astype(np.int8), n_each)
    draw = generator.random(n_items * n_each, dtype=np.float32)
    vote = np.where(draw < 0.03, np.int8(1), np.where(draw < 0.1, 2 - 2 * truth, 2 * truth)).astype(np.int8)
    del draw, truth
    lead = np.repeat(generator.integers(0, N_ANNOTATORS - n_each + 1, n_images, dtype=np.int32), n_proposals)
    annotator = (lead[:, None] + np.arange(n_each, dtype=np.int32)).ravel()
    return VoteArrays(
        images=np.arange(n_images),
        classes=np.arange(N_CLASSES),
        annotators=np.arange(N_ANNOTATORS),
        item_image=np.repeat(np.arange(n_images, dtype=np.int32), n_proposals),
        item_class=item_class,
        n_each=np.full(n_items, n_each, dtype=annotator_dtype(N_ANNOTATORS)),
        annotator=annotator.astype(annotator_dtype(N_ANNOTATORS)),
        vote=vote,
    )


if __name__ == "__main__":
    main()
