"""The table of scored models that `mlf evaluate` leaves in a project, and `mlf score` in a folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipeline.errors import DatasetError
from pipeline.evaluation.models import FIGURES
from pipeline.project.folder import SETTINGS_FILE, open_project
from pipeline.project.result_paths import tables_dir

_NAME = "evaluation.csv"
#: Undefined figures are empty cells; a model may well be called `nan`.
_UNDEFINED = {name: [""] for name in FIGURES}


def read_scored(folder: Path) -> pd.DataFrame:
    """Return the models' figures of a project, or of a folder that `mlf score` wrote.

    Raise `DatasetError` if there are none, or they cannot be read.
    """
    is_project = (folder / SETTINGS_FILE).is_file()
    path = tables_dir(open_project(folder), "evaluate") / _NAME if is_project else folder / _NAME
    if not path.is_file():
        how = f"run `mlf evaluate {folder}` first" if is_project else "give a project, or what `mlf score --out` wrote"
        raise DatasetError(f"{path}: there is no such table of models; {how}")
    try:
        return pd.read_csv(path, dtype={"model": str}, keep_default_na=False, na_values=_UNDEFINED)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read as a table of models: {error}") from error
