"""A project as a notebook's user meets it: its tables as data frames, its figures, and its widgets.

Frames are made when they are asked for, from the project's files and its store; nothing is written. Images and classes
are named as people name them: `image` as the data set calls it, `class` by its key.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ProjectError
from pipeline.project.image_table import image_columns, open_whole_project
from pipeline.project.result_paths import ResultStage, summary_path

if TYPE_CHECKING:
    import pandas as pd

    from mlf_widgets.annotator import Annotator
    from mlf_widgets.explorer import Explorer
    from pipeline.project.folder import Project
    from pipeline.votes.arrays import VoteArrays

_STAGES: tuple[ResultStage, ...] = ("analyze", "settle", "evaluate", "improve")


def open_project(folder: str | Path = ".") -> OpenProject:
    """Open a project's folder, to read its tables.

    Parameters
    ----------
    folder
        The project's folder.

    Returns
    -------
    OpenProject
        Its tables, figures and widgets.

    Raises
    ------
    ProjectError
        If the folder holds no project, or one that is damaged.

    Examples
    --------
    >>> project = open_project("birds")  # doctest: +SKIP
    >>> project.refined_labels().head()  # doctest: +SKIP
    """
    return OpenProject(open_whole_project(folder))


class OpenProject:
    """One project: what :func:`open_project` returns.

    Attributes
    ----------
    name : str
        What the project is called.
    folder : pathlib.Path
        Where it lies.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self.name: str = project.settings.project.name
        self.folder: Path = project.root

    def __repr__(self) -> str:
        return f"<project {self.name!r} in {self.folder}>"

    def images(self) -> pd.DataFrame:
        """Return the images: `image_index`, `image`, `path` (null without a file), `original` (its label's key)."""
        columns = ["image_index", "image_id", "path", "original_label"]
        table: pd.DataFrame = image_columns(self._project, columns).to_pandas().rename(columns={"image_id": "image"})
        table["original"] = self._keys(table.pop("original_label"))
        return table

    def classes(self) -> pd.DataFrame:
        """Return the classes: `class_index`, `class`, `name`, `synonyms`, `definition`, `parent`, `fate` (if gone)."""
        import pandas as pd

        rows = [
            (info.index, info.key, info.name, list(info.synonyms), info.definition, info.parent, info.fate)
            for info in self._project.label_space
        ]
        names = ["class_index", "class", "name", "synonyms", "definition", "parent", "fate"]
        return pd.DataFrame(rows, columns=names)

    def proposals(self) -> pd.DataFrame:
        """Return the classes offered, a row each: `image`, `rank` (1 is the best), `class`, `score`.

        Raises
        ------
        ProjectError
            If there are no proposals yet.
        """
        import numpy as np
        import pandas as pd

        from pipeline.proposals.reader import open_proposals

        found = open_proposals(self._project).as_arrays()
        row, place = np.nonzero(found.class_index >= 0)
        return pd.DataFrame(
            {
                "image": self._image_names()[row],
                "rank": place + 1,
                "class": self._keys(pd.Series(found.class_index[row, place])),
                "score": found.score[row, place],
            }
        )

    def votes(self) -> pd.DataFrame:
        """Return everybody's current votes, a row each: `image`, `class`, `annotator`, `round`, `vote`, `is_gold`.

        A class that somebody was not shown has no row: it is missing, not a `no`. `vote` is ``yes``, ``no`` or
        ``unsure``; `is_gold` marks images with a known answer, hidden among the others to measure people. They are the
        votes that `mlf settle` counts: annotators whom `mlf.toml` leaves out have none here.

        Raises
        ------
        ProjectError
            If the store is missing or damaged.
        """
        import pandas as pd

        from pipeline.stages.votes_of_project import read_project_votes
        from pipeline.store import open_project_store

        with open_project_store(self._project) as store:
            votes = read_project_votes(self._project, store)
        parts = [
            self._frame(votes.annotation, "annotation", is_gold=False),
            self._frame(votes.probes, "annotation", is_gold=True),
            self._frame(votes.refinement, "refinement", is_gold=False),
        ]
        return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)

    def refined_labels(self) -> pd.DataFrame:
        """Return the refined labels, a row each, with where each came from.

        Columns: `image`, `class` and `name` (null where an image has no label), `source` (``agreed``, ``refined``,
        ``consensus``, ``known``; ``unlabelled`` where nobody has decided), `n_yes`, `n_no`, `n_unsure`, `posterior`
        (null where it was not estimated). The counts are null where labels came from a file without them.

        Raises
        ------
        ProjectError
            If no labels are settled yet.
        """
        import pyarrow.parquet as pq

        path = self._project.require(self._project.refined_labels_path, "mlf settle")
        table: pd.DataFrame = pq.read_table(path).to_pandas().rename(columns={"image_id": "image"})
        table = table.astype(dict.fromkeys(("n_yes", "n_no", "n_unsure"), "Int16"))
        table["class"] = self._keys(table["class_index"])
        table["name"] = self._keys(table["class_index"], self._project.label_space.names)
        return table[["image", "class", "name", "source", "n_yes", "n_no", "n_unsure", "posterior"]]

    def figures(self, stage: str) -> dict[str, Any]:
        """Return the figures of a stage, as `--json` prints them.

        Parameters
        ----------
        stage
            ``analyze``, ``settle``, ``evaluate`` or ``improve``.

        Raises
        ------
        ProjectError
            If there is no such stage, or it has not run yet.
        """
        known = next((each for each in _STAGES if each == stage), None)
        if known is None:
            raise ProjectError(f"no stage {stage!r} has figures; choose from {', '.join(_STAGES)}")
        path = self._project.require(summary_path(self._project, known), f"mlf {stage}")
        figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return figures

    def tables(self) -> list[str]:
        """Return the names of all tables that stages wrote, for :meth:`table`: ``"evaluate/evaluation"`` and so on."""
        results = self._project.results_dir
        found = [path for ending in ("csv", "parquet") for path in results.glob(f"*/*.{ending}")]
        return sorted(path.relative_to(results).with_suffix("").as_posix() for path in found)

    def table(self, name: str) -> pd.DataFrame:
        """Return a table that a stage wrote, its names as text; :meth:`columns` says what each column holds.

        Parameters
        ----------
        name
            As :meth:`tables` lists it: ``"evaluate/evaluation"``, ``"analyze/annotators"``.

        Raises
        ------
        ProjectError
            If there is no such table.
        """
        import pandas as pd

        from pipeline.project.spreadsheets import unguarded
        from pipeline.stages.result_columns import TEXTS

        if name not in self.tables():
            raise ProjectError(f"{self.folder}: no table {name!r}; there are: {', '.join(self.tables()) or 'none yet'}")
        path = self._project.results_dir / f"{name}.csv"
        if not path.exists():
            return pd.read_parquet(path.with_suffix(".parquet"))
        frame = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values=[""])
        for column in TEXTS.intersection(frame):
            frame[column] = frame[column].map(unguarded, na_action="ignore")
        return frame

    def columns(self, name: str) -> pd.Series[Any]:
        """Return what each column of a table says, in one sentence, by the column's name.

        Parameters
        ----------
        name
            As :meth:`tables` lists it.

        Raises
        ------
        ProjectError
            If no stage writes such a table.
        """
        import pandas as pd

        from pipeline.stages.result_columns import RESULT_TABLES

        known = {path.rpartition(".")[0]: table for path, table in RESULT_TABLES.items()}
        if name not in known:
            raise ProjectError(f"no stage writes a table {name!r}; there are: {', '.join(known)}")
        return pd.Series(known[name].columns, name=name)

    def annotate(self, annotator: str = "", round: str = "") -> Annotator:  # noqa: A002
        """Return the widget in which somebody annotates; see :func:`mlf_widgets.open_annotator`."""
        from mlf_widgets.opening import open_annotator

        return open_annotator(self.folder, annotator, round)

    def explore(self) -> Explorer:
        """Return the viewer of all images; see :func:`mlf_widgets.open_explorer`."""
        from mlf_widgets.opening import open_explorer

        return open_explorer(self.folder)

    def _image_names(self) -> Any:
        return image_columns(self._project, ["image_id"])["image_id"].to_numpy(zero_copy_only=False)

    def _keys(self, indices: pd.Series[Any], words: Sequence[str] | None = None) -> pd.Series[Any]:
        named = list(words or self._project.label_space.keys)
        return indices.map(lambda index: named[int(index)], na_action="ignore").astype(object)

    def _frame(self, votes: VoteArrays, round_: str, *, is_gold: bool) -> pd.DataFrame:
        import numpy as np
        import pandas as pd

        from pipeline.votes.words import VOTE_ORDER

        image = votes.images[np.repeat(votes.item_image, votes.n_each)].astype(int)
        class_ = votes.classes[np.repeat(votes.item_class, votes.n_each)].astype(int)
        return pd.DataFrame(
            {
                "image": self._image_names()[image],
                "class": np.array(self._project.label_space.keys, dtype=object)[class_],
                "annotator": votes.annotators[votes.annotator].astype(object),
                "round": round_,
                "vote": np.array(VOTE_ORDER, dtype=object)[votes.vote],
                "is_gold": is_gold,
            }
        )
