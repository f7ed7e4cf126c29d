"""Stage 6: settled labels improve the proposals of the images that nobody has annotated yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import DatasetError, ProjectError
from pipeline.evaluation.label_sets import LabelSets, label_sets_from_pairs
from pipeline.evaluation.shares import Share
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.filling import Filling, RunOptions, fill_tables
from pipeline.inference.predictions import TOP_K, candidates_path, predictions_path, settings_of_images
from pipeline.inference.views import VIEW_COUNTS
from pipeline.project.class_references import ClassNumbers
from pipeline.project.folder import Project
from pipeline.project.image_table import original_labels
from pipeline.project.list_columns import lists_from_padded
from pipeline.project.results import write_results
from pipeline.project.tables import FEATURES, FEATURES_ROW_GROUP, PROPOSALS_ROW_GROUP, PROPOSALS_WITH_VIEWS
from pipeline.proposals.fusion import proposal_recall
from pipeline.proposals.how_many import fewest_proposals, share_missed
from pipeline.proposals.learned import (
    N_FOLDS,
    TOGETHER,
    Judged,
    fold_of,
    learn_merge,
    merge_as_learned,
)
from pipeline.proposals.merging import MergedProposals
from pipeline.proposals.methods.classifier import ClassifierMethod
from pipeline.proposals.methods.registry import Request, default_backbone, recommended_views
from pipeline.proposals.methods.seam import Candidates, read_candidates
from pipeline.proposals.reader import ProposalReader
from pipeline.proposals.refined_head import MOST_IMAGES, head_candidates
from pipeline.proposals.writer import write_proposals
from pipeline.stages.evaluate import labels_from
from pipeline.stages.votes_of_project import read_project_votes
from pipeline.store.sql_store import open_project_store
from pipeline.votes.words import Round, Source

if TYPE_CHECKING:
    from pipeline.inference.features import Backbone

#: Numbers of proposals at which recall is reported, in addition to the project's own number.
AT = (5, 10)
#: Candidates for how strongly co-occurring classes lift each other; which works best depends on how much is settled.
_LIFTS = (0.0, 0.1, 0.3)
#: The name of the head trained on settled labels.
HEAD = "settled labels"
#: Shares of an image's labels that may be missed; for each, the stage reports how many proposals are enough.
RATES = (0.1, 0.05)
_N_DRAWS = 1000
#: A function that proposes classes for some images, from what is settled about others.
_Way = Callable[[Judged, npt.NDArray[np.int64]], MergedProposals]


@dataclass(frozen=True)
class RecallChange:
    """Recall of the first `k` proposals on settled images: of the old proposals, and of those learnt from other images.

    `gain` is the difference; `interval` is its 95% percentile bootstrap interval over images.
    """

    k: int
    before: Share
    after: Share
    gain: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Improvement:
    """What stage 6 came to.

    Attributes
    ----------
    n_settled
        Images it learnt from.
    n_renewed
        Images with new proposals: those that nobody has worked on; 0 where nothing learnt is better than the old
        proposals.
    recall
        Recall on the settled images, each scored by what was learnt from other images.
    n_needed
        The fewest new proposals that contain as many of the labels as all the old ones did; None where even all of them
        do not.
    enough
        For each of :data:`RATES`, the fewest new proposals whose expected share of missed labels stays below it
        (:mod:`pipeline.proposals.how_many`); None where even all are too few, or too little is settled to promise it.
    methods
        The methods that were merged.
    simulated_annotators
        Those annotators whose votes were used and who are programs.
    next_images
        The undecided images, the least certain first: `image_index`, `image_id`, `uncertainty` (the expected number of
        wrong guesses among the proposals).
    """

    n_settled: int
    n_renewed: int
    recall: tuple[RecallChange, ...]
    n_needed: int | None
    enough: tuple[int | None, ...]
    methods: tuple[str, ...]
    simulated_annotators: tuple[str, ...]
    next_images: pd.DataFrame


@dataclass(frozen=True)
class ImprovedRecall:
    """One row of the results of stage 6: recall of the first `k` proposals, over `n_labels` labels."""

    k: int
    n_labels: int
    before: float | None
    after: float | None
    gain: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class ImproveSummary:
    """The figures of stage 6, as stored in `results/improve.json`: those of :class:`Improvement`."""

    n_settled: int
    n_renewed: int
    n_needed: int | None
    enough: tuple[int | None, ...]
    methods: tuple[str, ...]
    simulated_annotators: tuple[str, ...]
    recall: tuple[ImprovedRecall, ...]


@dataclass(frozen=True)
class _Project:
    """What there is to learn from: the present proposals, the methods' candidates, and features where there are any."""

    old: npt.NDArray[np.int32]
    names: list[str]
    methods: list[Candidates]
    backbone: Backbone | None
    features: Filling | None
    n_images: int
    n_classes: int
    n_proposals: int

    def proposals(self, judged: Judged, wanted: npt.NDArray[np.int64]) -> MergedProposals | None:
        """Return new proposals for some images from what is settled about others; None where they are no better."""
        methods = list(self.methods)
        if self.features and self.backbone:
            images, features = self._learnt_from(judged)
            methods.append(
                head_candidates(features, images, judged, self._parts(wanted), self.n_images, self.n_classes, TOP_K)
            )
        best = self._best_way(methods, judged)
        return best(judged, wanted) if best else None

    def _best_way(self, methods: list[Candidates], judged: Judged) -> _Way | None:
        """Return what works best on one half of the settled images when learnt from the other half; None: no change.

        The choice is between merges that lift co-occurring classes by different amounts, and each method by itself:
        where little is settled, the best single method may beat anything that can be learnt.
        """
        ways: list[_Way] = [partial(self._learnt, methods, lift) for lift in _LIFTS]
        ways += [partial(self._alone, methods, number) for number in range(len(methods))]
        halves = [(judged.of(judged.images[::2]), judged.images[1::2])]
        halves += [(judged.of(judged.images[1::2]), judged.images[::2])]
        unchanged, found = 0.0, [0.0] * len(ways)
        for known, half in halves:
            sets = _label_sets(judged.of(half))
            unchanged += _mean_recall(self.old[half, : self.n_proposals], sets)
            for number, way in enumerate(ways):
                found[number] += _mean_recall(way(known, half).class_index, sets)
        best = max(range(len(ways)), key=found.__getitem__)
        return ways[best] if found[best] > unchanged else None

    def _learnt(
        self, methods: list[Candidates], lift: float, judged: Judged, wanted: npt.NDArray[np.int64]
    ) -> MergedProposals:
        merge = learn_merge(methods, judged, self.n_classes)
        return merge_as_learned(merge, methods, self.n_proposals, wanted, lift)

    def _alone(
        self, methods: list[Candidates], number: int, judged: Judged, wanted: npt.NDArray[np.int64]
    ) -> MergedProposals:
        del judged  # nothing is learnt
        method, k = methods[number], self.n_proposals
        classes = method.class_index[wanted, :k]
        source = np.where(classes >= 0, number, -1).astype(np.int16)
        return MergedProposals(classes, method.score[wanted, :k], method.view[wanted, :k], source)

    def _learnt_from(self, judged: Judged) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        some = judged.images
        if len(some) > MOST_IMAGES:
            some = np.sort(np.random.default_rng(0).choice(some, MOST_IMAGES, replace=False))
        parts = list(self._parts(some))
        return np.concatenate([rows for rows, _ in parts]), np.concatenate([features for _, features in parts])

    def _parts(self, wanted: npt.NDArray[np.int64]) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
        from pipeline.inference.features import read_features

        assert self.features is not None
        assert self.backbone is not None
        for rows, features in read_features(self.features.path):
            is_wanted = np.isin(rows, wanted)
            if is_wanted.any():
                yield rows[is_wanted], self.backbone.prepared(features[is_wanted, 0])


def improve_project(
    project: Project,
    labels: str | Path | None = None,
    model: str | None = None,
    checkpoint: str | Path | None = None,
    *,
    views: int | None = None,
    class_numbers: ClassNumbers = "auto",
    batch_size: int = 64,
    device: str = "auto",
    n_workers: int | None = None,
) -> Improvement:
    """Learn from settled labels which classes to propose, and renew the proposals of images that nobody has worked on.

    Merges the methods that made the proposals as :mod:`pipeline.proposals.learned` describes. Where the images have
    files, a head trained on frozen features and the settled labels is merged too. Proposals of decided images stay.

    Parameters
    ----------
    project
        A project with proposals, and with settled labels unless `labels` gives some.
    labels
        JSON of refined labels from elsewhere, in which a class that is not named does not apply. None takes the
        project's own, in which a class that nobody was shown counts neither way.
    model, checkpoint
        The backbone; None takes the best one available. Where it knows the project's classes, it ranks them as well.
    views
        How many parts of each image the backbone looks at to rank them; None as for
        :func:`pipeline.stages.propose.propose`.
    class_numbers
        How class numbers are read in `labels` (:mod:`pipeline.project.class_references`).
    batch_size, device, n_workers
        As for :class:`pipeline.inference.filling.RunOptions`.

    Raises
    ------
    ProjectError
        If nothing has been proposed or settled yet.
    DatasetError
        If too little is settled, or the labels or the backbone cannot be read.
    """
    reader = ProposalReader(project.require(project.proposals_path, "mlf propose"))
    before = reader.as_arrays().class_index
    judged, simulated = (_judged_of_file(project, labels, class_numbers), ()) if labels else _judged_of_project(project)
    source = ModelSource(model, Path(checkpoint) if checkpoint else None)
    whole = _opened(project, reader, source, views, RunOptions(batch_size, device, n_workers))
    after = _cross_fitted(whole, judged)
    old = before[judged.images]
    sets = _label_sets(judged)
    recall = tuple(_change(k, old, after, sets) for k in sorted({*AT, whole.n_proposals}))
    target = proposal_recall(old, sets).labels.n_hits
    ks = range(1, whole.n_proposals + 1)
    needed = next((k for k in ks if proposal_recall(after[:, :k], sets).labels.n_hits >= target), None)
    missed = share_missed(after, sets)
    undecided = np.setdiff1d(np.arange(whole.n_images), np.union1d(judged.images, _decided(project)))
    names = (*whole.names, *([HEAD] if whole.features else []), TOGETHER)
    renewed = whole.proposals(judged, undecided) if len(undecided) else None
    if renewed is not None:
        _replace(project, reader, undecided, renewed, names)
    found = Improvement(
        n_settled=len(judged.images),
        n_renewed=0 if renewed is None else len(undecided),
        recall=recall,
        n_needed=needed,
        enough=tuple(fewest_proposals(missed, rate) for rate in RATES),
        methods=names,
        simulated_annotators=simulated,
        next_images=_next_images(
            project, undecided, reader.as_arrays().score[undecided] if renewed is None else renewed.score
        ),
    )
    write_results(project, "improve", _summary(found), {"next_images.csv": found.next_images})
    return found


def recall_table(found: Improvement) -> pd.DataFrame:
    """Return recall before and after, one row per number of proposals, written for people."""
    rows = [
        {
            "proposals": change.k,
            "before": str(change.before),
            "after": str(change.after),
            "gain": f"{change.gain:+.1%} (95%: {change.interval[0]:+.1%} to {change.interval[1]:+.1%})",
        }
        for change in found.recall
    ]
    return pd.DataFrame(rows).set_index("proposals")


def _summary(found: Improvement) -> dict[str, object]:
    rows = (ImprovedRecall(c.k, c.before.n, c.before.value, c.after.value, c.gain, c.interval) for c in found.recall)
    return asdict(
        ImproveSummary(
            found.n_settled,
            found.n_renewed,
            found.n_needed,
            found.enough,
            found.methods,
            found.simulated_annotators,
            tuple(rows),
        )
    )


def _opened(
    project: Project, reader: ProposalReader, source: ModelSource, n_views: int | None, options: RunOptions
) -> _Project:
    models = list(reader.models)
    paths = pq.read_table(project.images_path, columns=["path"]).column(0)
    has_files = paths.null_count < len(paths)
    if has_files:
        source = default_backbone(source, project.label_space)
        models += [name for name in _looked_closer(project, source, n_views, options) if name not in models]
    names, methods = [], []
    for name in models:
        for table, path in _tables_of(project, name):
            names.append(table)
            methods.append(read_candidates(path))
    if not methods:
        raise ProjectError(
            f"{project.root}: nothing is left of what its proposals were made from; run `mlf propose` anew"
        )
    backbone, features = None, None
    if has_files:
        backbone, features = _features(project, source)
        fill_tables(project, [features], 1, options)
    n_classes = len(project.label_space)
    n_proposals = project.settings.proposals.n_proposals
    old = reader.as_arrays().class_index
    return _Project(old, names, methods, backbone, features, len(paths), n_classes, n_proposals)


def _looked_closer(project: Project, source: ModelSource, n_views: int | None, options: RunOptions) -> Iterator[str]:
    """Let the model rank the classes itself where it knows them all, with as many views as set or recommended."""
    n_views = n_views or project.settings.proposals.views or recommended_views([Request("classifier", source)])
    try:
        method = ClassifierMethod(project, source, n_views, max(TOP_K, project.settings.proposals.n_proposals))
    except DatasetError:
        return
    fill_tables(project, method.fillings(), n_views, options)
    yield method.name


def _tables_of(project: Project, name: str) -> Iterator[tuple[str, Path]]:
    """Yield the tables that a method wrote: its candidates over several views, and its ranking of the whole images."""
    for n_views in VIEW_COUNTS:
        path = candidates_path(project, f"{name}.{n_views}views")
        if path.exists():
            yield f"{name} ({n_views} views)", path
    path = predictions_path(project, name)
    if path.exists():
        yield name, path


def _features(project: Project, source: ModelSource) -> tuple[Backbone, Filling]:
    from pipeline.inference.features import load_backbone

    backbone = load_backbone(source, project.label_space)
    filling = Filling(
        path=project.features_dir / f"{backbone.name}.whole.parquet",
        schema=FEATURES,
        row_group_size=FEATURES_ROW_GROUP,
        settings={**backbone.settings, **settings_of_images(project)},
        name=backbone.name,
        network=backbone.network,
        rows=lambda found: [found.reshape(len(found), -1).astype(np.float16)],
    )
    return backbone, filling


def _judged_of_file(project: Project, labels: str | Path, numbers: ClassNumbers) -> Judged:
    rows, sets = labels_from(Path(labels), project, numbers, original_labels(project))
    images = rows[sets.image_index]
    classes = sets.class_index.astype(np.int64)
    return Judged(images, classes, np.ones(len(images), dtype=bool), is_complete=True, images=np.sort(rows))


def _judged_of_project(project: Project) -> tuple[Judged, tuple[str, ...]]:
    """Return what the project's annotators settled, and which of them are programs."""
    table = pq.read_table(project.require(project.refined_labels_path, "mlf settle"))
    table = table.filter(pc.not_equal(table["source"], Source.UNLABELLED.value))
    n_classes = len(project.label_space)
    images = np.unique(table["image_index"].to_numpy()).astype(np.int64)
    named = table.filter(pc.is_valid(table["class_index"]))
    true = named["image_index"].to_numpy().astype(np.int64) * n_classes + named["class_index"].to_numpy()
    store = open_project_store(project)
    try:
        read = read_project_votes(project, store)
    finally:
        store.close()
    votes = read.all_votes()
    voted = votes.item_image.astype(np.int64) * n_classes + votes.item_class
    settled = np.union1d(true, voted[np.isin(votes.item_image, images)])
    image, class_index = np.divmod(settled, n_classes)
    judged = Judged(image, class_index, np.isin(settled, true), is_complete=False, images=images)
    return judged, tuple(sorted(read.simulated & {*read.voters, *read.refiners}))


def _decided(project: Project) -> npt.NDArray[np.int64]:
    """Return the images that somebody has worked on: the proposals that people were shown must not change."""
    store = open_project_store(project)
    try:
        return np.unique([row.image_index for round_ in Round for row in store.iter_states(round_)]).astype(np.int64)
    finally:
        store.close()


def _cross_fitted(whole: _Project, judged: Judged) -> npt.NDArray[np.int32]:
    """Return the classes proposed for the settled images, each image's from what is settled about other images."""
    fold = fold_of(judged.images)
    found = whole.old[judged.images, : whole.n_proposals].copy()
    for number in range(N_FOLDS):
        here = fold == number
        learnt = whole.proposals(judged.of(judged.images[~here]), judged.images[here]) if here.any() else None
        if learnt is not None:
            found[here] = learnt.class_index[:, : found.shape[1]]
    return found


def _mean_recall(classes: npt.NDArray[np.int32], sets: LabelSets) -> float:
    """Return recall averaged over all numbers of proposals."""
    counts = range(1, classes.shape[1] + 1)
    return sum(proposal_recall(classes[:, :k], sets).labels.value or 0.0 for k in counts) / max(1, len(counts))


def _label_sets(judged: Judged) -> LabelSets:
    place = np.searchsorted(judged.images, judged.image_index[judged.applies])
    return label_sets_from_pairs(place, judged.class_index[judged.applies], [str(image) for image in judged.images])


def _change(k: int, old: npt.NDArray[np.int32], new: npt.NDArray[np.int32], sets: LabelSets) -> RecallChange:
    before, after = (proposal_recall(classes[:, :k], sets) for classes in (old, new))
    n_labels = sets.n_labels.astype(np.float64)
    n_gained = np.nan_to_num(after.per_image - before.per_image) * n_labels
    drawn = np.random.default_rng(0).multinomial(len(n_labels), np.full(len(n_labels), 1 / len(n_labels)), _N_DRAWS)
    gains = (drawn @ n_gained) / np.maximum(drawn @ n_labels, 1)
    low, high = np.quantile(gains, [0.025, 0.975])
    gain = float(n_gained.sum() / max(1.0, n_labels.sum()))
    return RecallChange(k, before.labels, after.labels, gain, (float(low), float(high)))


def _replace(
    project: Project,
    reader: ProposalReader,
    images: npt.NDArray[np.int64],
    renewed: MergedProposals,
    names: Sequence[str],
) -> None:
    """Rewrite the proposals: those of `images` are replaced, the others stay as they are."""
    models = [*reader.models, *(name for name in names if name not in reader.models)]
    position = np.array([models.index(name) for name in names], dtype=np.int16)
    kept = reader.as_arrays()
    width = max(kept.class_index.shape[1], renewed.class_index.shape[1])
    fillers = {"class_index": -1, "score": np.nan, "model": -1, "view": 0}
    columns = {
        name: np.pad(getattr(kept, name), ((0, 0), (0, width - kept.class_index.shape[1])), constant_values=filler)
        for name, filler in fillers.items()
    }
    source = np.where(renewed.class_index >= 0, position[renewed.source], -1)
    found = {"class_index": renewed.class_index, "score": renewed.score, "model": source, "view": renewed.view}
    for name, filler in fillers.items():
        columns[name][images] = filler
        columns[name][images, : renewed.class_index.shape[1]] = found[name]

    def groups() -> Iterator[pa.Table]:
        for first in range(0, len(columns["class_index"]), PROPOSALS_ROW_GROUP):
            rows = slice(first, first + PROPOSALS_ROW_GROUP)
            is_named = columns["class_index"][rows] >= 0
            lists = [lists_from_padded(column[rows], is_named) for column in columns.values()]
            lists[1] = pa.ListArray.from_arrays(
                lists[0].offsets, pa.array(columns["score"][rows][is_named], from_pandas=True)
            )
            index = pa.array(np.arange(first, first + len(is_named), dtype=np.int32))
            yield pa.table([index, *lists], schema=PROPOSALS_WITH_VIEWS)

    write_proposals(project, groups(), models, {**reader.settings, "improved": {"methods": list(names)}})


def _next_images(project: Project, images: npt.NDArray[np.int64], scores: npt.NDArray[np.float32]) -> pd.DataFrame:
    ids = pq.read_table(project.images_path, columns=["image_id"]).column(0).take(images).to_pylist()
    score = np.clip(np.nan_to_num(scores), 0, 1)
    table = pd.DataFrame(
        {"image_index": images, "image_id": ids, "uncertainty": np.minimum(score, 1 - score).sum(axis=1)}
    )
    return table.sort_values(["uncertainty", "image_index"], ascending=[False, True], ignore_index=True)
