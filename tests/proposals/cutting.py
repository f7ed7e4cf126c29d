"""A run that is cut off somewhere while it decodes images or puts files in place, as a kill does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.inference import loading
from pipeline.project import writing


def is_cut_off(run: Callable[[], object], n_steps: int) -> bool:
    """Run something that ends after so many images and files; tell whether it was not done by then."""
    left = iter(range(n_steps))

    def step() -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.inference.filling.PART_SECONDS", 0.0)
        for module, name in ((loading, "read_image"), (writing, "put_in_place")):
            patch.setattr(
                module, name, lambda *given, do=getattr(module, name), **named: (step(), do(*given, **named))[1]
            )
        try:
            run()
        except KeyboardInterrupt:
            return True
    return False


def expect_same_tables(one: Path, other: Path) -> None:
    """Compare every table of two projects of the same images, and see that no unfinished file is left."""
    for path in sorted(p.relative_to(one) for p in one.rglob("*.parquet")):
        if path.name not in ("classes.parquet", "images.parquet"):
            assert pq.read_table(other / path).equals(pq.read_table(one / path)), path
    assert not list(other.rglob("*.partial"))
