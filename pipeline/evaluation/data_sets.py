"""The same models on two data sets: how far accuracy drops under single labels, and how far under refined ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.errors import DatasetError
from pipeline.evaluation.fit import LinearFit, linear_fit
from pipeline.evaluation.shares import NORMAL_95

_COLUMNS = ("model", "top1", "real", "n_images", "n_labelled")


@dataclass(frozen=True, eq=False)
class DataSetComparison:
    """Two data sets compared over the models that both were scored with.

    Parameters
    ----------
    drops
        A row per model: `model`; `top1_first`, `top1_second`, `top1_drop` with `top1_low` and `top1_high` (95%, the
        images of both data sets as independent samples); the same of `real`; `kept_back`, by how much the drop is less
        under ReaL. Sorted by `kept_back`, the greatest first.
    mean_top1_drop, mean_real_drop
        Means over the models, as shares. The models are those at hand and no sample, so they carry no interval.
    n_less
        Models that drop less under ReaL than under Top-1.
    top1_fit, real_fit
        Lines of the second data set's accuracy on the first's.
    only_first, only_second
        Models that only one of the two was scored with.
    """

    drops: pd.DataFrame
    mean_top1_drop: float
    mean_real_drop: float
    n_less: int
    top1_fit: LinearFit
    real_fit: LinearFit
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    @property
    def n_models(self) -> int:
        """Return over how many models they were compared."""
        return len(self.drops)


def compare_data_sets(first: pd.DataFrame, second: pd.DataFrame) -> DataSetComparison:
    """Compare two tables of :meth:`pipeline.evaluation.models.Evaluation.table`, paired by model.

    Parameters
    ----------
    first
        The data set that the models are at home on, such as a validation set.
    second
        The other one, such as a replica.

    Raises
    ------
    DatasetError
        If a table lacks a column, or names a model twice, or no model was scored with both.
    """
    for which, table in (("first", first), ("second", second)):
        missing = [column for column in _COLUMNS if column not in table]
        if missing:
            raise DatasetError(f"the {which} table of models has no column {missing[0]!r}; make it again")
        if table["model"].duplicated().any():
            raise DatasetError(f"the {which} table names {table['model'][table['model'].duplicated()].iloc[0]!r} twice")
    both = first[list(_COLUMNS)].merge(second[list(_COLUMNS)], on="model", suffixes=("_first", "_second"))
    both = both.dropna(ignore_index=True)
    if both.empty:
        raise DatasetError("no model was scored on both data sets; models are paired by their names")
    drops = both[["model"]].copy()
    for metric, n in (("top1", "n_images"), ("real", "n_labelled")):
        one, other = both[f"{metric}_first"], both[f"{metric}_second"]
        drop = one - other
        variance = one * (1 - one) / both[f"{n}_first"] + other * (1 - other) / both[f"{n}_second"]
        reach = NORMAL_95 * np.sqrt(variance)
        drops[f"{metric}_first"], drops[f"{metric}_second"], drops[f"{metric}_drop"] = one, other, drop
        drops[f"{metric}_low"], drops[f"{metric}_high"] = drop - reach, drop + reach
    drops["kept_back"] = drops["top1_drop"] - drops["real_drop"]
    names_first, names_second = set(first["model"]), set(second["model"])
    return DataSetComparison(
        drops=drops.sort_values("kept_back", ascending=False, kind="stable", ignore_index=True),
        mean_top1_drop=float(drops["top1_drop"].mean()),
        mean_real_drop=float(drops["real_drop"].mean()),
        n_less=int((drops["kept_back"] > 0).sum()),
        top1_fit=linear_fit(both["top1_first"].tolist(), both["top1_second"].tolist()),
        real_fit=linear_fit(both["real_first"].tolist(), both["real_second"].tolist()),
        only_first=tuple(sorted(names_first - names_second)),
        only_second=tuple(sorted(names_second - names_first)),
    )
