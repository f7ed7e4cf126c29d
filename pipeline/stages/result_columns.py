"""What each column of the tables in a project's `results/` says; the reference and the Python API read it here.

A stage that writes a table names each of its columns here, in one sentence. Columns that mean the same in every table
stand in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.evaluation.metrics import METRICS


@dataclass(frozen=True, slots=True)
class ResultTable:
    """One table: what a row of it is, and what each of its columns says, in the order of the file."""

    row: str
    columns: Mapping[str, str]


_TEXTS: Final = (
    "a annotator annotator_a annotator_b b class_a_key class_a_name class_b_key class_b_name class_key class_name "
    "condition figure image_id key metric model name precision source stage"
)
#: Columns that hold names: text, whatever a name looks like (`007`, `NA`).
TEXTS: Final = frozenset(_TEXTS.split())
_EVERYWHERE: Final[Mapping[str, str]] = {
    "annotator": "Name of the annotator.",
    "class": "Index of the class.",
    "class_index": "Index of the class; empty where an image has no label.",
    "class_key": "Key of the class.",
    "class_name": "Name of the class.",
    "high": "Upper end of the 95% interval.",
    "image_id": "Name of the image, as the data set calls it.",
    "image_index": "Index of the image, counted from 0.",
    "is_simulated": "Whether the annotator is a program.",
    "low": "Lower end of the 95% interval.",
    "mean_jaccard_distance": "Mean Jaccard distance of two annotators' label sets; two empty sets have 0.",
    "median_active_ms": "Median time of active work on an image, in milliseconds.",
    "metric": "Name of the metric.",
    "model": "Name of the model.",
    "n_images": "How many images it is about.",
    "n_labelled": "Images with at least one refined label: the denominator of the metrics on refined labels.",
    "n_no": "Votes that are no.",
    "n_unsure": "Votes that are unsure.",
    "n_votes": "How many votes it is about.",
    "n_yes": "Votes that are yes.",
    "precision": "Numbers that the model computed with, as far as it is known.",
    **{each.name: f"{each.title}, a share or mean from 0 to 1 (see metrics)." for each in METRICS},
}
_METRICS: Final = " ".join(each.name for each in METRICS)


def _table(row: str, columns: str, **own: str) -> ResultTable:
    """Return a table from the names of its columns and the sentences of those that it alone has."""
    names = columns.split()
    return ResultTable(row, {name: own[name] if name in own else _EVERYWHERE[name] for name in names})


_PROFILE: Final = (
    "n_images n_votes labels_per_image unsure_share n_compared agreement n_applies sensitivity sensitivity_low "
    "sensitivity_high n_absent specificity specificity_low specificity_high"
)


def _profile(row: str, truth: str, more: str = "") -> ResultTable:
    return _table(
        row,
        f"annotator is_simulated {_PROFILE} {more}",
        labels_per_image="Labels ticked, over the images decided.",
        unsure_share="Share of the votes that are unsure.",
        n_compared="Votes on a class of an image on which somebody else voted, too.",
        agreement="Share of the others' votes there that are the same.",
        n_applies=f"Votes on labels that apply {truth}.",
        sensitivity="Share of these that are yes.",
        sensitivity_low="Lower end of its 95% interval.",
        sensitivity_high="Upper end of its 95% interval.",
        n_absent=f"Votes on labels that do not apply {truth}.",
        specificity="Share of these that are no.",
        specificity_low="Lower end of its 95% interval.",
        specificity_high="Upper end of its 95% interval.",
    )


_YIELD: Final = _table(
    "An image, those that are most worth a refiner's minute first; about 2,000 rows of a longer list, evenly spaced.",
    "image n_doubtful expected_errors expected_fixed minutes fixed_per_minute cumulative_minutes cumulative_fixed "
    "remaining_errors",
    image="Index of the image, counted from 0.",
    n_doubtful="Labels of it whose chance of being settled wrongly is above 2%.",
    expected_errors="Wrong labels expected on it, those that no vote shows included.",
    expected_fixed="Wrong labels that refining it is expected to mend; below 0 where it would do harm.",
    minutes="Minutes that refining it takes.",
    fixed_per_minute="The one over the other, by which the images are ordered.",
    cumulative_minutes="Minutes for this image and all before it.",
    cumulative_fixed="Wrong labels mended by then.",
    remaining_errors="Wrong labels left by then, over all images of the list.",
)

#: From a table's path below `results/` to what it holds.
RESULT_TABLES: Final[Mapping[str, ResultTable]] = {
    "refined_labels.csv": _table(
        "A refined label; an image without one has one row without a class.",
        "image class_index class_key class_name source n_yes n_no n_unsure posterior note",
        image="Name of the image, as the data set calls it.",
        class_key="Key of the class; empty where the image has no label.",
        class_name="Name of the class; empty where the image has no label.",
        source="Where the label, or the empty set, comes from: agreed, refined, consensus, known or unlabelled.",
        posterior="Probability that the label applies; empty where it was not estimated.",
        note="Why the image has no label, in words; empty where it has one.",
    ),
    "analyze/images.parquet": _table(
        "An image that somebody decided in the annotation round.",
        "image_index image_id n_annotators n_exposed n_votes set_disagreement set_disagreement_shared "
        "mean_jaccard_distance mean_jaccard_distance_shared share_of_classes_disputed n_unanimous n_split n_single "
        "n_unsure",
        n_annotators="Annotators who decided it.",
        n_exposed="Classes of it on which somebody voted, which are those that somebody was shown.",
        n_votes="Votes on these classes.",
        set_disagreement="Whether two annotators' label sets differ (the published rule).",
        set_disagreement_shared="Whether they differ on classes that both were shown.",
        mean_jaccard_distance_shared="The same distance on classes that both were shown.",
        share_of_classes_disputed="Share of the classes with a vote on which votes differ; empty with one annotator.",
        n_unanimous="Classes with two votes or more that are all the same.",
        n_split="Classes on which votes differ.",
        n_single="Classes with one vote.",
        n_unsure="Classes with at least one unsure vote.",
    ),
    "analyze/classes.csv": _table(
        "A class on which somebody voted, the most disputed first.",
        "class class_key class_name n_images n_compared n_split split_share split_low split_high n_no n_unsure n_yes",
        n_images="Images on which it has a vote.",
        n_compared="Those of them on which it has two votes or more.",
        n_split="Those of them on which its votes differ.",
        split_share="Images on which its votes differ, over those with two votes or more.",
        split_low="Lower end of the share's 95% interval.",
        split_high="Upper end of the share's 95% interval.",
    ),
    "analyze/confused_pairs.csv": _table(
        "Two classes of which one annotator ticked the one and another the other instead, the most frequent first.",
        "class_a class_a_key class_a_name class_b class_b_key class_b_name n_confusions",
        class_a="Index of the first class.",
        class_a_key="Key of the first class.",
        class_a_name="Name of the first class.",
        class_b="Index of the second class.",
        class_b_key="Key of the second class.",
        class_b_name="Name of the second class.",
        n_confusions="How often two annotators of an image differed in this way.",
    ),
    "analyze/annotator_pairs.csv": _table(
        "Two annotators who decided the same images.",
        "annotator_a annotator_b n_images n_shared n_agree agreement n_set_disagreements mean_jaccard_distance",
        annotator_a="Name of the first annotator.",
        annotator_b="Name of the second annotator.",
        n_images="Images that both decided.",
        n_shared="Classes of these images that both were shown.",
        n_agree="Those of them on which both votes are the same.",
        agreement="The one over the other.",
        n_set_disagreements="Images on which their label sets differ, on classes that both were shown.",
        mean_jaccard_distance="Mean Jaccard distance of their label sets, on classes that both were shown.",
    ),
    "analyze/annotators.csv": _profile(
        "An annotator, compared with the others.", "by the majority of the others", "median_active_ms"
    ),
    "analyze/gold.csv": _profile(
        "An annotator, compared with the known answers of hidden gold images.", "by the known answer"
    ),
    "analyze/drift.csv": _table(
        "A quarter of the images of one annotator, in the order in which they decided them.",
        "annotator part n_images median_active_ms n_votes labels_per_image right_share low high",
        part="Which quarter, from 1.",
        n_votes="Votes in it where most of the others say yes, or most say no.",
        labels_per_image="Labels ticked, over these images.",
        right_share="Share of these votes that say the same.",
    ),
    "analyze/yield_curve.csv": _YIELD,
    "analyze/anchoring.csv": _table(
        "One way of showing tasks that was tried out, compared with the usual way on some ranks of the proposals.",
        "condition first_rank last_rank n_votes n_yes share n_usual n_yes_usual share_usual effect low high",
        condition="How the tasks were shown.",
        first_rank="First rank of the proposals that are compared, from 1.",
        last_rank="Last rank; empty where all after the first are meant.",
        n_votes="Votes on them when shown this way.",
        n_yes="Those that are yes.",
        share="The one over the other.",
        n_usual="Votes on them when shown as usual.",
        n_yes_usual="Those that are yes.",
        share_usual="The one over the other.",
        effect="Difference of the two shares.",
    ),
    "analyze/model_against_people.csv": _table(
        "A rank of the proposals; the last row holds what people ticked although it was not proposed.",
        "rank n_judged n_all_yes n_any_yes n_none_yes n_unsure any_yes_share low high",
        rank="Rank of the proposal, from 1; empty for classes that were not proposed.",
        n_judged="Proposals of this rank with a vote.",
        n_all_yes="Those that everybody ticked who voted on them.",
        n_any_yes="Those that somebody ticked.",
        n_none_yes="Those that nobody ticked.",
        n_unsure="Those with an unsure vote.",
        any_yes_share="Those that somebody ticked, over those with a vote.",
    ),
    "refinement/selection.parquet": _table(
        "An image that was chosen for refinement.",
        "image_index reason",
        reason="Why: disputed, worthwhile, suggested or audit.",
    ),
    "refinement/suggestions.parquet": _table(
        "A label that models believe in and nobody was asked about, which refiners of the image are asked about.",
        "image_index class_index",
        class_index="Index of the class.",
    ),
    "settle/before_after.csv": _table(
        "The labels at one stage, over the images that are labelled now.",
        "stage n_images n_labels labels_per_image n_without n_multi multi_share low high n_original_kept "
        "n_with_original",
        stage="The original labels, those after annotation, or those after refinement.",
        n_labels="How many labels these images have.",
        labels_per_image="The one over the other.",
        n_without="Images without a label.",
        n_multi="Images with two labels or more.",
        multi_share="These, over all images of the row.",
        n_original_kept="Images whose original label is among their labels.",
        n_with_original="Images that have an original label.",
    ),
    "settle/sources.csv": _table(
        "A source of labels.",
        "source n_labels n_empty_sets",
        source="Where they come from: agreed, refined, consensus, known or unlabelled.",
        n_labels="Labels that come from it.",
        n_empty_sets="Images without a label that were settled so by it.",
    ),
    "settle/annotators.csv": _table(
        "An annotator, as the consensus sees them.",
        "annotator n_votes n_no n_unsure n_yes agreement weight no_if_absent unsure_if_absent yes_if_absent "
        "no_if_applies unsure_if_applies yes_if_applies",
        agreement="Share of their yes and no votes that are as the consensus settled; empty where they have none.",
        weight="Weight of their votes (method weighted alone).",
        no_if_absent="Chance that they say no where a label does not apply (Dawid-Skene alone, as the rest).",
        unsure_if_absent="Chance that they are unsure where it does not apply.",
        yes_if_absent="Chance that they tick it where it does not apply.",
        no_if_applies="Chance that they say no where a label applies.",
        unsure_if_applies="Chance that they are unsure where it applies.",
        yes_if_applies="Chance that they tick it where it applies.",
    ),
    "settle/suspicious_originals.csv": _table(
        "A decided image whose original label people and models reject, the surest first.",
        "image_index image_id original p_wrong p_people p_models",
        original="Index of the original label.",
        p_wrong="Probability that it does not apply, by people and models.",
        p_people="Probability that it applies, by the votes; empty where nobody was asked about it.",
        p_models="Probability that it applies, by the models alone.",
    ),
    "settle/yield_curve.csv": _YIELD,
    "settle/chances.parquet": _table(
        "A class of an image, kept as a label or not, that is not certain.",
        "image_index class_index chance",
        class_index="Index of the class.",
        chance="Probability that it applies.",
    ),
    "settle/suggestions.csv": _table(
        "A label that models believe in and nobody was asked about, the likeliest first.",
        "image_index image_id class_index class_key class_name probability",
        class_index="Index of the class.",
        probability="Probability that it applies, carried over from the classes that people were asked about.",
    ),
    "settle/reliability.csv": _table(
        "A tenth of the posteriors, held against what is known.",
        "from to n_items claimed observed low high posterior",
        **{"from": "Lower end of the posteriors."},
        to="Upper end of the posteriors.",
        n_items="Known labels whose posterior lies between the two.",
        claimed="Mean posterior of these.",
        observed="Share of these that apply.",
        posterior="Whether the posteriors are those before or after they were calibrated.",
    ),
    "evaluate/evaluation.csv": _table(
        "A model.",
        f"model {_METRICS} n_images n_labelled gave_evidence precision",
        n_images="Images with an original label: the denominator of Top-1 and Top-5.",
        gave_evidence="Whether its scores helped to settle the labels under which it is scored here.",
    ),
    "evaluate/accuracy_by_label_count.csv": _table(
        "A model on the images with one number of labels.",
        f"n_labels model {_METRICS} n_images n_labelled precision",
        n_labels="How many refined labels these images have.",
        n_images="Those of them with an original label: the denominator of Top-1 and Top-5.",
    ),
    "evaluate/intervals.csv": _table(
        "A figure of a model, with its interval.",
        "model figure n_hits n value low high precision",
        figure="Name of the metric.",
        n_hits="Images that it hits; empty where the metric is a mean.",
        n="Images that count.",
        value="The figure, from 0 to 1.",
    ),
    "evaluate/underrating_by_class.csv": _table(
        "A class, over the images whose original label it is, the one that Top-1 underrates most first.",
        "class_index n_images top1 real underrated key name",
        class_index="Index of the class.",
        top1="Mean Top-1 over the models.",
        real="Mean ReaL accuracy over the models.",
        underrated="Their difference.",
        key="Key of the class.",
        name="Name of the class.",
    ),
    "evaluate/pairs.csv": _table(
        "Two models under one metric, the better one first.",
        "metric a b difference low high n_only_a n_only_b n_images p p_holm",
        a="Name of the better model.",
        b="Name of the other model.",
        difference="Difference of their accuracies on the same images.",
        n_only_a="Images that only the better one hits.",
        n_only_b="Images that only the other one hits.",
        n_images="Images that count.",
        p="McNemar's exact test, two-sided.",
        p_holm="The same with Holm's correction over all pairs of the metric.",
    ),
    "evaluate/ranks.csv": _table(
        "A model under one metric.",
        "metric model value low high rank rank_low rank_high precision",
        value="The metric, from 0 to 1.",
        rank="Its place, 1 for the best; equals share the better one.",
        rank_low="Best place in 95% of the draws of the images.",
        rank_high="Worst place in 95% of the draws of the images.",
    ),
    "evaluate/real_with_doubt.csv": _table(
        "A model, scored under labels that are drawn by how sure they are.",
        "model expected low high precision",
        expected="Mean ReaL accuracy of the draws.",
    ),
    "evaluate/levels.csv": _table(
        "A model on the classes of one level of the hierarchy.",
        f"level n_classes multi_label_share model {_METRICS} n_images n_labelled precision",
        level="Number of the level; 0 is the top.",
        n_classes="Classes at this level.",
        multi_label_share="Share of the images with two labels or more at this level.",
    ),
    "improve/next_images.csv": _table(
        "An image that nobody has decided, those with the least sure proposals first.",
        "image_index image_id uncertainty",
        uncertainty="How many of its proposals would be guessed wrongly, expected from their scores.",
    ),
}
