"""How the images of one annotator are shown: which order, whether scores, what is tried out on them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.annotation.beside import beside
from pipeline.annotation.folding import ImageState
from pipeline.annotation.session import Proposal
from pipeline.inference.views import VIEW_COUNTS, views
from pipeline.project.presentation import CONTROL, Condition, Presentation, drawn_condition
from pipeline.project.settings import usual_presentation
from pipeline.proposals.reader import ProposalRow
from pipeline.sessions.project_tables import ProjectTables
from pipeline.store import SqlStore
from pipeline.votes.words import Round


class Presenter:
    """Decides how images are shown to one annotator in one round; the same image is always shown in the same order.

    Parameters
    ----------
    tables
        The project's tables.
    store
        Knows how images were shown on which the annotator acted before.
    annotator, round_
        Whose tasks.
    """

    def __init__(self, tables: ProjectTables, store: SqlStore, annotator: str, round_: Round) -> None:
        self._tables, self._project, self._store = tables, tables.project, store
        self._annotator, self._round = annotator, round_

    def presentations(self, states: Mapping[int, ImageState]) -> dict[int, Presentation]:
        """Return how images are shown, by image index.

        An image on which the annotator has acted stays in the order in which they saw it first, whatever pairs of
        classes have been found since: what was logged about it would be wrong otherwise.
        """
        annotation, n_versions = self._project.settings.annotation, len(self._tables.class_pairs)
        now = (n_versions, annotation.page_size) if n_versions and annotation.pairs_together else (0, 0)
        acted_on = [image_index for image_index, state in states.items() if state.last_seq] if n_versions else []
        before = self._store.first_orders(self._round, self._annotator, acted_on) if acted_on else {}
        found = {}
        for image_index in states:
            pairs, page = now
            first = next(filter(None, map(Presentation.parse, before.get(image_index, ()))), None)
            if first is not None:
                pairs, page = min(first.pairs, n_versions), first.pairs_page
            found[image_index] = replace(self._usual(image_index), pairs=pairs, pairs_page=page)
        return found

    def proposals(self, image_index: int, row: ProposalRow, shown: Presentation) -> tuple[Proposal, ...]:
        """Return an image's proposals in the order in which they are shown; each keeps its rank."""
        proposals = self._in_order(image_index, self._offered(image_index, row, shown), shown)
        if not shown.pairs:
            return proposals
        partners = self._tables.class_pairs[shown.pairs - 1]
        places = beside([proposal.class_index for proposal in proposals], partners, shown.pairs_page)
        return tuple(proposals[place] for place in places)

    def _usual(self, image_index: int) -> Presentation:
        """Return how an image is shown but for pairs; what is tried out is drawn anew for each annotator, and stays."""
        settings, secret = self._project.settings, self._project.secret
        usual, trial = usual_presentation(settings.annotation), settings.experiment
        if self._round is not Round.ANNOTATION:
            return usual
        if trial.share > 0:
            draw = secret.share("experiment", image_index, self._annotator)
            condition = drawn_condition(draw, trial.share, [Condition(name) for name in trial.conditions])
            usual = usual.under(condition) if condition else replace(usual, condition=CONTROL)
        is_probe = trial.probe_share > 0 and secret.share("probe", image_index) < trial.probe_share
        return replace(usual, is_probe=is_probe)

    def _offered(self, image_index: int, row: ProposalRow, shown: Presentation) -> Sequence[Proposal]:
        classes = row.class_index[: self._project.settings.proposals.n_proposals]
        scores = row.score[: len(classes)]
        # An original label that no model named was put last, without a score (`mlf propose --include-original`).
        is_given_away = len(classes) > 1 and scores[-1] is None and scores[0] is not None
        has_scores = shown.shows_scores and not is_given_away
        parts = views(VIEW_COUNTS[-1])
        # In refinement, what models suggest beyond the proposals has no view and would be told apart by that.
        may_tell = self._round is Round.ANNOTATION and not is_given_away
        has_views = may_tell and self._tables.proposals.has_views
        offered = [
            Proposal(
                class_index=class_index,
                rank=rank,
                score=scores[rank] if has_scores else None,
                model=row.model[rank] if has_scores else "",
                view=parts[row.view[rank]].as_region if has_views else None,
            )
            for rank, class_index in enumerate(classes)
        ]
        if is_given_away:
            place = int(self._project.secret.share("place of the original", image_index) * len(offered))
            offered.insert(place, offered.pop())
        return offered

    def _in_order(self, image_index: int, proposals: Sequence[Proposal], shown: Presentation) -> tuple[Proposal, ...]:
        if shown.order != "shuffled":
            return tuple(proposals)
        # A fixed permutation for each (seed, annotator, image): a reload must not move the cards. It is keyed:
        # otherwise whoever knows the seed could sort them back into the order of the scores.
        key = self._project.secret.digest("order", shown.order_seed, self._annotator, image_index)
        shuffled = list(proposals)
        random.Random(key).shuffle(shuffled)
        return tuple(shuffled)
