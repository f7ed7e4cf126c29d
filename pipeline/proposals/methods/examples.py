"""Proposals for any classes, from examples of them: a backbone's frozen features and a light head.

Examples are the images of the project's reference set, and the project's own images by their original labels. An
image's own label never influences its proposals: heads for the project's images are trained out of fold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import DatasetError, ProjectError
from pipeline.examples.references import digest_of, most_of_a_class, reference_files
from pipeline.images.locations import join_location
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.feature_tables import features_filling, features_of_images, features_path, read_features
from pipeline.inference.filling import Filling, RunOptions, fill_from
from pipeline.inference.parts import read_run_settings, write_whole
from pipeline.inference.predictions import candidates_path
from pipeline.inference.views import views
from pipeline.project.folder import Project
from pipeline.project.image_table import original_labels
from pipeline.project.list_columns import lists_from_padded
from pipeline.project.names import first_few
from pipeline.project.tables import CANDIDATES, PROPOSALS_ROW_GROUP
from pipeline.proposals.head import Head, train_head
from pipeline.proposals.methods.seam import Candidates, no_candidates, read_candidates

if TYPE_CHECKING:
    from pipeline.inference.features import Backbone
    from pipeline.inference.loading import ImageFiles

#: `references`: the reference set; `labels`: the project's own images; `both`.
LearnFrom = Literal["references", "labels", "both"]
#: Into how many parts the project's images are split; the head for one part learns from the labels of the others.
N_FOLDS = 5
_SEED = 0


class ExamplesMethod:
    """A light head on frozen features, trained on examples of each class.

    Parameters
    ----------
    project
        The project whose images are used.
    source
        The backbone.
    n_views
        In how many views each image is looked at.
    top_k
        How many candidates an image gets.
    run
        How the backbone is run.
    learn_from
        Which examples to learn from; None takes all there are.

    Raises
    ------
    DatasetError
        If the backbone cannot be loaded.
    ProjectError
        If there are no examples of that kind.
    """

    has_scores = True

    def __init__(
        self,
        project: Project,
        source: ModelSource,
        n_views: int,
        top_k: int,
        run: RunOptions,
        learn_from: LearnFrom | None = None,
    ) -> None:
        from pipeline.inference.features import load_backbone

        self._project, self._n_views, self._top_k = project, n_views, top_k
        self._backbone: Backbone = load_backbone(source, project.label_space)
        tables = (features_path(project, self._backbone, name) for name in (f"{n_views}views", "references"))
        self._precision = run.precision_of(*tables)
        self.name = f"{self._backbone.name}.examples"
        self._own = self._own_labels()
        self._references = reference_files(project)
        has = {"references": bool(self._references), "labels": bool((self._own >= 0).any())}
        self._learn_from = learn_from or (
            "both" if all(has.values()) else "references" if has["references"] else "labels"
        )
        if self._learn_from not in get_args(LearnFrom):
            raise ProjectError(f"--learn-from {learn_from}: there are {', '.join(get_args(LearnFrom))}")
        lacking = [kind for kind in has if self._learn_from in (kind, "both") and not has[kind]]
        if lacking:
            what = {"references": "reference set of its own (mlf init --examples)", "labels": "original labels"}
            raise ProjectError(
                f"{project.root}: has no {what[lacking[0]]} to learn from; "
                "give --learn-from something else, or make the project with `mlf init --examples FOLDER`"
            )

    @property
    def settings(self) -> dict[str, Any]:
        """Return everything that determines its candidates."""
        return {
            **self._features.settings,
            "method": "examples",
            "learn_from": self._learn_from,
            "references_sha256": digest_of(self._project, self._references) if self._learn_from != "labels" else None,
            "top_k": self._top_k,
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """Return how many classes have no examples."""
        known = {index for index, _ in self._references} if self._learn_from != "labels" else set()
        known |= set(self._own[self._own >= 0].tolist()) if self._learn_from != "references" else set()
        missing = [info.name for info in self._project.label_space if info.index not in known]
        if not missing:
            return ()
        return (f"{self.name}: {len(missing)} classes have no example ({first_few(missing)}); it never proposes them",)

    def fillings(self) -> list[Filling]:
        """Return the table of the images' features."""
        return [self._features]

    def candidates(self, options: RunOptions) -> Candidates:
        """Return the classes that the heads find likeliest; they are also stored in a table of their own."""
        path = candidates_path(self._project, f"{self.name}.{self._n_views}views")
        if options.restart or not path.exists() or read_run_settings(path) != self.settings:
            found = self._scored(options)
            is_named = found.class_index >= 0
            columns = [pa.array(np.arange(len(is_named), dtype=np.int32))]
            columns += [lists_from_padded(values, is_named) for values in (found.class_index, found.score, found.view)]
            metadata = {"model": self.name, "settings": json.dumps(self.settings)}
            table = pa.table(columns, schema=CANDIDATES).replace_schema_metadata(metadata)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(table, path, row_group_size=PROPOSALS_ROW_GROUP)
        return read_candidates(path, self._project.current_classes)

    @cached_property
    def _features(self) -> Filling:
        return features_of_images(self._project, self._backbone, self._n_views, self._precision)

    def _own_labels(self) -> npt.NDArray[np.int64]:
        return original_labels(self._project).astype(np.int64)

    def _scored(self, options: RunOptions) -> Candidates:
        n_images = len(self._own)
        k = min(self._top_k, len(self._project.label_space))
        whole = no_candidates(n_images, k)
        trust = np.array([part.trust for part in views(self._n_views)], dtype=np.float32)
        head_of = self._heads(options)
        for rows, features in read_features(self._features.path, self._n_views):
            for fold in range(N_FOLDS):
                here = rows % N_FOLDS == fold
                if not here.any():
                    continue
                head = head_of(fold)
                flat = self._backbone.prepared(features[here].reshape(-1, features.shape[-1]))
                found = head.probabilities(flat).reshape(int(here.sum()), self._n_views, -1) * trust[:, None]
                best = found.max(axis=1)
                order = np.argsort(-best, axis=1, kind="stable")[:, :k]
                at = (rows[here][:, None], np.arange(order.shape[1]))
                whole.class_index[at] = head.classes[order]
                whole.score[at] = np.take_along_axis(best, order, axis=1)
                whole.view[at] = np.take_along_axis(found.argmax(axis=1), order, axis=1)
        return whole

    def _heads(self, options: RunOptions) -> Callable[[int], Head]:
        """Return the head for the images of each fold; without labels of the project, one head serves all folds."""
        features, labels, fold_of = self._examples(options)
        if self._learn_from == "references":
            only = train_head(features, labels)
            return lambda fold: only  # noqa: ARG005
        heads = [train_head(features[fold_of != fold], labels[fold_of != fold]) for fold in range(N_FOLDS)]
        return heads.__getitem__

    def _examples(
        self, options: RunOptions
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return prepared features, labels and folds of all examples; a reference belongs to no fold (-1)."""
        parts = []
        if self._learn_from != "labels":
            parts += [(features, labels, np.full(len(labels), -1)) for features, labels in self._of_references(options)]
        if self._learn_from != "references":
            parts += list(self._of_own_images())
        if not parts:
            raise DatasetError(f"{self._project.root}: not one example can be read")
        features, labels, folds = (np.concatenate(column) for column in zip(*parts, strict=True))
        return features, labels, folds

    def _of_references(self, options: RunOptions) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
        from pipeline.inference.loading import ListedImages

        locations = [join_location(self._project.examples_root, path) for _, path in self._references]
        labels = np.array([index for index, _ in self._references])
        digest = digest_of(self._project, self._references)
        filling = features_filling(
            self._project, self._backbone, "references", {"references_sha256": digest}, self._precision
        )

        def images(configs: list[dict[str, Any]]) -> ImageFiles:
            return ListedImages(locations, configs, as_timm=self._project.settings.proposals.exif == "as timm")

        def named(indices: list[int]) -> list[tuple[str, str | None]]:
            return [(locations[index], locations[index]) for index in indices]

        if filling.path.exists() and read_run_settings(filling.path) != filling.settings:
            filling.path.unlink()  # it was made from other references, and nothing else reads it
        fill_from(images, len(locations), named, [filling], 1, options)
        for rows, features in read_features(filling.path):
            yield self._backbone.prepared(features[:, 0]), labels[rows]

    def _of_own_images(
        self,
    ) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        chosen = _spread(self._own, most_of_a_class(len(np.unique(self._own[self._own >= 0]))))
        for rows, features in read_features(self._features.path, self._n_views):
            taken = chosen[rows]
            if taken.any():
                prepared = self._backbone.prepared(features[taken, 0])
                yield prepared, self._own[rows[taken]], rows[taken] % N_FOLDS


def _spread(labels: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.bool_]:
    """Return which images to learn from: a limited number per class, drawn with a fixed seed."""
    chosen = np.zeros(len(labels), dtype=bool)
    shuffled = np.random.default_rng(_SEED).permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sorted_labels = labels[order]
    place = np.arange(len(order)) - np.searchsorted(sorted_labels, sorted_labels)
    chosen[order[(place < most) & (sorted_labels >= 0)]] = True
    return chosen
