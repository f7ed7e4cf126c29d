"""What a project has to learn proposals from, and the proposals learnt from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from pipeline.errors import DatasetError, ProjectError
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.feature_tables import features_of_images, features_path, read_features
from pipeline.inference.filling import Filling, RunOptions, fill_tables
from pipeline.inference.parts import read_run_settings
from pipeline.inference.predictions import TOP_K, candidates_path, predictions_path
from pipeline.inference.views import VIEW_COUNTS
from pipeline.project.folder import Project
from pipeline.proposals.best_merge import best_way, proposals_of
from pipeline.proposals.learned import N_FOLDS, TOGETHER, Judged, fold_of
from pipeline.proposals.looks import FeatureParts, Looks, look
from pipeline.proposals.merging import MergedProposals
from pipeline.proposals.methods.classifier import ClassifierMethod
from pipeline.proposals.methods.registry import Request, default_backbone, recommended_views
from pipeline.proposals.methods.seam import Candidates, read_candidates
from pipeline.proposals.reader import ProposalReader
from pipeline.proposals.refined_head import head_candidates, own_candidates

if TYPE_CHECKING:
    from pipeline.inference.features import Backbone

#: The names of what is learnt from settled labels: a head, and what each look of the model is worth.
HEAD, WEIGHED = "settled labels", "looks weighed by settled labels"


@dataclass(frozen=True, eq=False)
class _Features:
    """A backbone's features of all images in a table, those of the settled images at hand, and its own looks at all."""

    backbone: Backbone
    table: Filling
    n_views: int
    settled: npt.NDArray[np.int64]
    of_settled: npt.NDArray[np.float16]
    own: Looks | None
    #: Whether the backbone has an output for every class: no new head is trained then. On toybox scenes (seed 7),
    #: beside the weighed looks, one learnt from 200 or 500 settled images changed recall at 5 by -0.7 and 0.0 points.
    knows_all: bool

    def parts(self, wanted: npt.NDArray[np.int64]) -> FeatureParts:
        """Yield the features of some images, from the table only where they are not at hand."""
        if np.isin(wanted, self.settled).all():
            yield self.settled, self.of_settled
            return
        for rows, features in read_features(self.table.path, self.n_views):
            is_wanted = np.isin(rows, wanted)
            if is_wanted.any():
                yield rows[is_wanted], features[is_wanted]


class LearntProposals:
    """Proposals learnt from settled images: from what methods said of them, and from what they look like.

    Parameters
    ----------
    project
        The project; tables that are missing are filled.
    reader
        Its present proposals.
    judged
        What is settled.
    source
        The backbone; an empty one takes the best at hand.
    n_views
        How many parts of each image the backbone looks at; None as for :func:`pipeline.stages.propose.propose`.
    options
        How networks are run.

    Attributes
    ----------
    names
        The methods that are merged.

    Raises
    ------
    ProjectError
        If nothing is left of what the present proposals were made from.
    DatasetError
        If the backbone cannot be loaded or no image decoded.
    """

    def __init__(
        self,
        project: Project,
        reader: ProposalReader,
        judged: Judged,
        source: ModelSource,
        n_views: int | None,
        options: RunOptions,
    ) -> None:
        self.n_proposals = project.settings.proposals.n_proposals
        self._n_classes = len(project.label_space)
        self._current = project.current_classes
        self._old = reader.as_arrays().class_index
        self._judged = judged
        paths = pq.read_table(project.images_path, columns=["path"]).column(0)
        self.n_images = len(paths)
        models = list(reader.models)
        features, looking = None, None
        if paths.null_count < len(paths):
            source = default_backbone(source, project.label_space)
            n_views = n_views or project.settings.proposals.views or recommended_views([Request("classifier", source)])
            features, looking = self._look(project, source, n_views, options)
            models += [looking] if looking and looking not in models else []
        tables = [table for model in models for table in _tables_of(project, model)]
        if not tables:
            raise ProjectError(
                f"{project.root}: nothing is left of what its proposals were made from; run `mlf propose` anew"
            )
        self._methods = [candidates for _, candidates in tables]
        self.names = [name for name, _ in tables]
        closer = looking if n_views == 1 else f"{looking} ({n_views} views)"
        self._closer = self.names.index(closer) if closer in self.names else None
        self._features: _Features | None = features
        if features:
            self.names += [WEIGHED] if features.own else []
            self.names += [] if features.knows_all else [HEAD]
        self.names += [TOGETHER]

    @property
    def old(self) -> npt.NDArray[np.int32]:
        """Return the present proposals of the settled images, as many as are shown."""
        return self._old[self._judged.images, : self.n_proposals]

    @property
    def looked_closer(self) -> npt.NDArray[np.integer] | None:
        """Return what the backbone alone proposes for the settled images; None where it does not know the classes."""
        if self._closer is None:
            return None
        return self._methods[self._closer].class_index[self._judged.images, : self.n_proposals]

    def cross_fitted(self) -> npt.NDArray[np.int32]:
        """Return the classes proposed for the settled images, each image's from what is settled about other images."""
        images = self._judged.images
        fold, found = fold_of(images), self.old.copy()
        for number in range(N_FOLDS):
            here = fold == number
            learnt = self._from(self._judged.of(images[~here]), images[here]) if here.any() else None
            if learnt is not None:
                found[here] = learnt.class_index[:, : found.shape[1]]
        return found

    def of(self, images: npt.NDArray[np.int64]) -> MergedProposals | None:
        """Return new proposals for some images from all that is settled; None where they are no better."""
        return self._from(self._judged, images)

    def _from(self, judged: Judged, wanted: npt.NDArray[np.int64]) -> MergedProposals | None:
        methods = [*self._methods, *self._learnt(judged, wanted)]
        way = best_way(methods, judged, self._old[:, : self.n_proposals], self._n_classes)
        return proposals_of(way, methods, judged, wanted, self.n_proposals, self._n_classes) if way else None

    def _learnt(self, judged: Judged, wanted: npt.NDArray[np.int64]) -> Iterator[Candidates]:
        known = self._features
        if known is None:
            return
        judged = judged.of(known.settled)
        sizes = (self.n_images, self._n_classes, max(TOP_K, self.n_proposals))
        if known.own:
            found = own_candidates(known.own, judged, *sizes)
            yield Candidates(*self._current.rankings(found.class_index, (found.score, np.nan), (found.view, 0)))
        if known.knows_all:
            return
        of_judged = known.of_settled[np.isin(known.settled, judged.images)]
        yield head_candidates(of_judged, judged, known.parts(wanted), known.backbone.prepared, *sizes)

    def _look(
        self, project: Project, source: ModelSource, n_views: int, options: RunOptions
    ) -> tuple[_Features, str | None]:
        """Fill the table of features and, where the model knows all classes, those of its rankings; tell their name."""
        from pipeline.inference.features import load_backbone

        backbone = load_backbone(source, project.label_space)
        table = _table_of_features(project, backbone, n_views, options)
        name, fillings = None, [table]
        with suppress(DatasetError):  # its classes are not the project's: only its features count
            method = ClassifierMethod(project, source, n_views, max(TOP_K, self.n_proposals), options)
            name, fillings = method.name, [table, *method.fillings()]
        fill_tables(project, fillings, n_views, options)
        return self._at_hand(backbone, table, n_views), name

    def _at_hand(self, backbone: Backbone, table: Filling, n_views: int) -> _Features:
        rows, features = [], []
        for part, found in read_features(table.path, n_views):
            is_settled = np.isin(part, self._judged.images)
            rows.append(part[is_settled])
            features.append(found[is_settled])
        own, knows_all = None, len(backbone.class_indices) == self._n_classes
        if len(backbone.class_indices):
            k = max(TOP_K, self.n_proposals)
            own = look(read_features(table.path, n_views), backbone.probabilities, backbone.class_indices, k)
        return _Features(backbone, table, n_views, np.concatenate(rows), np.concatenate(features), own, knows_all)


def _table_of_features(project: Project, backbone: Backbone, n_views: int, options: RunOptions) -> Filling:
    """Return the table of a backbone's features of a project's images; one made from other images is removed."""
    precision = options.precision_of(features_path(project, backbone, f"{n_views}views"))
    table = features_of_images(project, backbone, n_views, precision)
    if table.path.exists() and read_run_settings(table.path) != table.settings:
        table.path.unlink()
    return table


def _tables_of(project: Project, name: str) -> Iterator[tuple[str, Candidates]]:
    """Yield what a method wrote: its candidates over several views, and its ranking of the whole images."""
    for n_views in VIEW_COUNTS:
        path = candidates_path(project, f"{name}.{n_views}views")
        if path.exists():
            yield f"{name} ({n_views} views)", read_candidates(path, project.current_classes)
    path = predictions_path(project, name)
    if path.exists():
        yield name, read_candidates(path, project.current_classes)
